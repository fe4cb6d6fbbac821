package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// A chain is one hash chain of this process. It needs no lock, because the
// goroutine that removed it from the lists of the log owns it.
//
// The index fields follow the day index. It lists on which days a chain had
// events. Its 16 partitions are named by the first digit of the chain and not by
// the day, because a reader must find all chains without trust in any clock.
type chain struct {
	id   string
	seq  uint64          // seq of the last stored event, 0 for none
	last string          // its hash
	tree checkpoint.Tree // over the events 1 … seq

	indexedDay   string // the latest day in the index
	unindexedDay string // a later day whose first event was a void, which stores no index record
	unindexedSeq uint64 // the seq of that event

	signed  uint64    // number of events under the newest stored checkpoint
	since   time.Time // when the first event after it was stored
	note    string    // that checkpoint, while an anchor does not have it
	pending []Anchor  // the anchors that do not have it
	failed  bool      // the last attempt to sign or publish failed

	abandoned bool // it is unknown whether the event after seq is stored
	closed    bool // the close event is stored
}

// openChain opens a chain in a commit of its own: the genesis event and the
// first record of the day index, so every chain with an event is listed. If the
// result of that commit is unknown, it abandons the chain and tries another one.
// A chain with only a genesis event is harmless, so no void event is needed.
func (l *Log) openChain(ctx context.Context) (c *chain, err error) {
	for range 2 {
		var id [16]byte
		rand.Read(id[:]) // never fails (crypto/rand)
		c = &chain{id: hex.EncodeToString(id[:])}
		c.last = FirstPrevious(c.id)
		if err = l.commitGenesis(ctx, c); err == nil {
			return c, nil
		}
		if isDefinite(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("opening an audit chain: %w", err)
}

func (l *Log) commitGenesis(ctx context.Context, c *chain) error {
	key := "" // a claim only: a verifier gets the trusted key from another source
	if l.signer != nil {
		key = l.signer.VerifierKey()
	}
	e, err := l.newLease(ctx, c).Draft(Genesis, "", key, Success)
	if err != nil {
		return err
	}
	e.Close("")
	writes := e.Writes(nil)
	if err := l.commit(ctx, "audit.genesis", writes); err != nil && !l.isOwnConflict(ctx, err, writes[0].Record) {
		return err
	}
	c.append(e, l.opts.Now())
	c.setIndexed(e)
	return nil
}

// isOwnConflict reports whether a commit was refused because its own event is
// stored. A store can deliver a commit twice and answer as the second copy. A
// genesis has no void event, so the store does not compare it.
func (l *Log) isOwnConflict(ctx context.Context, err error, event record.Record) bool {
	if _, conflict := errors.AsType[*record.ConflictError](err); !conflict {
		return false
	}
	found, err := l.store.Get(ctx, record.Audit, event.Key)
	return err == nil && found.Equal(event)
}

// append adds a stored event to the chain.
func (c *chain) append(e Event, now time.Time) {
	if c.tree.Size() == c.signed {
		c.since = now
	}
	c.tree.Append(e.leaf())
	c.seq, c.last = e.Seq, e.EventHash
}

// settle updates the chain with the answer of the store to the commit of e. It
// reports whether the chain can be used again.
func (c *chain) settle(err error, e, void Event, now time.Time) (usable bool) {
	_, voided := errors.AsType[*record.VoidedError](err)
	switch {
	case err == nil:
		c.append(e, now)
		c.setIndexed(e)
	case voided:
		c.append(void, now)
		c.deferIndex(void)
	case isIndexConflict(err):
		c.setIndexed(e) // the record exists, so it need not be put again
	default:
		return isDefinite(err)
	}
	return true
}

// isDefinite reports whether an error of Commit means that nothing was written
// and that no part of the commit can be written later.
func isDefinite(err error) bool {
	if c, ok := errors.AsType[*record.ConflictError](err); ok {
		// Another process wrote to this chain's key.
		_, isEvent := c.Key.Partition.Chain()
		return !isEvent && !c.Key.Partition.IsCheckpoint()
	}
	if errors.Is(err, record.ErrUnavailable) {
		return false // even if another class matches too
	}
	return errors.Is(err, record.ErrTooLarge) || errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrBusy)
}

// isIndexConflict reports whether a commit failed because the record of the day
// index exists.
func isIndexConflict(err error) bool {
	c, ok := errors.AsType[*record.ConflictError](err)
	return ok && c.Table == record.Audit && c.Key.Partition.IsIndex()
}

// day returns the UTC day of an event, YYYY-MM-DD.
func (e *Event) day() string { return e.Timestamp[:len("2006-01-02")] }

// firstOfDay returns the value of the index record that the event seq must
// store: the seq of the chain's first event of the day, or 0 if no record is
// needed. Days never go back. If the clock was set back, its events count for
// the days that the index has.
func (c *chain) firstOfDay(day string, seq uint64) uint64 {
	switch {
	case day <= c.indexedDay:
		return 0
	case day == c.unindexedDay:
		return c.unindexedSeq
	}
	return seq
}

// setIndexed records that the index has the day of an event.
func (c *chain) setIndexed(e Event) {
	if e.first > 0 {
		c.indexedDay = e.day()
	}
}

// deferIndex leaves the index record of a void event's day to the next event.
func (c *chain) deferIndex(void Event) {
	if day := void.day(); day > c.indexedDay && day != c.unindexedDay {
		c.unindexedDay, c.unindexedSeq = day, void.Seq
	}
}
