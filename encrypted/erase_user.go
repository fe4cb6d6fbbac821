package encrypted

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
)

// UserErasure says what a run of EraseUser did.
type UserErasure struct {
	User    string            `json:"user"`
	Erased  []Erasure         `json:"erased"`  // dialogues that the user held alone
	Revoked []blue.DialogueID `json:"revoked"` // dialogues that others hold too
	Wraps   []string          `json:"wraps"`   // SHA-256 of the user's wrapped keys of those, 64 hex digits
	Event   EventPlace        `json:"event"`   // of the outcome
}

// The item names in the events of intent and outcome: what becomes of each
// dialogue. The intent also names the user, as the log calls them.
const (
	ErasedItem  = "erased#"  // then the dialogue's id
	RevokedItem = "revoked#" // then the dialogue's id
	WrapItem    = "wrap#"    // then 64 hex digits of UserErasure.Wraps
)

// EraseUser takes a user out of the store: what they hold alone is erased, what
// others hold too is taken from them (Revoke), then their own key is deleted
// where the provider stores one, then the record that links their name to their
// pseudonym. dialogues are those to look at, whose keys tell; the table of keys
// has no list by user. directory may be nil.
//
// Nothing is done if something of it is refused. After an error in one dialogue
// it goes on, returns the errors joined, and leaves the user's own key and name:
// run it again. A run reports what it did itself; what those before it did, the
// events of their intents say. The event of the outcome does not name the user.
//
// Errors: as of Erase and Revoke. ErrRefused where the store's own user shares
// a dialogue: let another who holds it do so.
func (e *EncryptedStore[S, K]) EraseUser(ctx context.Context, user string, dialogues iter.Seq2[blue.DialogueID, error], directory *audit.Directory) (UserErasure, error) {
	r := &userEraser{s: e.sealing, report: UserErasure{User: user}}
	if err := keys.CheckUser(user); err != nil {
		return r.report, err
	}
	ctx, r.o = r.s.operate(ctx, "erase_user", audit.Erase, "")
	err := r.o.end(ctx, r.all(ctx, dialogues, directory))
	if err != nil {
		err = fmt.Errorf("erasing user %s: %w", user, err)
	}
	return r.report, err
}

// userEraser is one run.
type userEraser struct {
	s      *sealing
	o      *operation
	tasks  []task
	report UserErasure
}

// task is what is to be done with one dialogue.
type task struct {
	dialogue blue.DialogueID
	alone    bool     // nobody else holds it, or its erasure has begun
	wraps    []string // of the user, if others hold it too
}

func (r *userEraser) all(ctx context.Context, dialogues iter.Seq2[blue.DialogueID, error], directory *audit.Directory) error {
	for id, err := range dialogues {
		if err == nil {
			err = r.plan(ctx, id)
		}
		if err != nil {
			return err
		}
	}
	if err := r.intend(ctx); err != nil {
		return err
	}
	r.o.read = true
	var errs []error
	for _, t := range r.tasks {
		errs = append(errs, r.do(ctx, t))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := r.forget(ctx, directory); err != nil {
		return err
	}
	var err error
	r.report.Event, err = r.o.outcome(ctx, func(to *audit.Event) { list(to, r.report.items()) })
	return err
}

// plan looks at one dialogue. One of which the user holds nothing is left
// alone, unless an earlier run may not have finished with it.
func (r *userEraser) plan(ctx context.Context, id blue.DialogueID) error {
	status, err := r.s.ring.Status(ctx, string(id))
	if errors.Is(err, blue.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	t := task{dialogue: id}
	for _, v := range status.Versions {
		for _, h := range v.Holders {
			if h.User == r.report.User {
				t.wraps = append(t.wraps, h.Fingerprint)
			}
		}
	}
	users := status.Users()
	t.alone = status.State == stateErasing || len(t.wraps) > 0 && len(users) == 1
	switch {
	case t.alone, len(status.Versions) > 1 && slices.Contains(users, r.s.user):
	case len(t.wraps) == 0:
		return nil
	}
	if !t.alone && r.report.User == r.s.user && len(t.wraps) > 0 {
		return fmt.Errorf("%w: user %s shares dialogue %s with others: let another who holds it take it from them", blue.ErrRefused, r.s.user, id)
	}
	r.tasks = append(r.tasks, t)
	return nil
}

// intend stores the event of what is to be done.
func (r *userEraser) intend(ctx context.Context) error {
	name, err := r.s.log.Name(ctx, r.report.User)
	if err != nil {
		return err
	}
	planned := UserErasure{}
	for _, t := range r.tasks {
		planned.add(t, Erasure{Dialogue: t.dialogue})
	}
	return r.o.note(ctx, audit.Intent, func(to *audit.Event) { list(to, append([]audit.Item{{SK: name}}, planned.items()...)) })
}

func (r *userEraser) do(ctx context.Context, t task) error {
	var done Erasure
	var err error
	if t.alone {
		done, err = r.s.erase(ctx, t.dialogue)
	} else {
		_, err = r.s.rotate(ctx, string(t.dialogue), r.report.User)
	}
	if err == nil {
		r.report.add(t, done)
	}
	return err
}

// forget deletes what is the user's own.
func (r *userEraser) forget(ctx context.Context, directory *audit.Directory) error {
	if r.s.keks != nil {
		if err := r.s.keks.EraseKEK(ctx, r.report.User); err != nil {
			return err
		}
	}
	if directory == nil {
		return nil
	}
	if err := directory.Forget(ctx, r.report.User); !errors.Is(err, blue.ErrNotFound) {
		return err
	}
	return nil
}

func (u *UserErasure) add(t task, done Erasure) {
	switch {
	case t.alone:
		u.Erased = append(u.Erased, done)
	case len(t.wraps) > 0:
		u.Revoked = append(u.Revoked, t.dialogue)
		u.Wraps = append(u.Wraps, t.wraps...)
	}
}

// items are the names in the events.
func (u *UserErasure) items() []audit.Item {
	var items []audit.Item
	for _, e := range u.Erased {
		items = append(items, audit.Item{SK: ErasedItem + string(e.Dialogue)})
	}
	for _, id := range u.Revoked {
		items = append(items, audit.Item{SK: RevokedItem + string(id)})
	}
	for _, hash := range u.Wraps {
		items = append(items, audit.Item{SK: WrapItem + hash})
	}
	return items
}

// list puts items into an event, each once.
func list(to *audit.Event, items []audit.Item) {
	if err := to.Write(items); err != nil { // it deflates bytes in memory
		panic("encrypted: " + err.Error())
	}
}
