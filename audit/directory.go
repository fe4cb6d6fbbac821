package audit

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// Directory gives principals the names that events call them by, so that the
// log can be kept for years and a person be forgotten. It is table blue_keys,
// apart from the log:
//
//	PK  principals
//	SK  the name, at most 1,024 bytes
//	    pepper      B  32 random bytes
//	    created_at  S
//
//	pseudonym = "p-" ‖ first 32 hex digits of HMAC-SHA256(pepper, LP("blue/1/principal") ‖ LP(name))
//
// Without the record nobody can tell whose a pseudonym was, not even by
// guessing names. All methods may be called concurrently.
type Directory struct {
	store record.Store
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

const (
	principalsPK = "principals"
	pepperSize   = 32 // bytes
)

// NewDirectory returns the directory of a store.
func NewDirectory(store record.Store) *Directory { return &Directory{store: store} }

// Pseudonym returns what events call a name, and makes its record if there is
// none. Of many at once all get the same. ErrInvalid for no name, ErrTooLarge
// for one that is no sort key, ErrTampered for a record that is not whole.
func (d *Directory) Pseudonym(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: a principal without a name", blue.ErrInvalid)
	}
	key := record.Key{Partition: principalsPK, Item: name}
	r, err := d.store.Get(ctx, record.Keys, key)
	if errors.Is(err, blue.ErrNotFound) {
		r, err = d.enter(ctx, key)
	}
	if err != nil {
		return "", err
	}
	return pseudonym(r)
}

// enter puts a new record. Whatever became of that, what stands there counts.
func (d *Directory) enter(ctx context.Context, key record.Key) (record.Record, error) {
	now := time.Now
	if d.Now != nil {
		now = d.Now
	}
	var pepper [pepperSize]byte
	rand.Read(pepper[:]) // never fails (crypto/rand)
	r := record.Record{Key: key, Attrs: record.Attrs{
		"pepper": record.B(pepper[:]), "created_at": record.S(now().UTC().Format(timeFormat)),
	}}
	putErr := d.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: r}})
	if putErr == nil {
		return r, nil
	}
	found, err := d.store.Get(ctx, record.Keys, key)
	if err != nil {
		return record.Record{}, putErr
	}
	return found, nil
}

func pseudonym(r record.Record) (string, error) {
	pepper := r.Attrs["pepper"].Bin()
	if len(pepper) != pepperSize {
		return "", fmt.Errorf("%w: a principal's record has a pepper of %d bytes instead of %d", blue.ErrTampered, len(pepper), pepperSize)
	}
	h := hmac.New(sha256.New, pepper)
	h.Write(appendLP(appendLP(nil, []byte("blue/1/principal")), []byte(r.Key.Item)))
	return "p-" + hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// Names returns the name of every pseudonym that can still be told.
// ErrTampered for a record that is not whole.
func (d *Directory) Names(ctx context.Context) (map[string]string, error) {
	all, err := d.store.Query(ctx, record.Query{Table: record.Keys, Partition: principalsPK})
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(all))
	for _, r := range all {
		p, err := pseudonym(r)
		if err != nil {
			return nil, err
		}
		names[p] = r.Key.Item
	}
	return names, nil
}

// NamesOf returns the names in the directory that are a user's, ascending: the
// user's own, and those that go on after a space with an identity elsewhere, an
// ARN say. It makes none.
func (d *Directory) NamesOf(ctx context.Context, user string) ([]string, error) {
	all, err := d.Names(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range all {
		if name == user || strings.HasPrefix(name, user+" ") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Forget deletes a name's record: the log keeps the pseudonym, and nobody can
// link it to the name any more, once the backups of the table are gone too. A
// log that is open goes on with it; the next one takes a new one. also are
// writes of the directory's store that stand or fall with it. ErrNotFound.
func (d *Directory) Forget(ctx context.Context, name string, also ...record.Write) error {
	key := record.Key{Partition: principalsPK, Item: name}
	r, err := d.store.Get(ctx, record.Keys, key)
	if err != nil {
		return err
	}
	return d.store.Commit(ctx, append(also, record.Write{Table: record.Keys, Record: record.Record{Key: key}, Prev: r.Attrs}))
}
