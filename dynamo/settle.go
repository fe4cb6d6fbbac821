package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/record"
)

// settle sends the transaction of a commit until its outcome is certain: it was
// written, or it can never be written.
//
// One request can be delivered several times, and a copy can arrive late. So a
// refusal is final only under two conditions. The unmet condition can never hold
// again, and the commit's own event is absent (confirmRefusal). Without the
// second, the commit itself may be in the way, written by another copy. The
// service's memory of client tokens does not replace that proof. It ends after
// ten minutes, PutItem has none, and DynamoDB Local can execute two copies at
// once.
func (s *Store) settle(ctx context.Context, writes []record.Write, actions []action) error {
	token := s.newID()
	var err error
	for range maxReads {
		if err = s.transact(ctx, token, actions); err == nil {
			return nil
		}
		r, refused := errors.AsType[*refusal](err)
		if !refused && !errors.Is(err, errUnknown) {
			return err
		}
		if !refused || r.isTransient() || r.onLog(actions) {
			break
		}
		conflict := r.conflict(actions)
		c, unmet := errors.AsType[*record.ConflictError](conflict)
		if !unmet {
			return conflict
		}
		if c.IsOnMeta() {
			again, waitErr := s.unblock(ctx, actions)
			if waitErr != nil {
				err = waitErr
				break
			}
			if again {
				continue
			}
		}
		return s.confirmRefusal(ctx, writes, actions, c, err)
	}
	return s.resolve(ctx, writes, actions, err)
}

// confirmRefusal returns the answer to a commit with a condition that can never
// hold again: the conflict if the commit's event is absent, nil if the event is
// stored.
//
// TransactGetItems reads the event because it is refused while a copy of the
// commit is being applied. A plain read can still show the state before that
// copy. A commit without an event has no such proof: its caller reads what is
// stored.
func (s *Store) confirmRefusal(ctx context.Context, writes []record.Write, actions []action, conflict *record.ConflictError, refused error) error {
	w := fencedWrite(writes)
	if w == nil {
		if errors.Is(refused, errUnknown) {
			return asUnavailable(refused)
		}
		return conflict
	}
	found, err := s.snapshot(ctx, w.Table, []record.Key{w.Record.Key})
	switch {
	case err != nil:
		return s.resolve(ctx, writes, actions, err)
	case len(found[0].Attrs) == 0:
		return conflict
	}
	return s.answerByEvent(ctx, w, actions, found[0])
}

// unblock reads the meta item to find the reason for a refusal. If it is still
// the one that the commit is based on, a log or a lease was in the way. After
// that is gone, the same transaction can succeed.
func (s *Store) unblock(ctx context.Context, actions []action) (again bool, err error) {
	for _, a := range actions {
		if !a.isOnMeta() {
			continue
		}
		meta, exists, err := s.api.get(ctx, a.table, a.record.Key)
		if err != nil || a.when.absent || !(record.Write{Prev: a.when.equal}).IsMet(meta, exists) {
			return false, err
		}
		if p, pending := pendingOf(meta); pending {
			return true, s.drain(ctx, meta.Key.Partition, p)
		}
		if !slices.Contains(a.when.missing, attrLease) {
			return true, nil
		}
		return true, s.leases.wait(ctx, s, meta)
	}
	return false, nil
}

// resolve determines the result of a commit whose response was lost. The meta
// item does not show it, because later commits can have replaced it. The fence
// does: it is put at the key of one of the records of the commit, on the
// condition that no item exists. If the fence is written, the commit can never
// be written. Otherwise the stored item shows the result.
func (s *Store) resolve(ctx context.Context, writes []record.Write, actions []action, unknown error) error {
	w := fencedWrite(writes)
	if w == nil {
		return asUnavailable(unknown)
	}
	fence := record.Record{Key: w.Record.Key, Attrs: w.Fence}
	put := s.transact(ctx, s.newID(), []action{{table: w.Table, record: fence, when: condition{absent: true}}})
	if put == nil {
		return &record.VoidedError{Table: w.Table, Key: fence.Key}
	}
	found, exists, err := s.api.get(ctx, w.Table, fence.Key)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", record.ErrUnavailable, err)
	case !exists:
		return fmt.Errorf("%w: %w: %w", record.ErrUnavailable, put, unknown)
	}
	return s.answerByEvent(ctx, w, actions, found)
}

// answerByEvent returns the answer to a commit by the record that is stored at
// the key of its event: nil for the event, *record.VoidedError for the fence, and
// *record.ConflictError for any other record.
func (s *Store) answerByEvent(ctx context.Context, w *record.Write, actions []action, stored record.Record) error {
	switch stored = publicItem(stored); {
	case stored.Equal(w.Record):
		return s.visible(ctx, actions)
	case stored.Equal(record.Record{Key: w.Record.Key, Attrs: w.Fence}):
		return &record.VoidedError{Table: w.Table, Key: w.Record.Key}
	}
	return &record.ConflictError{Table: w.Table, Key: w.Record.Key}
}

func fencedWrite(writes []record.Write) *record.Write {
	for i, w := range writes {
		if len(w.Fence) > 0 {
			return &writes[i]
		}
	}
	return nil
}

// visible waits until a committed transaction can be read completely in the
// partition of its meta item, where the caller reads next. TransactGetItems is
// serialized after the commit. The commit can also write to the index of days
// of the audit log, but a user might have no permission to read it
// (deploy/iam/user.json).
func (s *Store) visible(ctx context.Context, actions []action) error {
	of := map[record.Partition]bool{}
	for _, a := range actions {
		if a.isOnMeta() {
			of[a.record.Key.Partition] = true
		}
	}
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		var keys []record.Key
		for _, a := range actions {
			if a.table == table && !a.check && of[a.record.Key.Partition] {
				keys = append(keys, a.record.Key)
			}
		}
		if len(keys) == 0 {
			continue
		}
		if _, err := s.snapshot(ctx, table, keys); err != nil {
			return fmt.Errorf("%w: a committed transaction is not readable yet: %w", record.ErrUnavailable, err)
		}
	}
	return nil
}

// snapshot reads items as of one moment. It retries while a transaction is in
// the way.
func (s *Store) snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error) {
	var found []record.Record
	err := s.repeat(ctx, func() (err error) {
		found, err = s.api.snapshot(ctx, table, keys)
		return err
	})
	return found, asUnavailable(err)
}

// transact repeats a transaction with the same bytes and token until it has a
// definite answer. If an answer was lost before a refusal, the error is errUnknown
// and the *refusal: an earlier copy may have been written.
func (s *Store) transact(ctx context.Context, token string, actions []action) error {
	lost := false
	err := s.repeat(ctx, func() error {
		err := s.api.transact(ctx, token, actions)
		lost = lost || errors.Is(err, errUnknown)
		return err
	})
	if err != nil && lost {
		return errors.Join(errUnknown, err)
	}
	return err
}

// The budget of one transaction for each kind of failure: the number of times
// it is sent. A lock on an item is short. A lost response can cost a timeout.
const (
	maxContended = 10 // then ErrBusy
	maxThrottled = 10 // then ErrUnavailable
	maxLost      = 3  // then errUnknown
)

// repeat sends a request again while it fails for a temporary reason.
func (s *Store) repeat(ctx context.Context, send func() error) error {
	var contended, throttled, lost int
	for {
		err := send()
		r, refused := errors.AsType[*refusal](err)
		tries := &lost
		most, giveUp := maxLost, errUnknown
		switch {
		case refused && !r.isTransient():
			return err
		case refused && r.throttled():
			tries, most, giveUp = &throttled, maxThrottled, record.ErrUnavailable
		case refused:
			tries, most, giveUp = &contended, maxContended, record.ErrBusy
		case !errors.Is(err, errUnknown):
			return err
		}
		*tries++
		if *tries == most {
			return fmt.Errorf("%w: %w", giveUp, err)
		}
		if waitErr := s.pause(ctx, s.jitter(backoff.Limit(*tries-1))); waitErr != nil {
			return errors.Join(waitErr, err)
		}
	}
}

// backoff is the waiting time between attempts: 10 ms to 640 ms.
var backoff = retry.Backoff{Base: 10 * time.Millisecond, Max: 640 * time.Millisecond}

// asUnavailable adds record.ErrUnavailable to errUnknown and returns any other
// error unchanged.
func asUnavailable(err error) error {
	if errors.Is(err, errUnknown) {
		return fmt.Errorf("%w: %w", record.ErrUnavailable, err)
	}
	return err
}

// onLog reports whether a log item was missing, because a cleaner has removed
// it or its put is still in flight.
func (r *refusal) onLog(actions []action) bool {
	for i, c := range r.causes {
		if c == unmet && strings.HasPrefix(string(actions[i].record.Key.Partition), logPrefix) {
			return true
		}
	}
	return false
}

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

// leases is what one process knows about leases.
type leases struct {
	owner string

	mu   sync.Mutex
	seen map[record.Partition]sighting // by partition
}

// sighting is when this process first saw a lease.
type sighting struct {
	lease string
	at    time.Time
}

func newLeases(owner string) *leases {
	return &leases{owner: owner, seen: map[record.Partition]sighting{}}
}

// first returns the time when this process first saw the lease of a meta item.
func (t *leases) first(meta record.Record, now time.Time) time.Time {
	lease := meta.Attrs[attrLease].Str()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen[meta.Key.Partition].lease != lease {
		t.seen[meta.Key.Partition] = sighting{lease, now}
	}
	return t.seen[meta.Key.Partition].at
}

// mustWait reports whether a writer must wait for the lease of a meta item
// before it begins. It does not wait for a lease of its own process, because
// only the commit shows which of its writers holds it.
func (t *leases) mustWait(meta record.Record, now time.Time, most time.Duration) bool {
	lease, held := meta.Attrs[attrLease]
	if !held {
		return false
	}
	owner, _, _ := strings.Cut(lease.Str(), "/")
	return owner != t.owner || now.Sub(t.first(meta, now)) >= most
}

// wait returns when the meta item no longer has this lease. It removes the
// lease limits.lease after this process first saw it.
func (t *leases) wait(ctx context.Context, s *Store, meta record.Record) error {
	lease, held := meta.Attrs[attrLease]
	for held {
		now := s.now()
		if now.Sub(t.first(meta, now)) >= s.limits.lease {
			bare := meta.Clone()
			delete(bare.Attrs, attrLease)
			return t.put(ctx, s, bare, meta)
		}
		if err := s.pause(ctx, leasePoll); err != nil {
			return fmt.Errorf("waiting for a large commit to %s: %w", meta.Key.Partition, err)
		}
		var err error
		if meta, _, err = s.api.get(ctx, record.Dialogues, meta.Key); err != nil {
			return err
		}
		held = meta.Attrs[attrLease].Equal(lease)
	}
	return nil
}

// take puts a lease on the meta item after a large commit was rejected. If
// another large writer has a lease, prepare waits for it. A tombstone gets no
// lease.
func (t *leases) take(ctx context.Context, s *Store, pk record.Partition) (erased bool) {
	for range maxContended {
		meta, exists, err := s.api.get(ctx, record.Dialogues, metaKey(pk))
		if _, held := meta.Attrs[attrLease]; err != nil || !exists || held || record.IsErased(meta) {
			return err == nil && record.IsErased(meta)
		}
		leased := meta.Clone()
		leased.Attrs[attrLease] = record.S(t.owner + "/" + strconv.FormatInt(s.now().UnixMilli(), 10))
		if t.put(ctx, s, leased, meta) != nil {
			return false
		}
	}
	return false
}

// put replaces a meta item by the same item with another lease. It returns nil
// if the meta item has changed, because the caller reads it again.
func (t *leases) put(ctx context.Context, s *Store, meta, before record.Record) error {
	err := s.transact(ctx, s.newID(), []action{{table: record.Dialogues, record: meta, when: asRead(before)}})
	if r, refused := errors.AsType[*refusal](err); refused && !r.isTransient() {
		return nil
	}
	return asUnavailable(err)
}
