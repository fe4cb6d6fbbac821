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

// world is a store that notes its commits and fails where it is told to.
type world struct {
	record.Store
	mu      sync.Mutex
	commits [][]record.Write
	before  func(n int, writes []record.Write) error // n counts from 1
	after   func(n int, writes []record.Write) error // the commit has landed
}

func newWorld() *world { return &world{Store: memory.New()} }

func (w *world) Commit(ctx context.Context, writes []record.Write) error {
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

// count returns how many commits there were.
func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.commits)
}

// heal ends all faults and forgets the commits.
func (w *world) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before, w.after, w.commits = nil, nil, nil
}

// keys lists where the last commit wrote, each chain as {chain}.
func (w *world) keys(n int) []string {
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

// nth fails the nth commit from now on.
func nth(n int, err error) func(int, []record.Write) error {
	return func(i int, _ []record.Write) error {
		if i == n {
			return err
		}
		return nil
	}
}

// to fails every commit to partitions of a prefix.
func to(prefix string, err error) func(int, []record.Write) error {
	return func(_ int, writes []record.Write) error {
		if slices.ContainsFunc(writes, func(w record.Write) bool { return strings.HasPrefix(string(w.Record.Key.Partition), prefix) }) {
			return err
		}
		return nil
	}
}

var errLost = errors.New("the answer was lost")

// clock is a clock that tests move.
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

// shelf is an anchor in memory.
type shelf struct {
	mu    sync.Mutex
	notes map[string]map[uint64]string
	err   error
}

func (s *shelf) Publish(_ context.Context, chain string, size uint64, note string) error {
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

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) Latest(_ context.Context, chain string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes[chain]) == 0 {
		return "", blue.ErrNotFound
	}
	return s.notes[chain][slices.Max(slices.Collect(maps.Keys(s.notes[chain])))], nil
}

func (s *shelf) Chains(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, chain := range slices.Sorted(maps.Keys(s.notes)) {
			if !yield(chain, nil) {
				return
			}
		}
	}
}

// sizes lists the published sizes of the only chain, and checks each note.
func (s *shelf) sizes(t testing.TB, store record.Store) []uint64 {
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

// checkNote compares a note with the tree over the chain's first events.
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

// stored lists the sizes of the only chain's checkpoints in the store, and
// checks each.
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

// operations lists what a chain's events did.
func operations(events []audit.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, string(e.Operation))
	}
	return strings.Join(all, " ")
}

// signs is newSigner as an option.
func signs(t testing.TB) func(context.Context) (*checkpoint.Signer, error) {
	return func(context.Context) (*checkpoint.Signer, error) { return newSigner(t), nil }
}
