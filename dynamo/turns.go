package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// The lease. A big commit takes many requests, and busy small writers would
// win the race for the head every time. A writer whose big commit lost puts
// _lease on the head. From then on no small commit lands (its condition says
// that there is no lease, so those already under way lose too), and writers
// wait before they begin. Whoever has seen a lease for limits.lease, by its own
// clock, takes it off, so that a dead holder costs each writer that time once.
// A commit that lands takes the lease along. It is advice: the conditions keep
// the data right without it.
const (
	attrLease = "_lease" // "{owner}/{time taken, Unix ms}"
	leasePoll = 25 * time.Millisecond
)

// turns is what one process knows about leases.
type turns struct {
	owner string

	mu   sync.Mutex
	seen map[record.Partition]sighting // by partition
}

// sighting is when this process first saw a lease.
type sighting struct {
	lease string
	at    time.Time
}

func newTurns(owner string) *turns {
	return &turns{owner: owner, seen: map[record.Partition]sighting{}}
}

// first returns when this process first saw the lease of a head.
func (t *turns) first(head record.Record, now time.Time) time.Time {
	lease := head.Attrs[attrLease].Str()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[head.Key.Partition].lease != lease {
		t.seen[head.Key.Partition] = sighting{lease, now}
	}
	return t.seen[head.Key.Partition].at
}

// respects reports whether a writer must wait for the lease of a head before
// it begins. One's own is not waited for: which of this process's writers
// holds it shows only when they commit.
func (t *turns) respects(head record.Record, now time.Time, most time.Duration) bool {
	lease, held := head.Attrs[attrLease]
	if !held {
		return false
	}
	owner, _, _ := strings.Cut(lease.Str(), "/")
	return owner != t.owner || now.Sub(t.first(head, now)) >= most
}

// wait returns when the head carries this lease no more; at the latest
// limits.lease after this process first saw it, when it takes it off.
func (t *turns) wait(ctx context.Context, s *Store, head record.Record) error {
	lease, held := head.Attrs[attrLease]
	for held {
		now := s.now()
		if now.Sub(t.first(head, now)) >= s.limits.lease {
			bare := head.Clone()
			delete(bare.Attrs, attrLease)
			return t.put(ctx, s, bare, head)
		}
		if err := s.pause(ctx, leasePoll); err != nil {
			return fmt.Errorf("waiting for a big commit to %s: %w", head.Key.Partition, err)
		}
		var err error
		if head, _, err = s.api.get(ctx, record.Dialogues, head.Key); err != nil {
			return err
		}
		held = head.Attrs[attrLease].Equal(lease)
	}
	return nil
}

// take puts a lease on the head after a big commit has lost it. If another big
// writer has one, prepare does the rest. A tombstone takes none.
func (t *turns) take(ctx context.Context, s *Store, pk record.Partition) (erased bool) {
	for range maxContended {
		head, exists, err := s.api.get(ctx, record.Dialogues, headKey(pk))
		if _, held := head.Attrs[attrLease]; err != nil || !exists || held || record.IsErased(head) {
			return err == nil && record.IsErased(head)
		}
		leased := head.Clone()
		leased.Attrs[attrLease] = record.S(t.owner + "/" + strconv.FormatInt(s.now().UnixMilli(), 10))
		if t.put(ctx, s, leased, head) != nil {
			return false
		}
	}
	return false
}

// put replaces a head by itself with another lease. That it has changed
// meanwhile is no error: the caller looks again.
func (t *turns) put(ctx context.Context, s *Store, head, before record.Record) error {
	err := s.transact(ctx, s.newID(), []action{{table: record.Dialogues, record: head, when: asRead(before)}})
	if r, refused := errors.AsType[*refusal](err); refused && !r.passing() {
		return nil
	}
	return known(err)
}
