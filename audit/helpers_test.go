package audit_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// A faultStore is a store that records its commits and injects faults.
type faultStore struct {
	record.Store
	mu      sync.Mutex
	commits [][]record.Write
	before  func(n int, writes []record.Write) error // n counts from 1
	after   func(n int, writes []record.Write) error // called after a successful commit
}

func newFaultStore() *faultStore { return &faultStore{Store: memory.New()} }

func (w *faultStore) Commit(ctx context.Context, writes []record.Write) error {
	w.mu.Lock()
	w.commits = append(w.commits, writes)
	n := len(w.commits)
	w.mu.Unlock()
	if w.before != nil {
		if err := w.before(n, writes); err != nil {
			return err
		}
	}
	if err := w.Store.Commit(ctx, writes); err != nil || w.after == nil {
		return err
	}
	return w.after(n, writes)
}

// count returns the number of commits.
func (w *faultStore) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.commits)
}

// heal removes all faults and the recorded commits.
func (w *faultStore) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before, w.after, w.commits = nil, nil, nil
}

// keys returns the keys that commit n wrote, with {chain} for each chain.
func (w *faultStore) keys(n int) []string {
	var keys []string
	for _, write := range w.commits[n] {
		k := write.Record.Key
		for _, part := range []string{string(k.Partition), k.Item} {
			if i := strings.LastIndex(part, "#"); i >= 0 && checkpoint.IsChain(part[i+1:]) {
				k.Partition, k.Item = record.Partition(strings.ReplaceAll(string(k.Partition), part[i+1:], "{chain}")), strings.ReplaceAll(k.Item, part[i+1:], "{chain}")
			}
		}
		if k.Partition.IsIndex() {
			k.Partition = "chains#{digit}"
		}
		keys = append(keys, k.String())
	}
	return keys
}

// nth returns a fault that fails the nth commit.
func nth(n int, err error) func(int, []record.Write) error {
	return func(i int, _ []record.Write) error {
		if i == n {
			return err
		}
		return nil
	}
}

// to returns a fault that fails every commit to a partition with a prefix.
func to(prefix string, err error) func(int, []record.Write) error {
	return func(_ int, writes []record.Write) error {
		if slices.ContainsFunc(writes, func(w record.Write) bool { return strings.HasPrefix(string(w.Record.Key.Partition), prefix) }) {
			return err
		}
		return nil
	}
}

var errLost = errors.New("the response was lost")

// A clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func newSigner(t testing.TB) *checkpoint.Signer {
	t.Helper()
	s, err := checkpoint.NewSigner(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A memoryAnchor is an anchor in memory.
type memoryAnchor struct {
	mu    sync.Mutex
	notes map[string]map[uint64]string
	err   error
}

func (s *memoryAnchor) Publish(_ context.Context, chain string, size uint64, note string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.notes == nil {
		s.notes = map[string]map[uint64]string{}
	}
	if s.notes[chain] == nil {
		s.notes[chain] = map[uint64]string{}
	}
	s.notes[chain][size] = note
	return nil
}

func (s *memoryAnchor) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *memoryAnchor) Latest(_ context.Context, chain string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes[chain]) == 0 {
		return "", blue.ErrNotFound
	}
	return s.notes[chain][slices.Max(slices.Collect(maps.Keys(s.notes[chain])))], nil
}

func (s *memoryAnchor) Chains(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, chain := range slices.Sorted(maps.Keys(s.notes)) {
			if !yield(chain, nil) {
				return
			}
		}
	}
}

// sizes returns the published sizes of the only chain, and checks each note.
func (s *memoryAnchor) sizes(t testing.TB, store record.Store) []uint64 {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for chain, notes := range s.notes {
		for size, note := range notes {
			checkNote(t, eventsIn(t, store, chain), size, note)
		}
		return slices.Sorted(maps.Keys(notes))
	}
	return nil
}

// checkNote compares a note with the tree over the first events of the chain.
func checkNote(t testing.TB, events []audit.Event, size uint64, text string) {
	t.Helper()
	verifiers, err := checkpoint.ParseVerifiers([]string{newSigner(t).VerifierKey()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(text, verifiers)
	if err != nil {
		t.Fatal(err)
	}
	var tree checkpoint.Tree
	for _, e := range events[:size] {
		tree.Append(unhex(t, e.EventHash))
	}
	if want := (checkpoint.Checkpoint{Origin: checkpoint.Origin(events[0].Chain), Size: size, Root: tree.Root()}); c != want {
		t.Errorf("checkpoint %+v, want %+v", c, want)
	}
}

// stored returns the sizes of the only chain's checkpoints in the store, and
// checks each of them.
func stored(t testing.TB, store record.Store) []string {
	t.Helper()
	var sizes []string
	for _, chain := range chainsIn(t, store) {
		for _, r := range query(t, store, record.CheckpointPartition(chain)) {
			sizes = append(sizes, strings.TrimLeft(r.Key.Item, "0"))
			checkNote(t, eventsIn(t, store, chain), number(t, r.Key.Item), r.Attrs["note"].Str())
		}
	}
	return sizes
}

func read(ctx context.Context, log *audit.Log) error {
	return log.Append(ctx, func(*audit.Event) {}, audit.Decrypt, "d", "dek#d#1", audit.Success)
}

func mustRead(t testing.TB, log *audit.Log) {
	t.Helper()
	if err := read(t.Context(), log); err != nil {
		t.Fatal(err)
	}
}

// operations returns the operations of events as one text.
func operations(events []audit.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Operation))
	}
	return strings.Join(all, " ")
}

// signs returns newSigner as an option of a log.
func signs(t testing.TB) func(context.Context) (*checkpoint.Signer, error) {
	return func(context.Context) (*checkpoint.Signer, error) { return newSigner(t), nil }
}
