package dynamo

import (
	"errors"
	"fmt"
	"slices"

	"github.com/superviber/blue-encrypted-store/record"
)

// errUnknown: the request may have taken effect, may yet, or may never.
var errUnknown = errors.New("the outcome of the request is not known")

// cause is why one action of a transaction was refused.
type cause int

const (
	fine        cause = iota
	unmet             // its condition does not hold
	contended         // another transaction has the item now
	throttled         // capacity
	badlyFormed       // a limit of the service, or a bug
)

// refusal is a transaction that took no effect, a cause for each action.
type refusal struct {
	causes []cause
	detail error
}

func (r *refusal) Error() string { return fmt.Sprintf("transaction refused: %v", r.detail) }

func (r *refusal) Unwrap() error { return r.detail }

// passing reports whether the same transaction may succeed a moment later.
func (r *refusal) passing() bool {
	return !slices.Contains(r.causes, unmet) && !slices.Contains(r.causes, badlyFormed)
}

func (r *refusal) throttled() bool { return slices.Contains(r.causes, throttled) }

// conflict turns unmet conditions into the ConflictError of the contract. An
// item has precedence over the meta item.
func (r *refusal) conflict(actions []action) error {
	var found *record.ConflictError
	for i, c := range r.causes {
		if c != unmet {
			continue
		}
		e := &record.ConflictError{Table: actions[i].table, Key: actions[i].record.Key}
		if found == nil || found.IsOnMeta() {
			found = e
		}
	}
	if found == nil {
		return fmt.Errorf("%w: %w", record.ErrUnavailable, r)
	}
	return found
}
