package encrypted

import (
	"context"
	"errors"
	"fmt"
	"iter"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
)

// Rewrapping says what a run of Rewrap did.
type Rewrapping struct {
	Own     bool                    `json:"own_key"` // the user's own key was put under the new master key
	Granted map[blue.DialogueID]int `json:"granted"` // wraps that others had granted, by dialogue
}

// Rewrap puts everything of the store's own user that from's master key wraps
// under the store's: their own key, and what was granted to them in dialogues.
// No dialogue changes and no item is touched. Stopped anywhere, both keys open
// what each wraps, and the same run again finishes. It goes on after an error in
// one dialogue and returns them joined.
//
// Errors: as of keys.Ring.RewrapKEK and Rewrap; ErrAudit.
func (e *EncryptedStore[S, K]) Rewrap(ctx context.Context, from keys.Provider, dialogues iter.Seq2[blue.DialogueID, error]) (Rewrapping, error) {
	s := e.sealing
	report := Rewrapping{Granted: map[blue.DialogueID]int{}}
	ctx, o := s.operate(ctx, "rewrap", audit.Rewrap, "")
	if err := o.end(ctx, s.rewrap(ctx, o, from, dialogues, &report)); err != nil {
		return report, fmt.Errorf("rewrapping the keys of user %s: %w", s.user, err)
	}
	return report, nil
}

func (s *sealing) rewrap(ctx context.Context, o *operation, from keys.Provider, dialogues iter.Seq2[blue.DialogueID, error], report *Rewrapping) error {
	umk, err := from.UMK(ctx)
	if err != nil {
		return err
	}
	defer umk.Destroy()
	o.keyID = umk.Fingerprint()
	if err := o.note(ctx, audit.Intent, func(*audit.Event) {}); err != nil {
		return err
	}
	o.read = true // a failure from here on is one of a rewrap
	if report.Own, err = s.ring.RewrapKEK(ctx, from); err != nil {
		return err
	}
	var errs []error
	for id, err := range dialogues {
		n := 0
		if err == nil {
			n, err = s.ring.Rewrap(ctx, string(id), from)
		}
		if err != nil && !errors.Is(err, blue.ErrErased) {
			errs = append(errs, err)
		}
		if n > 0 {
			report.Granted[id] = n
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return o.note(ctx, audit.Success, func(*audit.Event) {})
}
