package encrypted

import (
	"context"
	"errors"
	"fmt"
	"iter"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Rotation reports what a run of Rotate or Revoke did.
type Rotation struct {
	Dialogue blue.DialogueID `json:"dialogue"`
	From     uint32          `json:"from"`    // least key version in use before the run
	To       uint32          `json:"to"`      // key version of every item after the run
	Resumed  bool            `json:"resumed"` // of Rotate: the run finished an earlier rotation and made no key version
	Held     bool            `json:"held"`    // of Revoke: wrapped keys of the user were stored
	Items    int             `json:"items"`   // re-encrypted by this run, without meta
	Commits  int             `json:"commits"` // of this run
}

// Rotate re-encrypts a whole dialogue under a new key version and destroys the
// wrapped keys of older versions. Contents, clear attributes and history stay
// the same. Every nonce and MAC is new. Other users can read and write during
// the rotation and change to the new version automatically.
//
// Rotate commits up to 80 items at a time. If it is stopped, nothing is lost.
// The next run resumes an unfinished rotation as long as items are left to
// re-encrypt. Afterwards an older copy of the data can only be opened with an
// older copy of the keys.
//
// The error is blue.ErrSealed or keys.ErrDenied if the user does not hold the
// active key. It is blue.ErrBusy if other writers were first too often, and the
// caller can run Rotate again. Other errors come from Load or from a write.
func (s *Store) Rotate(ctx context.Context, id blue.DialogueID) (Rotation, error) {
	report, err := s.seal.Rotate(ctx, string(id), "")
	return Rotation(report), err
}

// Revoke revokes a user's access to a dialogue. One commit deletes the user's
// wrapped keys and makes a key version for all other users. Then Revoke
// re-encrypts the dialogue as Rotate does. A process of the user that still has
// a key in memory can open items until they are re-encrypted.
//
// Revoke always creates a new key version, even if the user has no wrapped key
// in the store. Wraps and versions that no key holder created are deleted, so a
// revoked user cannot keep access by planting them.
//
// The error is blue.ErrRefused for the store's own user, blue.ErrInvalid for a
// malformed user, or an error of Rotate.
func (s *Store) Revoke(ctx context.Context, id blue.DialogueID, user string) (Rotation, error) {
	if err := keys.CheckUser(user); err != nil {
		return Rotation{Dialogue: id}, err
	}
	report, err := s.seal.Rotate(ctx, string(id), user)
	return Rotation(report), err
}

// Grant lets another user read and write a dialogue by wrapping its keys for
// that user (keys.Ring.Grant). The dialogue itself does not change. granted is
// false if the user held every key already.
//
// The error is blue.ErrInvalid for a malformed user, blue.ErrNotFound for an
// unknown dialogue, blue.ErrSealed if the store's own user does not hold the
// keys, blue.ErrErased, or an error of the record store.
func (s *Store) Grant(ctx context.Context, id blue.DialogueID, user string) (granted bool, err error) {
	err = s.seal.Run(ctx, "grant", audit.Grant, string(id), func(ctx context.Context, o *seal.Operation) error {
		if err := keys.CheckUser(user); err != nil {
			return err
		}
		status, err := s.seal.Ring.Status(ctx, string(id))
		if err != nil {
			return err
		}
		o.Started = true
		if status.Active > 0 {
			o.KeyID = fmt.Sprintf("dek#%s#%d", id, status.Active)
		}
		details, err := s.seal.Subject(ctx, user)
		if err != nil {
			return err
		}
		if err := o.Record(ctx, audit.Intent, details); err != nil {
			return err
		}
		if granted, err = s.seal.Ring.Grant(ctx, string(id), user); err != nil {
			return err
		}
		return o.Record(ctx, audit.Success, details)
	})
	return granted && err == nil, err
}

// A Rewrapping reports what a run of Rewrap did.
type Rewrapping struct {
	Own     bool                    `json:"own_key"` // the user's own key was wrapped under the new master key
	Granted map[blue.DialogueID]int `json:"granted"` // keys granted by other users that were wrapped, by dialogue
}

// Rewrap replaces the master key of the store's own user. It opens the user's
// own key, and the keys that were granted to the user in the given dialogues,
// with provider from, and wraps them with the provider of the store. No item
// changes. If it is stopped, both providers open the keys that they wrap, and
// the same call continues. After an error in one dialogue Rewrap continues with
// the others and returns all errors joined.
//
// The error is blue.ErrSealed or keys.ErrDenied if a key cannot be opened,
// blue.ErrAudit, or an error of the record store.
func (s *Store) Rewrap(ctx context.Context, from keys.Provider, dialogues iter.Seq2[blue.DialogueID, error]) (Rewrapping, error) {
	report := Rewrapping{Granted: map[blue.DialogueID]int{}}
	err := s.seal.Run(ctx, "rewrap", audit.Rewrap, "", func(ctx context.Context, o *seal.Operation) error {
		umk, err := from.UMK(ctx)
		if err != nil {
			return err
		}
		defer umk.Destroy()
		o.KeyID = umk.Fingerprint()
		if err := o.Record(ctx, audit.Intent, seal.NoDetails); err != nil {
			return err
		}
		o.Started = true
		if report.Own, err = s.seal.Ring.RewrapKEK(ctx, from); err != nil {
			return err
		}
		var errs []error
		for id, err := range dialogues {
			n := 0
			if err == nil {
				n, err = s.seal.Ring.Rewrap(ctx, string(id), from)
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
		return o.Record(ctx, audit.Success, seal.NoDetails)
	})
	if err != nil {
		err = fmt.Errorf("rewrapping the keys of user %s: %w", s.seal.User, err)
	}
	return report, err
}

// A KeyStatus is what the tables say about the keys of a dialogue. Nothing of
// it is verified.
type KeyStatus struct {
	keys.Status
	Items map[uint32]int `json:"items"` // number of items by key version, with meta. 0 counts items that name no version
}

// KeyStatus reads the keys of a dialogue and counts its items. It uses no key
// and leaves no event. The error is blue.ErrNotFound if the dialogue has no
// keys, or an error of the record store.
func (s *Store) KeyStatus(ctx context.Context, id blue.DialogueID) (KeyStatus, error) {
	status, err := s.seal.Ring.Status(ctx, string(id))
	if err != nil {
		return KeyStatus{}, err
	}
	items, err := s.seal.Records.Query(ctx, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		return KeyStatus{}, err
	}
	count := map[uint32]int{}
	for _, r := range items {
		count[seal.KeyVersion(r)]++
	}
	return KeyStatus{status, count}, nil
}
