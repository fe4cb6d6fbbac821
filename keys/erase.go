package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// The registry of erasures is a partition next to the partitions of dialogues. It
// shows which dialogues must be erased again after the data was
// restored from a backup:
//
//	PK erased   SK {dialogue id}
//	    state        S  erasing | erased
//	    started_at   S  record.TimeLayout
//	    finished_at  S  record.TimeLayout, after the end of the erasure
//	    wraps        B  SHA-256 of each wrap's bytes, ascending, 32 bytes each
const (
	registryPK record.Partition = "erased"

	attrStarted  = "started_at"
	attrFinished = "finished_at"
	attrWraps    = "wraps"
)

// An Erasure is one entry of the registry of erasures.
type Erasure struct {
	Dialogue   string   `json:"dialogue"`
	State      string   `json:"state"`                 // "erasing" or "erased"
	StartedAt  string   `json:"started_at"`            // in record.TimeLayout
	FinishedAt string   `json:"finished_at,omitempty"` // in record.TimeLayout, "" before the end
	Wraps      []string `json:"wraps"`                 // SHA-256 of the bytes of each wrap, 64 hexadecimal digits, ascending
}

// BeginErase starts the erasure of a dialogue's keys. One commit sets the key
// header to erasing and stores an Erasure with a hash of every wrap. After that no
// wrap can be added, and every use of the keys is blue.ErrErased. BeginErase needs
// no key and works with damaged or missing records. A repeated call changes
// nothing, except that it adds wraps that were restored from a backup.
//
// If onlyUser is not "", BeginErase returns ErrShared and changes nothing if
// another user has a wrap. It does not check this for an erasure that has begun.
//
// BeginErase also returns blue.ErrInvalid for a malformed id, blue.ErrBusy if other
// writers change the keys, and the errors of the store.
func (r *Ring) BeginErase(ctx context.Context, dialogue, onlyUser string) (Erasure, error) {
	var e Erasure
	err := r.change(ctx, dialogue, func(p *partition) ([]record.Write, error) {
		if err := p.checkShared(onlyUser); err != nil {
			return nil, err
		}
		old, err := r.readRegistry(ctx, dialogue)
		if err != nil {
			return nil, err
		}
		hashes := addHashes(old.Attrs[attrWraps].Bin(), p.wraps)
		hasBegun := old.Attrs != nil && p.state() == old.Attrs[attrState].Str()
		if hasBegun && bytes.Equal(hashes, old.Attrs[attrWraps].Bin()) {
			e = newErasure(old)
			return nil, nil
		}
		now := keyTimestamp(r.now())
		put := record.Write{Table: record.Keys, Record: record.Record{Key: old.Key, Attrs: record.Attrs{attrStarted: now}}, Prev: old.Attrs}
		maps.Copy(put.Record.Attrs, old.Attrs)
		delete(put.Record.Attrs, attrFinished)
		put.Record.Attrs[attrState] = record.S(stateErasing)
		put.Record.Attrs[attrWraps] = record.B(hashes)
		header := p.replaceHeader(record.Attrs{attrState: record.S(stateErasing)})
		if header.Prev == nil {
			header.Record.Attrs[attrCreated] = now
		}
		e = newErasure(put.Record)
		return []record.Write{header, put}, nil
	})
	if err != nil {
		return Erasure{}, fmt.Errorf("starting the erasure of the keys of dialogue %s: %w", dialogue, err)
	}
	return e, nil
}

// checkShared returns ErrShared if the erasure has not begun and another user than
// onlyUser has a wrap. Every new wrap changes the key header, so the commit of the
// erasure fails if one is added in between.
func (p *partition) checkShared(onlyUser string) error {
	if onlyUser == "" || p.checkErasureBegun() == nil {
		return nil
	}
	for _, w := range p.wraps {
		if w.Version > 0 && w.User != onlyUser {
			return ErrShared
		}
	}
	return nil
}

// checkErasureBegun returns blue.ErrConflict if the erasure has not begun.
func (p *partition) checkErasureBegun() error {
	if state := p.state(); state == stateErasing || state == stateErased {
		return nil
	}
	return fmt.Errorf("%w: the erasure of dialogue %s has not begun", blue.ErrConflict, p.dialogue)
}

// DestroyWraps deletes every wrap of a dialogue. An interrupted call can be
// repeated.
//
// In addition to the errors of [Ring], DestroyWraps returns blue.ErrConflict if the
// erasure has not begun, and blue.ErrBusy if other writers change the keys.
func (r *Ring) DestroyWraps(ctx context.Context, dialogue string) error {
	if err := r.checkDialogue(dialogue); err != nil {
		return err
	}
	p, err := r.readPartition(ctx, dialogue)
	if err != nil || len(p.wraps) == 0 {
		return err
	}
	e := KeyEvent{Action: destroyKey, Outcome: success, Dialogue: dialogue}
	if active := p.header.Attrs[attrActive].Int(); active > 0 {
		e.KeyID = fmt.Sprintf("dek#%s#%d", dialogue, active)
	}
	err = r.withEvents(ctx, e, func() error {
		return r.deleteWraps(ctx, dialogue, 0, func(p *partition) ([]wrap, error) { return p.wraps, p.checkErasureBegun() })
	})
	if err != nil {
		return fmt.Errorf("destroying the keys of dialogue %s: %w", dialogue, err)
	}
	return nil
}

// FinishErase sets the key header and the registry to erased. A repeated call
// changes nothing. It returns blue.ErrConflict if the erasure has not begun or a
// wrap is left, blue.ErrInvalid for a malformed id, blue.ErrBusy if other writers
// change the keys, and the errors of the store.
func (r *Ring) FinishErase(ctx context.Context, dialogue string) (Erasure, error) {
	var e Erasure
	err := r.change(ctx, dialogue, func(p *partition) ([]record.Write, error) {
		old, err := r.readRegistry(ctx, dialogue)
		if err == nil {
			err = p.checkErasureBegun()
		}
		if err != nil {
			return nil, err
		}
		if old.Attrs == nil || len(p.wraps) > 0 {
			return nil, fmt.Errorf("%w: %d wraps are left", blue.ErrConflict, len(p.wraps))
		}
		if e = newErasure(old); e.State == stateErased && p.state() == stateErased {
			return nil, nil
		}
		put := record.Write{Table: record.Keys, Record: old.Clone(), Prev: old.Attrs}
		put.Record.Attrs[attrState] = record.S(stateErased)
		put.Record.Attrs[attrFinished] = keyTimestamp(r.now())
		e = newErasure(put.Record)
		return []record.Write{p.replaceHeader(record.Attrs{attrState: record.S(stateErased)}), put}, nil
	})
	if err != nil {
		return Erasure{}, fmt.Errorf("finishing the erasure of the keys of dialogue %s: %w", dialogue, err)
	}
	return e, nil
}

// DeleteStrays deletes the strays of a dialogue that name a user (Status.StraysOf).
// An interrupted call can be repeated. In addition to the errors of [Ring],
// DeleteStrays returns blue.ErrBusy if other writers change the keys.
func (r *Ring) DeleteStrays(ctx context.Context, dialogue, user string) error {
	return r.withEvents(ctx, KeyEvent{Action: destroyKey, Outcome: success, Dialogue: dialogue}, func() error {
		err := r.deleteWraps(ctx, dialogue, 0, func(p *partition) ([]wrap, error) {
			return slices.DeleteFunc(p.wraps, func(w wrap) bool { return w.Version > 0 || !w.stray().isOf(user) }), nil
		})
		if err != nil {
			return fmt.Errorf("deleting the stray records of user %s among the keys of dialogue %s: %w", user, dialogue, err)
		}
		return nil
	})
}

// StoredKeyHashes returns the SHA-256 of each key that a provider stores for a user
// in the partition user#{user}: 64 hexadecimal digits, ascending by sort key. It
// returns the errors of the store.
func (r *Ring) StoredKeyHashes(ctx context.Context, user string) ([]string, error) {
	stored, err := r.table.Query(ctx, record.UserPartition(user))
	if err != nil {
		return nil, fmt.Errorf("reading the stored key of user %s: %w", user, err)
	}
	var hashes []string
	for _, rec := range stored {
		hashes = append(hashes, wrap{record: rec}.hexHash())
	}
	return hashes, nil
}

// Erasures returns the registry of erasures, ascending by dialogue. It returns the
// errors of the store.
func (r *Ring) Erasures(ctx context.Context) ([]Erasure, error) {
	entries, err := r.table.Query(ctx, registryPK)
	if err != nil {
		return nil, fmt.Errorf("reading the registry of erasures: %w", err)
	}
	all := make([]Erasure, len(entries))
	for i, entry := range entries {
		all[i] = newErasure(entry)
	}
	return all, nil
}

// readRegistry returns the registry's record of a dialogue. Its Attrs are nil if
// there is none.
func (r *Ring) readRegistry(ctx context.Context, dialogue string) (record.Record, error) {
	key := record.Key{Partition: registryPK, Item: dialogue}
	rec, err := r.table.Get(ctx, key)
	if errors.Is(err, record.ErrNotFound) {
		return record.Record{Key: key}, nil
	}
	return rec, err
}

func newErasure(rec record.Record) Erasure {
	e := Erasure{
		Dialogue: rec.Key.Item, State: rec.Attrs[attrState].Str(),
		StartedAt: rec.Attrs[attrStarted].Str(), FinishedAt: rec.Attrs[attrFinished].Str(),
	}
	for hash := range slices.Chunk(rec.Attrs[attrWraps].Bin(), sha256.Size) {
		e.Wraps = append(e.Wraps, hex.EncodeToString(hash))
	}
	return e
}

// addHashes adds the hashes of wraps to a list of hashes. The result is ascending
// and without duplicates.
func addHashes(list []byte, wraps []wrap) []byte {
	all := slices.Collect(slices.Chunk(list, sha256.Size))
	for _, w := range wraps {
		hash := w.hash()
		all = append(all, hash[:])
	}
	slices.SortFunc(all, bytes.Compare)
	return slices.Concat(slices.CompactFunc(all, bytes.Equal)...)
}
