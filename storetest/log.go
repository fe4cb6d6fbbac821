package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// place is the position of an event.
type place struct {
	chain string
	seq   int64
}

// noted contains the commits that passed through a Faulty to the inner store.
type noted struct {
	places []place                  // of audit events, in the order of their commits
	acked  map[record.Partition]int // commits by partition of record.Dialogues
	doubt  bool                     // the outcome of a commit is unknown
}

// note records a commit that the inner store answered. The caller holds mu.
func (n *noted) note(writes []record.Write, err error) {
	var refused *record.ConflictError
	switch {
	case errors.As(err, &refused), errors.Is(err, record.ErrBusy), errors.Is(err, record.ErrTooLarge), errors.Is(err, record.ErrInvalid):
		return
	case err != nil:
		n.doubt = true
		return
	}
	if n.acked == nil {
		n.acked = map[record.Partition]int{}
	}
	for _, w := range writes {
		chain, event := w.Record.Key.Partition.Chain()
		switch {
		case w.Table == record.Audit && event:
			n.places = append(n.places, place{chain, w.Record.Attrs["seq"].Int()})
		case w.Table == record.Dialogues && w.Record.Key.Item == record.Meta:
			n.acked[w.Record.Key.Partition]++
		}
	}
}

// events returns the events of a case in the order of their commits.
func (w *env) events(ctx context.Context) []audit.Event {
	w.Helper()
	return w.eventsOf(ctx, &chains{Store: w.records})
}

func (w *env) eventsOf(ctx context.Context, log *chains) []audit.Event {
	w.Helper()
	w.faulty.mu.Lock()
	places := w.faulty.noted.places
	w.faulty.mu.Unlock()
	events := make([]audit.Event, len(places))
	for i, p := range places {
		var err error
		events[i], err = audit.ReadEvent(ctx, log, p.chain, uint64(p.seq))
		w.ok(err)
	}
	return events
}

// checkLog compares the log with the dialogues at the end of a case. Every chain
// is complete, every stored version has one event and one pointer, and no event
// has a version that is not stored.
func (w *env) checkLog() {
	w.Helper()
	if !w.h.Encrypted || w.checked {
		return
	}
	w.checked = true
	ctx := context.Background()      // the context of the case has ended
	log := &chains{Store: w.records} // no process writes to it now
	events := w.eventsOf(ctx, log)
	w.checkChains(ctx, log, events)
	commits := map[record.Partition]map[uint64]audit.Event{}
	for _, e := range events {
		if e.Operation != audit.Encrypt || e.Outcome != audit.Success {
			continue
		}
		pk := record.DialoguePartition(e.Dialogue)
		if commits[pk] == nil {
			commits[pk] = map[uint64]audit.Event{}
		}
		if _, twice := commits[pk][e.RootVersion]; twice {
			w.Errorf("two events of version %d of %s", e.RootVersion, pk)
		}
		commits[pk][e.RootVersion] = e
	}
	for pk := range w.faulty.noted.acked {
		w.checkDialogue(ctx, log, pk, commits[pk])
		delete(commits, pk)
	}
	for pk := range commits {
		w.Errorf("there are events of %s, which has no commit", pk)
	}
}

// checkChains follows every chain from its first event to its last.
func (w *env) checkChains(ctx context.Context, log *chains, events []audit.Event) {
	w.Helper()
	last := map[string]audit.Event{}
	for _, e := range events {
		before, begun := last[e.Chain]
		if !begun {
			first := sha256.Sum256([]byte("blue/1/chain/" + e.Chain))
			before = audit.Event{EventHash: hex.EncodeToString(first[:])}
		}
		if e.Seq != before.Seq+1 || e.Previous != before.EventHash {
			w.Errorf("event %d of chain %s does not follow event %d", e.Seq, e.Chain, before.Seq)
		}
		last[e.Chain] = e
	}
	for chain, e := range last {
		pk := record.ChainPartition(chain)
		w.ok(log.fetch(ctx, pk))
		all := log.read[pk]
		if uint64(len(all)) != e.Seq && !w.faulty.noted.doubt {
			w.Errorf("chain %s holds %d events, %d were acknowledged", chain, len(all), e.Seq)
		}
	}
}

// checkDialogue compares one dialogue with the events of its commits.
func (w *env) checkDialogue(ctx context.Context, log *chains, pk record.Partition, commits map[uint64]audit.Event) {
	w.Helper()
	meta, err := w.records.Get(ctx, record.Dialogues, record.Key{Partition: pk, Item: record.Meta})
	w.ok(err)
	version := uint64(meta.Attrs["root_version"].Int())
	dialogue, _ := pk.Dialogue()
	pointed, err := audit.ReadCommits(ctx, log, dialogue)
	w.ok(err)
	acked := w.faulty.noted.acked[pk]
	if uint64(len(commits)) != version || uint64(len(pointed)) != version || uint64(acked) != version && !w.faulty.noted.doubt {
		w.Errorf("%s is at version %d after %d acknowledged commits, with %d events and %d pointers", pk, version, acked, len(commits), len(pointed))
	}
	for i, e := range pointed {
		if known := commits[uint64(i)+1]; known.EventHash != e.EventHash {
			w.Errorf("the pointer of version %d of %s leads to another event", i+1, pk)
		}
	}
	if n := len(pointed); n > 0 && pointed[n-1].RootHash != audit.RootHash(meta.Attrs["root_sealed"].Bin()) {
		w.Errorf("the last event of %s does not match its root", pk)
	}
}

// described returns an event in the form of the tables of eventCases.
func described(e audit.Event) string {
	text := string(e.Operation) + " " + string(e.Outcome)
	if e.ErrorClass != "" {
		text += " " + e.ErrorClass
	}
	if e.RootVersion > 0 || e.ItemCount > 0 {
		text += fmt.Sprintf(" v%d n%d", e.RootVersion, e.ItemCount)
	}
	return text
}
