package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// settle runs the transaction of a commit to a definite end: landed, or never
// to land. A copy of the request may still be under way when it is refused, so
// a refusal is definite only if what is unmet can never hold again. Of what was
// sent more than once none is: it may be the commit's own success, by an earlier
// copy, that stands in its way. The service's memory for tokens would tell, for
// ten minutes, and not everywhere: DynamoDB Local executes two copies at once.
func (s *Store) settle(ctx context.Context, writes []record.Write, actions []action) error {
	token, sent := s.newID(), 0
	var err error
	for range maxReads {
		var times int
		times, err = s.send(ctx, token, actions)
		if sent += times; err == nil {
			return nil
		}
		r, refused := errors.AsType[*refusal](err)
		if errors.Is(err, errUnknown) || refused && r.passing() || refused && r.onLog(actions) {
			break
		}
		if !refused {
			return err
		}
		conflict := r.conflict(actions)
		if c, ok := errors.AsType[*record.ConflictError](conflict); ok && c.OnHead() {
			again, waitErr := s.unblock(ctx, actions)
			if waitErr != nil {
				err = waitErr
				break
			}
			if again {
				continue
			}
		}
		if sent > 1 && fenced(writes) != nil {
			break
		}
		return conflict
	}
	return s.resolve(ctx, writes, actions, err)
}

// unblock looks why the head refused a commit. If it is still the one that
// the commit stands on, a log or a lease was in the way, and when that is
// gone the same transaction may land.
func (s *Store) unblock(ctx context.Context, actions []action) (again bool, err error) {
	for _, a := range actions {
		if !a.onHead() {
			continue
		}
		head, exists, err := s.api.get(ctx, a.table, a.record.Key)
		if err != nil || a.when.absent || !(record.Write{Prev: a.when.equal}).Holds(head, exists) {
			return false, err
		}
		if p, pending := pendingOf(head); pending {
			return true, s.drain(ctx, head.Key.Partition, p)
		}
		if !slices.Contains(a.when.missing, attrLease) {
			return true, nil
		}
		return true, s.turns.wait(ctx, s, head)
	}
	return false, nil
}

// resolve finds out what became of a commit whose answer was lost. meta
// cannot tell: others may have committed on top. The fence can: it is put at
// the key of one of the commit's own records, must-not-exist. If it lands, the
// commit never can; if it does not, what stands there tells.
func (s *Store) resolve(ctx context.Context, writes []record.Write, actions []action, unknown error) error {
	w := fenced(writes)
	if w == nil {
		return known(unknown)
	}
	fence := record.Record{Key: w.Record.Key, Attrs: w.Fence}
	voided := &record.VoidedError{Table: w.Table, Key: fence.Key}
	put := s.transact(ctx, s.newID(), []action{{table: w.Table, record: fence, when: condition{absent: true}}})
	if put == nil {
		return voided
	}
	found, exists, err := s.api.get(ctx, w.Table, fence.Key)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", record.ErrUnavailable, err)
	case !exists:
		return fmt.Errorf("%w: %w: %w", record.ErrUnavailable, put, unknown)
	case public(found).Equal(fence):
		return voided
	case public(found).Equal(w.Record):
		return s.visible(ctx, actions)
	}
	return &record.ConflictError{Table: w.Table, Key: fence.Key}
}

func fenced(writes []record.Write) *record.Write {
	for i, w := range writes {
		if len(w.Fence) > 0 {
			return &writes[i]
		}
	}
	return nil
}

// visible waits until a transaction that landed can be read whole, where its
// caller reads next: TransactGetItems is serialised behind it. That is in the
// partition of its head; the audit log's index of days, which it may have
// written too, a user may not even be allowed to read (deploy/iam/user.json).
func (s *Store) visible(ctx context.Context, actions []action) error {
	of := map[record.Partition]bool{}
	for _, a := range actions {
		if a.onHead() {
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
			return fmt.Errorf("%w: a commit that landed is not readable yet: %w", record.ErrUnavailable, err)
		}
	}
	return nil
}

// snapshot reads items as of one moment; a transaction in its way passes.
func (s *Store) snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error) {
	var found []record.Record
	err := s.repeat(ctx, func() (err error) {
		found, err = s.api.snapshot(ctx, table, keys)
		return err
	})
	return found, known(err)
}

// transact repeats a transaction with the same bytes and token until it has a
// definite answer. Once an answer was lost, a refusal is not definite either:
// it may be the commit's own success that stands in its way.
func (s *Store) transact(ctx context.Context, token string, actions []action) error {
	_, err := s.send(ctx, token, actions)
	return err
}

// send is transact, and says how often the request was sent.
func (s *Store) send(ctx context.Context, token string, actions []action) (times int, err error) {
	lost := false
	err = s.repeat(ctx, func() error {
		times++
		err := s.api.transact(ctx, token, actions)
		lost = lost || errors.Is(err, errUnknown)
		return err
	})
	if err != nil && lost {
		return times, errors.Join(errUnknown, err)
	}
	return times, err
}

// The budget of one transaction, for each trouble apart: how often it is sent
// before we give up. What stands in the way of an item is gone soon; a lost
// answer may have cost a timeout.
const (
	maxContended = 10 // then ErrBusy
	maxThrottled = 10 // then ErrUnavailable
	maxLost      = 3  // then errUnknown
)

// repeat sends a request again while its answer is a passing trouble.
func (s *Store) repeat(ctx context.Context, send func() error) error {
	var contended, throttled, lost int
	for {
		err := send()
		r, refused := errors.AsType[*refusal](err)
		tries := &lost
		most, giveUp := maxLost, errUnknown
		switch {
		case refused && !r.passing():
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
		if waitErr := s.pause(ctx, s.jitter(backoff(*tries))); waitErr != nil {
			return errors.Join(waitErr, err)
		}
	}
}

// backoff doubles from 10 ms to 640 ms.
func backoff(tries int) time.Duration { return 10 * time.Millisecond << min(tries-1, 6) }

// known gives an error of the protocol the sentinel of the contract.
func known(err error) error {
	if errors.Is(err, errUnknown) {
		return fmt.Errorf("%w: %w", record.ErrUnavailable, err)
	}
	return err
}

// onLog reports whether a log item was missing: a cleaner has taken it, or its
// put is still under way.
func (r *refusal) onLog(actions []action) bool {
	for i, c := range r.causes {
		if c == unmet && strings.HasPrefix(string(actions[i].record.Key.Partition), logPrefix) {
			return true
		}
	}
	return false
}
