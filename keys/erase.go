package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// The registry of erasures, beside the dialogues' partitions. It outlives a
// restore of the data and says what must be erased again:
//
//	PK erased   SK {dialogue id}
//	    state        S  erasing | erased
//	    started_at   S
//	    finished_at  S  once erased
//	    wraps        B  SHA-256 of each wrap's bytes, ascending, 32 bytes each
const (
	registryPK = "erased"

	attrStarted  = "started_at"
	attrFinished = "finished_at"
	attrWraps    = "wraps"
)

// DestroyKey is the action of Retire and Destroy: intent, then an outcome,
// around the deletion of wraps.
const DestroyKey Action = "destroy_key"

// Erasure is one line of the registry.
type Erasure struct {
	Dialogue   string   `json:"dialogue"`
	State      string   `json:"state"` // erasing or erased
	StartedAt  string   `json:"started_at"`
	FinishedAt string   `json:"finished_at,omitempty"`
	Wraps      []string `json:"wraps"` // SHA-256 of the bytes of each wrap, 64 hex digits, ascending
}

// BeginErase turns the head from active to erasing and writes the erasure, with
// a fingerprint of every wrap, into the registry: one commit, after which no
// wrap can be put any more and every use is ErrErased. It needs no key, and
// works where head or wraps are damaged or gone. Run again it changes nothing,
// except that wraps which came back meanwhile, by a restore, are added.
//
// alone, unless it is "", is the user who must be the only one with a wrap when
// that commit lands: ErrShared where another has one, and nothing is changed. An
// erasure that has begun already goes on.
//
// Errors: ErrInvalid, ErrBusy, the store's own.
func (r *Ring) BeginErase(ctx context.Context, dialogue, alone string) (Erasure, error) {
	var e Erasure
	err := r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) {
		if err := s.heldAlone(alone); err != nil {
			return nil, err
		}
		line, err := r.registered(ctx, dialogue)
		if err != nil {
			return nil, err
		}
		put := record.Write{Table: record.Keys, Record: line.Clone(), Prev: line.Attrs}
		hashes := mergeHashes(line.Attrs[attrWraps].Bin(), s.wraps)
		begun := line.Attrs != nil && s.head.Attrs[attrState].Str() == line.Attrs[attrState].Str()
		if begun && bytes.Equal(hashes, line.Attrs[attrWraps].Bin()) {
			e = erasureOf(line)
			return nil, nil
		}
		now := record.S(r.now().UTC().Format(record.TimeLayout))
		if line.Attrs == nil {
			put.Record.Attrs = record.Attrs{attrStarted: now}
		}
		delete(put.Record.Attrs, attrFinished)
		put.Record.Attrs[attrState] = record.S(stateErasing)
		put.Record.Attrs[attrWraps] = record.B(hashes)
		head := s.turn(record.Attrs{attrState: record.S(stateErasing)})
		if head.Prev == nil {
			head.Record.Attrs[attrCreated] = now
		}
		e = erasureOf(put.Record)
		return []record.Write{head, put}, nil
	})
	if err != nil {
		return Erasure{}, fmt.Errorf("beginning to erase the keys of dialogue %s: %w", dialogue, err)
	}
	return e, nil
}

// ErrShared: another user holds a dialogue that was to be erased as one user's.
// It is ErrRefused.
var ErrShared = fmt.Errorf("%w: others hold it too", blue.ErrRefused)

// heldAlone is ErrShared where another than the user has a wrap, before the
// erasure has begun. Every put of a wrap changes the head, which the commit is
// conditioned on.
func (s *shelf) heldAlone(user string) error {
	if user == "" || s.begun() == nil {
		return nil
	}
	for _, w := range s.wraps {
		if w.Version > 0 && w.User != user {
			return ErrShared
		}
	}
	return nil
}

// Destroy deletes every wrap of a dialogue whose erasure has begun; ErrConflict
// if it has not. Run again it goes on.
func (r *Ring) Destroy(ctx context.Context, dialogue string) error {
	if err := r.check(dialogue); err != nil {
		return err
	}
	s, err := r.readShelf(ctx, dialogue)
	if err != nil || len(s.wraps) == 0 {
		return err
	}
	e := KeyEvent{Action: DestroyKey, Outcome: Success, Dialogue: dialogue}
	if active := s.head.Attrs[attrActive].Int(); active > 0 {
		e.KeyID = fmt.Sprintf("dek#%s#%d", dialogue, active)
	}
	err = r.around(ctx, e, func() error {
		for left := true; left; {
			err := r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) {
				if err := s.begun(); err != nil {
					return nil, err
				}
				left = len(s.wraps) > maxDeletes
				if len(s.wraps) == 0 {
					return nil, nil
				}
				writes := []record.Write{s.turn(nil)}
				for _, w := range s.wraps[:min(maxDeletes, len(s.wraps))] {
					writes = append(writes, w.removal())
				}
				return writes, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("destroying the keys of dialogue %s: %w", dialogue, err)
	}
	return nil
}

// FinishErase turns head and registry to erased. ErrConflict if the erasure has
// not begun or a wrap is left. Run again it changes nothing.
func (r *Ring) FinishErase(ctx context.Context, dialogue string) (Erasure, error) {
	var e Erasure
	err := r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) {
		line, err := r.registered(ctx, dialogue)
		if err == nil {
			err = s.begun()
		}
		if err != nil {
			return nil, err
		}
		if line.Attrs == nil || len(s.wraps) > 0 {
			return nil, fmt.Errorf("%w: %d wraps are left", blue.ErrConflict, len(s.wraps))
		}
		if e = erasureOf(line); e.State == stateErased && s.head.Attrs[attrState].Str() == stateErased {
			return nil, nil
		}
		put := record.Write{Table: record.Keys, Record: line.Clone(), Prev: line.Attrs}
		put.Record.Attrs[attrState] = record.S(stateErased)
		put.Record.Attrs[attrFinished] = record.S(r.now().UTC().Format(record.TimeLayout))
		e = erasureOf(put.Record)
		return []record.Write{s.turn(record.Attrs{attrState: record.S(stateErased)}), put}, nil
	})
	if err != nil {
		return Erasure{}, fmt.Errorf("ending the erasure of the keys of dialogue %s: %w", dialogue, err)
	}
	return e, nil
}

// DropStrays deletes the strays of a dialogue that name a user (Status.Strays).
// Run again it goes on.
func (r *Ring) DropStrays(ctx context.Context, dialogue, user string) error {
	return r.around(ctx, KeyEvent{Action: DestroyKey, Outcome: Success, Dialogue: dialogue}, func() error {
		for left := true; left; {
			err := r.change(ctx, dialogue, func(s *shelf) ([]record.Write, error) {
				strays := slices.DeleteFunc(s.wraps, func(w wrap) bool { return w.Version > 0 || !w.stray().names(user) })
				left = len(strays) > maxDeletes
				if len(strays) == 0 {
					return nil, nil
				}
				writes := []record.Write{s.turn(nil)}
				for _, w := range strays[:min(maxDeletes, len(strays))] {
					writes = append(writes, w.removal())
				}
				return writes, nil
			})
			if err != nil {
				return fmt.Errorf("deleting what names user %s among the keys of dialogue %s: %w", user, dialogue, err)
			}
		}
		return nil
	})
}

// Stored returns the SHA-256 of each key that a provider stores for a user
// (partition user#{user}), 64 hex digits, ascending by sort key.
func (r *Ring) Stored(ctx context.Context, user string) ([]string, error) {
	stored, err := r.store.Query(ctx, record.Query{Table: record.Keys, Partition: record.UserPartition(user)})
	if err != nil {
		return nil, fmt.Errorf("reading the stored key of user %s: %w", user, err)
	}
	var hashes []string
	for _, rec := range stored {
		hash := wrap{record: rec}.hash()
		hashes = append(hashes, hex.EncodeToString(hash[:]))
	}
	return hashes, nil
}

// begun is nil once an erasure has begun.
func (s *shelf) begun() error {
	switch s.head.Attrs[attrState].Str() {
	case stateErasing, stateErased:
		return nil
	}
	return fmt.Errorf("%w: the erasure of dialogue %s has not begun", blue.ErrConflict, s.dialogue)
}

// Erasures returns the registry, ascending by dialogue.
func (r *Ring) Erasures(ctx context.Context) ([]Erasure, error) {
	lines, err := r.store.Query(ctx, record.Query{Table: record.Keys, Partition: registryPK})
	if err != nil {
		return nil, fmt.Errorf("reading the registry of erasures: %w", err)
	}
	all := make([]Erasure, len(lines))
	for i, line := range lines {
		all[i] = erasureOf(line)
	}
	return all, nil
}

// registered returns the registry's line of a dialogue, without attributes
// where there is none.
func (r *Ring) registered(ctx context.Context, dialogue string) (record.Record, error) {
	key := record.Key{Partition: registryPK, Item: dialogue}
	line, err := r.store.Get(ctx, record.Keys, key)
	if errors.Is(err, record.ErrNotFound) {
		return record.Record{Key: key}, nil
	}
	return line, err
}

func erasureOf(line record.Record) Erasure {
	e := Erasure{
		Dialogue: line.Key.Item, State: line.Attrs[attrState].Str(),
		StartedAt: line.Attrs[attrStarted].Str(), FinishedAt: line.Attrs[attrFinished].Str(),
	}
	for hash := range slices.Chunk(line.Attrs[attrWraps].Bin(), sha256.Size) {
		e.Wraps = append(e.Wraps, hex.EncodeToString(hash))
	}
	return e
}

// mergeHashes adds the hashes of wraps to those that are known, ascending, each
// once.
func mergeHashes(known []byte, wraps []wrap) []byte {
	var all [][]byte
	for hash := range slices.Chunk(known, sha256.Size) {
		all = append(all, hash)
	}
	for _, w := range wraps {
		hash := w.hash()
		all = append(all, hash[:])
	}
	slices.SortFunc(all, bytes.Compare)
	return slices.Concat(slices.CompactFunc(all, bytes.Equal)...)
}
