package encrypted

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
)

// UserErasure says what EraseUser did, in this run and in those before it that
// did not finish.
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
// has no list by user. directory is that of the same store and of its log; nil
// where there is none.
//
// Nothing is done if something of it is refused. After an error in one dialogue
// it goes on, returns the errors joined, and leaves the user's own key and name:
// run it again. The event of the outcome does not name the user. Its order:
//
//	plan            what will be done, kept in the table of keys (erase_plan.go)
//	erase intent    the event
//	each dialogue   Erase or Revoke
//	EraseKEK        the user's own key
//	erase success   the event, with all that this run and those before it did
//	forget          the user's name and the plan, in one commit
//
// Stopped anywhere before the last commit, the same run again finishes, and its
// report and its event name everything. One gap is left: stopped after that
// commit and before somebody has the report, a further run finds neither name
// nor plan, and reports nothing. The event of the outcome stands in the log then,
// whole: it is the newest erase success without a dialogue, and
// erasure.Notary.Issue takes its place. And where the name was forgotten
// between two runs (audit.Directory.Forget), the plan stays and is not found: of
// what was done before, the intents in the log tell.
//
// Errors: as of Erase and Revoke. ErrRefused where the store's own user shares
// a dialogue: let another who holds it do so. ErrTooLarge for more dialogues than
// a plan holds: erase some of them first.
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
	name   string // of the user, as the log calls them
	plan   *userPlan
	tasks  []task
	report UserErasure
}

// task is what is to be done with one dialogue.
type task struct {
	dialogue blue.DialogueID
	alone    bool     // it goes as a whole
	take     bool     // others keep it, and something is left to be done
	wraps    []string // of the user, if others keep it
}

func (r *userEraser) all(ctx context.Context, dialogues iter.Seq2[blue.DialogueID, error], directory *audit.Directory) error {
	if err := r.prepare(ctx, dialogues); err != nil {
		return err
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
	if r.s.keks != nil {
		if err := r.s.keks.EraseKEK(ctx, r.report.User); err != nil {
			return err
		}
	}
	r.report.addHashes(r.plan.hashes)
	var err error
	if r.report.Event, err = r.o.outcome(ctx, func(to *audit.Event) { list(to, r.report.items()) }); err != nil {
		return err
	}
	return r.s.drop(ctx, r.plan, r.report.User, directory)
}

// prepare looks at the dialogues and at what earlier runs planned, and keeps the
// plan of this one.
func (r *userEraser) prepare(ctx context.Context, dialogues iter.Seq2[blue.DialogueID, error]) (err error) {
	if r.name, err = r.s.log.Name(ctx, r.report.User); err != nil {
		return err
	}
	if r.plan, err = r.s.readPlan(ctx, r.name); err != nil {
		return err
	}
	found := map[string]bool{}
	for _, id := range slices.Concat(r.plan.erase, r.plan.revoke) {
		found[id] = true
	}
	for id, err := range dialogues {
		if err != nil {
			return err
		}
		found[string(id)] = true
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if err := r.look(ctx, id); err != nil {
			return err
		}
	}
	for _, t := range r.tasks {
		r.plan.add(t)
	}
	return r.s.keep(ctx, r.plan)
}

// look says what is to be done with one dialogue. One of which the user holds
// nothing, and that no earlier run planned, is left alone.
func (r *userEraser) look(ctx context.Context, id string) error {
	status, err := r.s.ring.Status(ctx, id)
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return err
	}
	t := task{dialogue: blue.DialogueID(id), wraps: status.Wraps(r.report.User)}
	users, begun := status.Users(), status.State == stateErasing || status.State == stateErased
	held, toErase := len(t.wraps) > 0, slices.Contains(r.plan.erase, id)
	if !held && !toErase && !slices.Contains(r.plan.revoke, id) {
		return nil
	}
	t.alone = begun && (held || toErase) || held && len(users) == 1
	// The wraps go first; a rotation may be left that a holder can finish.
	t.take = !t.alone && (held || len(status.Versions) > 1 && slices.Contains(users, r.s.user))
	if !t.alone && held && r.report.User == r.s.user {
		return fmt.Errorf("%w: user %s shares dialogue %s with others: let another who holds it take it from them", blue.ErrRefused, r.s.user, id)
	}
	r.tasks = append(r.tasks, t)
	return nil
}

// intend stores the event of what is to be done.
func (r *userEraser) intend(ctx context.Context) error {
	planned := UserErasure{}
	for _, t := range r.tasks {
		planned.add(t, Erasure{Dialogue: t.dialogue})
	}
	planned.addHashes(r.plan.hashes)
	return r.o.note(ctx, audit.Intent, func(to *audit.Event) { list(to, append([]audit.Item{{SK: r.name}}, planned.items()...)) })
}

func (r *userEraser) do(ctx context.Context, t task) error {
	var done Erasure
	var err error
	switch {
	case t.alone:
		done, err = r.s.erase(ctx, t.dialogue)
	case t.take:
		_, err = r.s.rotate(ctx, string(t.dialogue), r.report.User)
	}
	if err == nil {
		r.report.add(t, done)
	}
	return err
}

func (u *UserErasure) add(t task, done Erasure) {
	if t.alone {
		u.Erased = append(u.Erased, done)
		return
	}
	u.Revoked = append(u.Revoked, t.dialogue)
	u.addHashes(t.wraps)
}

// addHashes adds fingerprints of wraps, each once.
func (u *UserErasure) addHashes(hashes []string) {
	for _, hash := range hashes {
		if !slices.Contains(u.Wraps, hash) {
			u.Wraps = append(u.Wraps, hash)
		}
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
