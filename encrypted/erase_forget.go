package encrypted

import (
	"context"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// ForgetUser is the last step of the erasure of a user (EraseUser), for when its
// certificate was delivered: it deletes the user's names in the directory, and
// with the last of them the plan of the erasure, by which EraseUser would do it
// once more, and scrubs the store's files. directory is as for EraseUser.
//
// Errors: ErrNotFound where no erasure of the user was begun, or they are
// forgotten already; ErrConflict where it is not finished: run EraseUser first;
// the store's own. Stopped, it may be run again; if it was stopped before its
// scrub, EraseUser does that one.
func (e *EncryptedStore[S, K]) ForgetUser(ctx context.Context, user string, directory *audit.Directory) error {
	err := keys.CheckUser(user)
	if err == nil {
		err = e.sealing.forgetUser(ctx, user, directory)
	}
	if err != nil {
		return fmt.Errorf("forgetting user %s: %w", user, err)
	}
	return nil
}

func (s *sealing) forgetUser(ctx context.Context, user string, directory *audit.Directory) error {
	known, err := s.traceOf(ctx, user, directory)
	if err != nil {
		return err
	}
	if known.plan.stored == nil {
		return fmt.Errorf("%w: no erasure of them was begun, or they are forgotten", blue.ErrNotFound)
	}
	if err := s.finished(ctx, known, user); err != nil {
		return err
	}
	for _, name := range known.names {
		if name == user {
			continue // goes with the plan, which is found by it
		}
		if err := directory.Forget(ctx, name); err != nil && !errors.Is(err, blue.ErrNotFound) {
			return err
		}
	}
	if err := s.drop(ctx, known.plan, user, directory); err != nil {
		return err
	}
	if err := s.scrub(ctx); err != nil {
		return fmt.Errorf("their name is deleted, and its bytes may still be in the store's files: %w", err)
	}
	return nil
}

// finished is ErrConflict while something of a plan is left to be done.
func (s *sealing) finished(ctx context.Context, known userTrace, user string) error {
	for _, id := range slices.Concat(known.plan.erase, known.plan.revoke) {
		status, err := s.ring.Status(ctx, id)
		if err != nil && !errors.Is(err, blue.ErrNotFound) {
			return err
		}
		erased := status.State == stateErased && len(status.Standing()) == 0
		held := len(status.Wraps(user))+len(status.StraysOf(user)) > 0
		if held || !erased && slices.Contains(known.plan.erase, id) {
			return fmt.Errorf("%w: their erasure is not finished: dialogue %s", blue.ErrConflict, id)
		}
	}
	if len(known.stored) > 0 && s.keks != nil {
		return fmt.Errorf("%w: their erasure is not finished: their own key is stored", blue.ErrConflict)
	}
	return nil
}

// userTrace is what is known of a user beside the keys of dialogues.
type userTrace struct {
	names  []string  // in the directory
	stored []string  // SHA-256 of each key that a provider stores for them, 64 hex digits
	plan   *userPlan // of earlier runs; without a key where the log has no name for them yet
}

func (t userTrace) any() bool { return len(t.names) > 0 || len(t.stored) > 0 || t.plan.stored != nil }

// traceOf looks for a user, and makes nothing: no name in the directory either.
func (s *sealing) traceOf(ctx context.Context, user string, directory *audit.Directory) (userTrace, error) {
	t := userTrace{plan: &userPlan{}}
	var err error
	if directory != nil {
		if t.names, err = directory.NamesOf(ctx, user); err != nil {
			return t, err
		}
	}
	if t.stored, err = s.ring.Stored(ctx, user); err != nil {
		return t, err
	}
	if directory == nil || slices.Contains(t.names, user) {
		err = s.enter(ctx, t.plan, user)
	}
	return t, err
}

// enter gives a plan its key, the user's name in the log, which is made if there
// is none, and reads what is stored there.
func (s *sealing) enter(ctx context.Context, p *userPlan, user string) error {
	name, err := s.log.Name(ctx, user)
	if err != nil {
		return err
	}
	stored, err := s.readPlan(ctx, name)
	if err == nil {
		*p = *stored
	}
	return err
}

// drop deletes the plan, and the record that links the user's name to their
// pseudonym, which alone leads to the plan: both in one commit.
func (s *sealing) drop(ctx context.Context, p *userPlan, user string, directory *audit.Directory) error {
	var removal []record.Write
	if p.stored != nil {
		removal = append(removal, record.Write{Table: record.Keys, Record: record.Record{Key: p.key}, Prev: p.stored})
	}
	if directory != nil {
		if err := directory.Forget(ctx, user, removal...); !errors.Is(err, blue.ErrNotFound) {
			return err
		}
	}
	if len(removal) == 0 {
		return nil
	}
	err := s.inner.Commit(ctx, removal)
	if errors.Is(err, blue.ErrConflict) {
		if _, gone := s.inner.Get(ctx, record.Keys, p.key); errors.Is(gone, blue.ErrNotFound) {
			return nil // another run of the same erasure was faster
		}
	}
	return err
}
