package auditor

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Source is a log to read: a record store ([FromStore]) or a [File]. Iterators
// stream, and an error is their last value. Methods may be called concurrently,
// and while other processes write.
type Source interface {
	// Chains yields the chains that the day index names, ascending, each once.
	Chains(ctx context.Context) iter.Seq2[string, error]
	// Indexed reports whether the day index names a chain.
	Indexed(ctx context.Context, chain string) (bool, error)
	// Records yields the records of a partition of blue_audit whose sort key
	// is greater than after, ascending.
	Records(ctx context.Context, pk record.Partition, after string) iter.Seq2[record.Record, error]
	// Record returns one record of blue_audit, or ErrNotFound.
	Record(ctx context.Context, key record.Key) (record.Record, error)
	// Dialogues yields the dialogues that the source can list. Other dialogues
	// are found by their events.
	Dialogues(ctx context.Context) iter.Seq2[string, error]
	// Root returns the plaintext part of a dialogue's root.
	Root(ctx context.Context, dialogue string) (Root, error)
}

// A Root is the plaintext part of a dialogue's root.
type Root struct {
	State   State
	Version uint64 // root_version
	Hash    string // SHA-256 of root_sealed, 64 hex digits
}

// A State is the state of a dialogue in the store.
type State string

// The states of a dialogue.
const (
	Stored  State = "stored"  // the dialogue has a root
	Gone    State = "gone"    // the dialogue does not exist
	Copying State = "copying" // record.Unfinished: the dialogue has no root yet
	Moving  State = "moving"  // in an exported log: the dialogue changed during the export, and its pointers are left out
	Erased  State = "erased"  // record.Erased: an erasure record replaces the root
)

// page is how many records are read at once.
const page = 500

// FromStore returns a record store as a Source.
func FromStore(store record.Store) Source { return storeSource{store} }

type storeSource struct{ store record.Store }

func (s storeSource) Records(ctx context.Context, pk record.Partition, after string) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		for {
			records, err := s.store.Query(ctx, record.Query{Table: record.Audit, Partition: pk, After: after, Limit: page})
			if err != nil {
				yield(record.Record{}, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
			if len(records) < page {
				return
			}
			after = records[len(records)-1].Key.Item
		}
	}
}

func (s storeSource) Record(ctx context.Context, key record.Key) (record.Record, error) {
	return s.store.Get(ctx, record.Audit, key)
}

// Chains holds the names of a sixteenth of all chains at a time.
func (s storeSource) Chains(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, digit := range "0123456789abcdef" {
			var chains []string
			for r, err := range s.Records(ctx, record.IndexPartition(string(digit)), "") {
				if err != nil {
					yield("", err)
					return
				}
				if chain, ok := chainOfIndex(r.Key.Item); ok {
					chains = append(chains, strings.Clone(chain))
				}
			}
			slices.Sort(chains)
			for _, chain := range slices.Compact(chains) {
				if !yield(chain, nil) {
					return
				}
			}
		}
	}
}

// Indexed looks for the entry that was put with the genesis, whose day it has,
// and where that is not there, for any.
func (s storeSource) Indexed(ctx context.Context, chain string) (bool, error) {
	if chain == "" {
		return false, nil
	}
	pk := record.IndexPartition(chain)
	r, err := s.Record(ctx, audit.EventKey(chain, 1))
	if err == nil {
		day, _, _ := strings.Cut(audit.DecodeEvent(r).Timestamp, "T")
		_, err = s.Record(ctx, record.Key{Partition: pk, Item: day + "#" + chain})
	}
	if !errors.Is(err, blue.ErrNotFound) {
		return err == nil, err
	}
	for r, err := range s.Records(ctx, pk, "") {
		if err != nil {
			return false, err
		}
		if named, _ := chainOfIndex(r.Key.Item); named == chain {
			return true, nil
		}
	}
	return false, nil
}

func (s storeSource) Dialogues(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, status := range blue.KindDialogue.Statuses() {
			records, err := s.store.Index(ctx, record.ByStatus, "status#"+string(status))
			if err != nil {
				yield("", err)
				return
			}
			for _, r := range records {
				if id, ok := r.Key.Partition.Dialogue(); ok && !yield(id, nil) {
					return
				}
			}
		}
	}
}

func (s storeSource) Root(ctx context.Context, dialogue string) (Root, error) {
	meta, err := s.store.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	switch {
	case errors.Is(err, blue.ErrNotFound):
		return Root{State: Gone}, nil
	case err != nil:
		return Root{}, err
	case record.IsUnfinished(meta):
		return Root{State: Copying}, nil
	case record.IsErased(meta):
		return Root{State: Erased}, nil
	}
	return Root{Stored, uint64(meta.Attrs["root_version"].Int()), audit.RootHash(meta.Attrs["root_sealed"].Bin())}, nil
}
