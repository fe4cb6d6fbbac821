package audit

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// chain is one hash chain of this process. It belongs to whoever took it out
// of the log's lists, so it needs no lock.
type chain struct {
	id   string
	seq  uint64          // of the last event that landed; 0 for none
	last string          // its hash
	tree checkpoint.Tree // over the events 1 … seq

	day     string // the latest day that the index knows
	missed  string // a later one whose first event was a void, which takes no index record along
	missing uint64 // and the seq of that event

	signed  uint64    // events under the newest stored checkpoint
	since   time.Time // when the first event beyond it landed
	note    string    // that checkpoint, while anchors lack it
	lacking []Anchor  // those anchors
	failed  bool      // the last try to sign or publish failed

	left   bool // nobody can say whether the event after seq is there
	closed bool // the close event is
}

func newChain() *chain {
	var id [16]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	c := &chain{id: hex.EncodeToString(id[:])}
	c.last = genesis(c.id)
	return c
}

// grow moves the chain along to an event that landed.
func (c *chain) grow(e Event, now time.Time) {
	if c.tree.Size() == c.signed {
		c.since = now
	}
	c.tree.Append(e.leaf())
	c.seq, c.last = e.Seq, e.EventHash
}

// settle moves the chain along by what the store answered to the commit of e,
// and reports whether the chain can be used again.
func (c *chain) settle(err error, e, void Event, now time.Time) bool {
	_, voided := errors.AsType[*record.VoidedError](err)
	switch {
	case err == nil:
		c.grow(e, now)
		c.indexed(e)
	case voided:
		c.grow(void, now)
		c.unindexed(void)
	case onIndex(err):
		c.indexed(e) // the record is there, so it need not be put again
	default:
		return definite(err)
	}
	return true
}

// definite reports whether an error of Commit says that nothing was written
// and nothing of it can be any more.
func definite(err error) bool {
	if c, ok := errors.AsType[*record.ConflictError](err); ok {
		// Another process wrote to this chain's key.
		_, isEvent := c.Key.Partition.Chain()
		return !isEvent && !c.Key.Partition.IsCheckpoint()
	}
	if errors.Is(err, record.ErrUnavailable) {
		return false // whatever else it was
	}
	return errors.Is(err, record.ErrTooLarge) || errors.Is(err, record.ErrInvalid) || errors.Is(err, record.ErrBusy)
}
