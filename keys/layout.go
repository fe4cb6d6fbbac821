package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/retry"
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

func keyTimestamp(at time.Time) record.Value { return record.S(at.UTC().Format(record.TimeLayout)) }

// newHeader returns the key header of a dialogue with version 1.
func newHeader(dialogue string, now time.Time) record.Record {
	return record.Record{Key: headerKey(dialogue), Attrs: record.Attrs{
		attrActive:  record.N(1),
		attrState:   record.S(stateActive),
		attrTurn:    record.S(rand.Text()),
		attrCreated: keyTimestamp(now),
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
		attrCreated: keyTimestamp(now),
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

// A partition is the content of one dialogue's partition of blue_keys.
type partition struct {
	dialogue string
	header   record.Record // without attributes if it is missing
	wraps    []wrap        // ascending by version, then by user
}

// A wrap is a record of a partition other than the key header. Any record in the
// partition is treated as a wrapped key and is deleted when the dialogue is
// erased.
type wrap struct {
	Binding // zero if the sort key is not that of a wrap
	record  record.Record
}

// readPartition reads the keys of a dialogue.
func (r *Ring) readPartition(ctx context.Context, dialogue string) (*partition, error) {
	all, err := r.table.Query(ctx, record.DialoguePartition(dialogue))
	if err != nil {
		return nil, err
	}
	p := &partition{dialogue: dialogue, header: record.Record{Key: headerKey(dialogue)}}
	for _, rec := range all {
		if rec.Key.Item == headerSK {
			p.header = rec
			continue
		}
		p.wraps = append(p.wraps, wrap{parseWrapSK(dialogue, rec.Key.Item), rec})
	}
	return p, nil
}

// parseWrapSK parses wrap#{version, ten digits}#{user}. It returns a zero Binding
// for any other text.
func parseWrapSK(dialogue, sk string) Binding {
	rest, _ := strings.CutPrefix(sk, "wrap#")
	digits, user, _ := strings.Cut(rest, "#")
	version, _ := strconv.ParseUint(digits, 10, 32)
	b := Binding{user, dialogue, uint32(version)}
	if b.Check() != nil || b.SK() != sk {
		return Binding{}
	}
	return b
}

// active returns the active version. It returns an error of class "missing" if
// there is no key header, and the errors of activeVersion.
func (p *partition) active() (uint32, error) {
	if len(p.header.Attrs) == 0 {
		return 0, missingHeader(p.dialogue)
	}
	return activeVersion(p.dialogue, p.header)
}

func missingHeader(dialogue string) error {
	return newMissingKeyError("dialogue %s has no key: its key header (%s) is missing", dialogue, headerSK)
}

// state returns the state of the key header, "" if there is none.
func (p *partition) state() string { return p.header.Attrs[attrState].Str() }

// withVersion returns the wraps whose version satisfies a condition.
func (p *partition) withVersion(isWanted func(uint32) bool) []wrap {
	return slices.DeleteFunc(slices.Clone(p.wraps), func(w wrap) bool { return !isWanted(w.Version) })
}

// replaceHeader returns the write of the key header that belongs to every change.
// The write has a new random turn and requires the header as it was read, so that
// concurrent changes conflict.
func (p *partition) replaceHeader(changes record.Attrs) record.Write {
	w := record.Write{Table: record.Keys, Record: p.header.Clone(), Prev: p.header.Attrs}
	if len(p.header.Attrs) == 0 {
		w.Record.Attrs, w.Prev = record.Attrs{}, nil
	}
	w.Record.Attrs[attrTurn] = record.S(rand.Text())
	maps.Copy(w.Record.Attrs, changes)
	return w
}

// Removal returns the write that deletes a record of table Keys, if it is
// unchanged. A record without attributes gets an empty condition, because a nil
// one means that no record exists.
func Removal(stored record.Record) record.Write {
	prev := stored.Attrs
	if prev == nil {
		prev = record.Attrs{}
	}
	return record.Write{Table: record.Keys, Record: record.Record{Key: stored.Key}, Prev: prev}
}

// hash returns the SHA-256 of the wrapped bytes. It identifies a wrap after its
// deletion.
func (w wrap) hash() [sha256.Size]byte { return sha256.Sum256(w.record.Attrs[attrWrapped].Bin()) }

// hexHash returns hash as 64 hexadecimal digits.
func (w wrap) hexHash() string { return fmt.Sprintf("%x", w.hash()) }

const (
	maxTries   = 16 // attempts of one change; few users change the keys of one dialogue
	maxDeletes = 80 // wraps deleted in one commit, less than record.MaxChanges
)

// change reads the keys of a dialogue, calls plan for the writes and commits them.
// If another writer changed the keys in between, it starts again, so plan can run
// several times. No writes means that there is nothing to do. A commit removes the
// dialogue's secrets from the cache.
//
// It returns blue.ErrBusy after maxTries attempts, and the errors of plan and of
// the store.
func (r *Ring) change(ctx context.Context, dialogue string, plan func(*partition) ([]record.Write, error)) error {
	if err := r.checkDialogue(dialogue); err != nil {
		return err
	}
	for try := range maxTries {
		done, err := r.tryChange(ctx, dialogue, plan)
		if done {
			return err
		}
		if err := retry.Writers.Wait(ctx, try); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: changing the keys of dialogue %s: other writers were faster %d times; nothing was changed", blue.ErrBusy, dialogue, maxTries)
}

// tryChange is one attempt of change. done is false if it must be repeated.
func (r *Ring) tryChange(ctx context.Context, dialogue string, plan func(*partition) ([]record.Write, error)) (done bool, err error) {
	p, err := r.readPartition(ctx, dialogue)
	if err != nil {
		return true, err
	}
	// Without a turn, the condition of this commit would not notice the commit of
	// another writer. The first attempt only adds a turn.
	hasTurn := len(p.header.Attrs) == 0 || p.header.Attrs[attrTurn].Str() != ""
	writes := []record.Write{p.replaceHeader(nil)}
	if hasTurn {
		writes, err = plan(p)
	}
	if errors.Is(err, errMissing) {
		header, readErr := r.table.Get(ctx, headerKey(dialogue))
		if readErr == nil && !header.Attrs[attrTurn].Equal(p.header.Attrs[attrTurn]) {
			return false, err // another writer retired the version in between
		}
	}
	if err != nil || len(writes) == 0 {
		return true, err
	}
	defer r.secrets.forget(string(record.DialoguePartition(dialogue)) + " ")
	err = r.table.Commit(ctx, writes...)
	if err != nil {
		_, conflict := errors.AsType[*record.ConflictError](err)
		if isKEKConflict(err) {
			r.keks.forget("")
		}
		return !conflict, err
	}
	return hasTurn, nil
}

// deleteWraps deletes the wraps that choose returns, at most maxDeletes in one
// commit, until at most leave of them remain.
func (r *Ring) deleteWraps(ctx context.Context, dialogue string, leave int, choose func(*partition) ([]wrap, error)) error {
	for more := true; more; {
		err := r.change(ctx, dialogue, func(p *partition) ([]record.Write, error) {
			wraps, err := choose(p)
			more = len(wraps) > max(leave, maxDeletes)
			if err != nil || len(wraps) <= leave {
				return nil, err
			}
			writes := []record.Write{p.replaceHeader(nil)}
			for _, w := range wraps[:min(maxDeletes, len(wraps))] {
				writes = append(writes, Removal(w.record))
			}
			return writes, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isKEKConflict reports whether a commit failed because the stored KEK of the user
// is no longer the one in memory.
func isKEKConflict(err error) bool {
	conflict, ok := errors.AsType[*record.ConflictError](err)
	if !ok {
		return false
	}
	_, isUser := conflict.Key.Partition.User()
	return isUser
}
