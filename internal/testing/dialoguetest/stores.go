package dialoguetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// An EventRecorder is a record store that records the audit events of its
// commits.
type EventRecorder struct {
	record.Store
	mu     sync.Mutex
	events []string
}

// Commit implements record.Store.
func (s *EventRecorder) Commit(ctx context.Context, writes []record.Write) error {
	for _, w := range writes {
		a := w.Record.Attrs
		op := a["operation"].Str()
		if w.Table != record.Audit || op == "" || op == "genesis" {
			continue
		}
		id := a["key_id"].Str()
		if op == "derive_kek" {
			id = ""
		}
		line := op + " " + a["outcome"].Str() + " " + id
		if n := a["item_count"].Int(); n > 0 {
			line += fmt.Sprint(" ", n)
		}
		s.mu.Lock()
		s.events = append(s.events, line)
		s.mu.Unlock()
	}
	return s.Store.Commit(ctx, writes)
}

// Events returns one line for each event: operation, outcome, key id, and the
// number of items if there are any.
func (s *EventRecorder) Events() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// ErrStopped is the error of every call after the stop of a StoppedStore.
var ErrStopped = fmt.Errorf("%w: the process was stopped", blue.ErrUnavailable)

// A StoppedStore is a record store whose process is stopped at one commit. Every
// later call fails.
type StoppedStore struct {
	record.Store
	At      int  // number of the commit to stop at, from 1
	Commits bool // whether that commit is still written, without an answer

	n       int
	stopped bool
}

// Commit implements record.Store.
func (m *StoppedStore) Commit(ctx context.Context, writes []record.Write) error {
	if m.stopped {
		return ErrStopped
	}
	if m.n++; m.n != m.At {
		return m.Store.Commit(ctx, writes)
	}
	m.stopped = true
	if m.Commits {
		if err := m.Store.Commit(ctx, writes); err != nil {
			return err
		}
	}
	return ErrStopped
}

// Query implements record.Store.
func (m *StoppedStore) Query(ctx context.Context, q record.Query) ([]record.Record, error) {
	if m.stopped {
		return nil, ErrStopped
	}
	return m.Store.Query(ctx, q)
}

// Get implements record.Store.
func (m *StoppedStore) Get(ctx context.Context, table record.Table, key record.Key) (record.Record, error) {
	if m.stopped {
		return record.Record{}, ErrStopped
	}
	return m.Store.Get(ctx, table, key)
}
