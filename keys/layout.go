package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// The layout of blue_keys as drawn in the package documentation.
const (
	headerSK = "head"

	attrActive  = "active_version"
	attrState   = "state"
	attrCreated = "created_at"
	attrWrapped = "wrapped"
	attrUMK     = "umk"
	attrUser    = "user"
	attrVersion = "version"
	attrProof   = "proof"
	attrTurn    = "turn"

	stateActive  = "active"
	stateErasing = "erasing"
	stateErased  = "erased"

	maxFingerprint = 256 // bytes; longer than the ARN of a KMS key
)

func headerKey(dialogue string) record.Key { return record.DialogueKey(dialogue, headerSK) }

func wrapKey(b Binding) record.Key { return record.DialogueKey(b.Dialogue, b.SK()) }

// wrapPrefix returns the start of the sort keys of all wraps of one version.
func wrapPrefix(version uint32) string { return fmt.Sprintf("wrap#%010d#", version) }

func timestamp(at time.Time) record.Value { return record.S(at.UTC().Format(record.TimeLayout)) }

// newHeader returns the key header of a dialogue with version 1.
func newHeader(dialogue string, now time.Time) record.Record {
	return record.Record{Key: headerKey(dialogue), Attrs: record.Attrs{
		attrActive:  record.N(1),
		attrState:   record.S(stateActive),
		attrTurn:    record.S(rand.Text()),
		attrCreated: timestamp(now),
	}}
}

// newWrap returns the write of a new wrap, with the proof that a holder of the
// secret granted the user access.
func newWrap(b Binding, umk string, w Wrapped, secret *envelope.Secret, now time.Time) (record.Write, error) {
	proof, err := envelope.HolderProof(secret, b.User, b.Dialogue, b.Version)
	return record.Write{Table: record.Keys, Record: record.Record{Key: wrapKey(b), Attrs: record.Attrs{
		attrWrapped: record.B(w),
		attrUMK:     record.S(umk),
		attrUser:    record.S(b.User),
		attrVersion: record.N(int64(b.Version)),
		attrProof:   record.B(proof[:]),
		attrCreated: timestamp(now),
	}}}, err
}

// activeVersion returns the active version of a key header. It returns
// blue.ErrErased or *blue.TamperError.
func activeVersion(dialogue string, header record.Record) (uint32, error) {
	switch state := header.Attrs[attrState].Str(); state {
	case stateActive:
	case stateErasing, stateErased:
		return 0, fmt.Errorf("%w: the keys of dialogue %s are %s", blue.ErrErased, dialogue, state)
	default:
		return 0, newTamperError(dialogue, record.DamageMalformed, headerSK, "has an unknown state")
	}
	active := header.Attrs[attrActive].Int()
	if active < 1 || active > math.MaxUint32 {
		return 0, newTamperError(dialogue, record.DamageMalformed, headerSK, "has an invalid active_version")
	}
	return uint32(active), nil
}

// parseWrap returns the content of a wrap. It returns *blue.TamperError if the
// attributes are malformed or differ from the binding.
func parseWrap(b Binding, wrap record.Record) (w Wrapped, umk string, err error) {
	tampered := func(class, detail string) (Wrapped, string, error) {
		return nil, "", newTamperError(b.Dialogue, class, wrap.Key.Item, detail)
	}
	for _, a := range []struct {
		name string
		typ  record.Type
	}{{attrWrapped, record.Bytes}, {attrUMK, record.String}, {attrUser, record.String}, {attrVersion, record.Number}} {
		if wrap.Attrs[a.name].Type() != a.typ {
			return tampered(record.DamageMalformed, a.name+" is missing or of another type")
		}
	}
	umk = wrap.Attrs[attrUMK].Str()
	if problem := findUnprintable(umk, maxFingerprint); problem != "" {
		return tampered(record.DamageMalformed, attrUMK+" "+problem)
	}
	if user, version := wrap.Attrs[attrUser].Str(), wrap.Attrs[attrVersion].Int(); user != b.User || version != int64(b.Version) {
		return tampered(record.DamageMoved, fmt.Sprintf("belongs to user %.80q, version %d", user, version))
	}
	return wrap.Attrs[attrWrapped].Bin(), umk, nil
}

// A Table is the table blue_keys of a store. A user who lacks permission for the
// table has no access to the keys in it, so its methods return an error that is
// both ErrDenied and record.ErrDenied.
type Table struct{ store record.Store }

// NewTable returns the table blue_keys of a store. It does not close the store.
func NewTable(store record.Store) Table { return Table{store} }

// Get returns one record, or blue.ErrNotFound.
func (t Table) Get(ctx context.Context, key record.Key) (record.Record, error) {
	r, err := t.store.Get(ctx, record.Keys, key)
	return r, addDenied(err)
}

// Query returns all records of a partition in the order of their sort keys.
func (t Table) Query(ctx context.Context, p record.Partition) ([]record.Record, error) {
	all, err := t.store.Query(ctx, record.Query{Table: record.Keys, Partition: p})
	return all, addDenied(err)
}

// Commit applies all writes or none, see record.Store. Every write must be to
// record.Keys.
func (t Table) Commit(ctx context.Context, writes ...record.Write) error {
	return addDenied(t.store.Commit(ctx, writes))
}

func addDenied(err error) error {
	if errors.Is(err, record.ErrDenied) {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}
