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

// A Directory maps the names of principals to the pseudonyms that events
// contain. The log can then be kept for years, although a person is erased. Its
// records are in table blue_keys, which is separate from the log:
//
//	PK  principals
//	SK  the name, at most 1,024 bytes
//	    pepper      B  32 random bytes
//	    created_at  S
//
//	pseudonym = "p-" ‖ first 32 hex digits of HMAC-SHA256(pepper, LP("blue/1/principal") ‖ LP(name))
//
// Without the record, a pseudonym cannot be linked to a name, because the pepper
// prevents guesses. All methods may be called concurrently.
type Directory struct {
	store record.Store
	// Now is the clock, time.Now if nil. It must not be set after the first
	// call of a method.
	Now func() time.Time
}

const (
	principalsPK = "principals"
	pepperSize   = 32 // bytes
)

// NewDirectory returns the directory of a store.
func NewDirectory(store record.Store) *Directory { return &Directory{store: store} }

// Pseudonym returns the pseudonym of a name, and stores a record if there is
// none. Concurrent callers get the same pseudonym. It returns ErrInvalid for an
// empty name, ErrTooLarge for a name of more than 1,024 bytes, ErrTampered for a
// damaged record, and errors of the store.
func (d *Directory) Pseudonym(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("%w: the principal has no name", blue.ErrInvalid)
	}
	key := record.Key{Partition: principalsPK, Item: name}
	r, err := d.store.Get(ctx, record.Keys, key)
	if errors.Is(err, blue.ErrNotFound) {
		r, err = d.addName(ctx, key)
	}
	if err != nil {
		return "", err
	}
	return pseudonymOf(r)
}

// addName stores a new record. If that fails, it returns the stored record if
// one exists.
func (d *Directory) addName(ctx context.Context, key record.Key) (record.Record, error) {
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

func pseudonymOf(r record.Record) (string, error) {
	pepper := r.Attrs["pepper"].Bin()
	if len(pepper) != pepperSize {
		return "", fmt.Errorf("%w: the pepper of a principal has %d bytes, not %d", blue.ErrTampered, len(pepper), pepperSize)
	}
	h := hmac.New(sha256.New, pepper)
	h.Write(appendLP(appendLP(nil, []byte("blue/1/principal")), []byte(r.Key.Item)))
	return "p-" + hex.EncodeToString(h.Sum(nil)[:16]), nil
}

// Names returns all names in the directory by their pseudonyms. It returns
// ErrTampered for a damaged record, and errors of the store.
func (d *Directory) Names(ctx context.Context) (map[string]string, error) {
	all, err := d.store.Query(ctx, record.Query{Table: record.Keys, Partition: principalsPK})
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(all))
	for _, r := range all {
		p, err := pseudonymOf(r)
		if err != nil {
			return nil, err
		}
		names[p] = r.Key.Item
	}
	return names, nil
}

// NamesOf returns the names of a user in the directory, in ascending order: the
// user's own name, and names that continue after a space with an identity in
// another system, such as an ARN. It stores no record. It returns the errors
// of Names.
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

// Forget deletes the record of a name, in one commit with the writes in also.
// The log keeps the pseudonym, which cannot be linked to the name after the
// backups of the table are deleted too. An open log keeps using the pseudonym,
// and a new log stores a new one. Forget returns ErrNotFound if the name has no
// record, and errors of the store.
func (d *Directory) Forget(ctx context.Context, name string, also ...record.Write) error {
	key := record.Key{Partition: principalsPK, Item: name}
	r, err := d.store.Get(ctx, record.Keys, key)
	if err != nil {
		return err
	}
	return d.store.Commit(ctx, append(also, record.Write{Table: record.Keys, Record: record.Record{Key: key}, Prev: r.Attrs}))
}
