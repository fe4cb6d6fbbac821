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

// The lease. A large commit takes many requests, so frequent small writers
// would win the race for the meta item every time. A writer whose large commit
// was rejected puts _lease on the meta item. From then on no small commit is
// written, because its condition requires that there is no lease. This
// includes commits in flight. Writers wait before they begin. A process that
// has seen a lease for limits.lease, by its own clock, removes it. So a
// crashed holder delays each writer once by that time. A commit that is
// written removes the lease. The lease is advisory: the conditions keep the
// data correct without it.
const (
	attrLease = "_lease" // "{owner}/{time taken, Unix ms}"
	leasePoll = 25 * time.Millisecond
)

// turns is the state of one process about leases.
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

// first returns the time when this process first saw the lease of a meta item.
func (t *turns) first(head record.Record, now time.Time) time.Time {
	lease := head.Attrs[attrLease].Str()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[head.Key.Partition].lease != lease {
		t.seen[head.Key.Partition] = sighting{lease, now}
	}
	return t.seen[head.Key.Partition].at
}

// mustWait reports whether a writer must wait for the lease of a meta item
// before it begins. It does not wait for a lease of its own process, because
// only the commit shows which of its writers holds it.
func (t *turns) mustWait(head record.Record, now time.Time, most time.Duration) bool {
	lease, held := head.Attrs[attrLease]
	if !held {
		return false
	}
	owner, _, _ := strings.Cut(lease.Str(), "/")
	return owner != t.owner || now.Sub(t.first(head, now)) >= most
}

// wait returns when the meta item no longer has this lease. It removes the
// lease limits.lease after this process first saw it.
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
			return fmt.Errorf("waiting for a large commit to %s: %w", head.Key.Partition, err)
		}
		var err error
		if head, _, err = s.api.get(ctx, record.Dialogues, head.Key); err != nil {
			return err
		}
		held = head.Attrs[attrLease].Equal(lease)
	}
	return nil
}

// take puts a lease on the meta item after a large commit was rejected. If
// another large writer has a lease, prepare waits for it. A tombstone gets no
// lease.
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

// put replaces a meta item by the same item with another lease. It returns nil
// if the meta item has changed, because the caller reads it again.
func (t *turns) put(ctx context.Context, s *Store, head, before record.Record) error {
	err := s.transact(ctx, s.newID(), []action{{table: record.Dialogues, record: head, when: asRead(before)}})
	if r, refused := errors.AsType[*refusal](err); refused && !r.passing() {
		return nil
	}
	return asUnavailable(err)
}
