package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/record"
)

// shelf is the partition of one dialogue's keys as it was read.
type shelf struct {
	dialogue string
	head     record.Record // without attributes where there is none
	wraps    []wrap        // ascending by version, then by user
}

// wrap is a record beside the head. Whatever stands there may be a wrap, and
// goes with the others when the dialogue is erased.
type wrap struct {
	Binding // zero where the sort key is none that we write
	record  record.Record
}

// readShelf reads a dialogue's keys.
func (r *Ring) readShelf(ctx context.Context, dialogue string) (*shelf, error) {
	all, err := r.store.Query(ctx, record.Query{Table: record.Keys, Partition: partition(dialogue)})
	if err != nil {
		return nil, err
	}
	s := &shelf{dialogue: dialogue, head: record.Record{Key: headKey(dialogue)}}
	for _, rec := range all {
		if rec.Key.Item == headSK {
			s.head = rec
			continue
		}
		s.wraps = append(s.wraps, wrap{parseWrapKey(dialogue, rec.Key.Item), rec})
	}
	return s, nil
}

// parseWrapKey reads wrap#{version, ten digits}#{user}; a zero Binding for
// anything else.
func parseWrapKey(dialogue, sk string) Binding {
	rest, _ := strings.CutPrefix(sk, "wrap#")
	digits, user, ok := strings.Cut(rest, "#")
	version, err := strconv.ParseUint(digits, 10, 32)
	b := Binding{user, dialogue, uint32(version)}
	if !ok || err != nil || b.Check() != nil || b.SK() != sk {
		return Binding{}
	}
	return b
}

// active is readHead of what was read.
func (s *shelf) active() (uint32, error) {
	if len(s.head.Attrs) == 0 {
		return 0, missing("there is no key of dialogue %s: %s is missing", s.dialogue, headSK)
	}
	return readHead(s.dialogue, s.head)
}

// of returns the wraps of one version.
func (s *shelf) of(version uint32) []wrap {
	var found []wrap
	for _, w := range s.wraps {
		if w.Version == version {
			found = append(found, w)
		}
	}
	return found
}

// get returns the wrap of a binding.
func (s *shelf) get(b Binding) (wrap, bool) {
	for _, w := range s.wraps {
		if w.Binding == b {
			return w, true
		}
	}
	return wrap{}, false
}

// turn is the write of the head that goes with every change: a new random
// token in place of the one that was read, so that changes take turns.
func (s *shelf) turn(changes record.Attrs) record.Write {
	w := record.Write{Table: record.Keys, Record: s.head.Clone()}
	if len(s.head.Attrs) > 0 {
		w.Prev = s.head.Attrs
	} else {
		w.Record.Attrs = record.Attrs{}
	}
	w.Record.Attrs[attrTurn] = record.S(rand.Text())
	for name, v := range changes {
		w.Record.Attrs[name] = v
	}
	return w
}

// removal deletes a wrap as it was read.
func (w wrap) removal() record.Write {
	prev := w.record.Attrs
	if prev == nil {
		prev = record.Attrs{}
	}
	return record.Write{Table: record.Keys, Record: record.Record{Key: w.record.Key}, Prev: prev}
}

// hash is what names a wrap once it is gone: SHA-256 of its wrapped bytes.
func (w wrap) hash() [sha256.Size]byte { return sha256.Sum256(w.record.Attrs[attrWrapped].Bin()) }

const (
	maxTries   = 16 // of one change; there are few who change one dialogue's keys
	maxDeletes = 80 // wraps in one commit, below record.MaxChanges
)

// change reads a dialogue's keys, asks for the writes, and commits them; once
// more from the start if somebody else changed the keys meanwhile. plan may
// run more than once. No writes: nothing to do. With a commit, whatever the ring
// held of the dialogue is dropped.
//
// Errors: ErrBusy after maxTries; plan's; the store's.
func (r *Ring) change(ctx context.Context, dialogue string, plan func(*shelf) ([]record.Write, error)) error {
	if err := r.check(dialogue); err != nil {
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
	return fmt.Errorf("%w: the keys of dialogue %s: others were faster %d times; nothing was changed", blue.ErrBusy, dialogue, maxTries)
}

func (r *Ring) tryChange(ctx context.Context, dialogue string, plan func(*shelf) ([]record.Write, error)) (done bool, err error) {
	s, err := r.readShelf(ctx, dialogue)
	if err != nil {
		return true, err
	}
	older := len(s.head.Attrs) > 0 && s.head.Attrs[attrTurn].Str() == ""
	writes := []record.Write{s.turn(nil)} // of a head that knows no turns yet
	if !older {
		writes, err = plan(s)
	}
	if errors.Is(err, errMissing) && r.turned(ctx, s) {
		return false, err // what was to be opened was retired meanwhile
	}
	if err != nil || len(writes) == 0 {
		return true, err
	}
	defer r.secrets.forget(string(partition(dialogue)) + " ")
	err = r.store.Commit(ctx, writes)
	if err != nil {
		_, lost := errors.AsType[*record.ConflictError](err)
		r.stale(err)
		return !lost, err
	}
	return !older, nil
}

// turned reports whether a dialogue's keys have changed since they were read.
func (r *Ring) turned(ctx context.Context, s *shelf) bool {
	head, err := r.store.Get(ctx, record.Keys, headKey(s.dialogue))
	return err == nil && !head.Attrs[attrTurn].Equal(s.head.Attrs[attrTurn])
}

// around records the intent of an action, does it, and records its outcome.
func (r *Ring) around(ctx context.Context, e KeyEvent, do func() error) error {
	intent := e
	intent.Outcome = Intent
	if err := r.note(ctx, intent, nil); err != nil {
		return err
	}
	return r.note(ctx, e, do())
}

// secret returns a dialogue's secret R of one version, from memory or the
// provider. The caller destroys it.
func (r *Ring) secret(ctx context.Context, b Binding) (*envelope.Secret, error) {
	o, err := r.held(ctx, b)
	if err != nil {
		return nil, err
	}
	return o.Secret, nil
}

// newWrap is the record of a wrap with the proof that its user was let in by a
// holder of the secret.
func newWrap(b Binding, umk string, w Wrapped, secret *envelope.Secret, now time.Time) (record.Write, error) {
	proof, err := envelope.HolderProof(secret, b.User, b.Dialogue, b.Version)
	if err != nil {
		return record.Write{}, err
	}
	rec := wrapRecord(b, umk, w, now)
	rec.Attrs[attrProof] = record.B(proof[:])
	return record.Write{Table: record.Keys, Record: rec}, nil
}
