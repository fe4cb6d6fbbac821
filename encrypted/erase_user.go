package encrypted

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/keys"
)

// UserErasure says what EraseUser did, in this run and in those before it that
// did not finish.
type UserErasure struct {
	User      string            `json:"user"`
	Erased    []Erasure         `json:"erased"`       // dialogues that the user held alone
	Revoked   []blue.DialogueID `json:"revoked"`      // dialogues that others hold too
	Wraps     []string          `json:"wraps"`        // SHA-256 of the user's wrapped keys of those, and of their own stored key, 64 hex digits
	Items     int64             `json:"items"`        // stored records of Erased, meta included
	Digest    string            `json:"items_digest"` // over theirs, as count draws it, 64 hex digits; "" where none was
	StartedAt string            `json:"started_at"`   // of the first of these runs
	Event     EventPlace        `json:"event"`        // of the outcome
}

// The item names in the events of intent and outcome: what becomes of each
// dialogue. The intent also names the user, as the log calls them. The
// items_digest of the outcome is UserErasure.Digest.
const (
	ErasedItem  = "erased#"  // then the dialogue's id
	RevokedItem = "revoked#" // then the dialogue's id
	WrapItem    = "wrap#"    // then 64 hex digits of UserErasure.Wraps
	RecordsItem = "records#" // then UserErasure.Items, decimal; of the outcome alone
	BegunItem   = "begun#"   // then UserErasure.StartedAt; of the outcome alone
	NameItem    = "name"     // the user's record in the directory; of the outcome alone
)

// EraseUser takes a user out of the store: what they hold alone is erased, what
// others hold too is taken from them (Revoke), then their own key is deleted
// where the provider stores one. What is left is their name in the directory,
// which ForgetUser deletes once the report, and the certificate that is made of
// it, are where they belong. dialogues are those to look at, whose keys tell;
// the table of keys has no list by user. directory is that of the same store and
// of its log; nil where there is none.
//
// Nothing is done if something of it is refused. After an error in one dialogue
// it goes on, returns the errors joined, and leaves the user's own key: run it
// again. The event of the outcome does not name the user. Its order:
//
//	plan            what will be done, kept in the table of keys (erase_plan.go)
//	erase intent    the event
//	each dialogue   Erase or Revoke
//	EraseKEK        the user's own key
//	scrub           the store's files, where deleted bytes stay in them
//	erase success   the event, with all that this run and those before it did
//	                the caller: checkpoint, erasure.Notary.Issue, deliver it
//	ForgetUser      the user's name and the plan, in one commit; then scrub
//
// Stopped anywhere before that last commit, the same two calls again finish: the
// report and the event of the last run name everything. Afterwards EraseUser
// scrubs, and is ErrNotFound. One gap is left: where the name was forgotten
// between two runs (audit.Directory.Forget), the plan stays and is not found: of
// what was done before, the intents in the log tell.
//
// Errors: ErrNotFound, with no record written, for a user of whom nothing is
// known: no wrap in any of the dialogues, no stored key, no plan, no name in the
// directory. As of Erase and Revoke. ErrRefused where the store's own user shares
// a dialogue: let another who holds it do so. ErrTooLarge for more dialogues than
// a plan holds: erase some of them first.
func (e *EncryptedStore[S, K]) EraseUser(ctx context.Context, user string, dialogues iter.Seq2[blue.DialogueID, error], directory *audit.Directory) (UserErasure, error) {
	r := &userEraser{s: e.sealing, directory: directory, report: UserErasure{User: user}}
	if err := keys.CheckUser(user); err != nil {
		return r.report, err
	}
	ctx, r.o = r.s.operate(ctx, "erase_user", audit.Erase, "")
	err := r.o.end(ctx, r.all(ctx, dialogues))
	if err != nil {
		err = fmt.Errorf("erasing user %s: %w", user, err)
	}
	return r.report, err
}

// userEraser is one run.
type userEraser struct {
	s         *sealing
	o         *operation
	directory *audit.Directory // nil where there is none
	trace     userTrace
	tasks     []task
	report    UserErasure
}

// task is what is to be done with one dialogue.
type task struct {
	dialogue blue.DialogueID
	alone    bool     // it goes as a whole
	take     bool     // others keep it, and something is left to be done
	wraps    []string // of the user
	strays   bool     // some of these lie where no wrap is put
}

func (r *userEraser) all(ctx context.Context, dialogues iter.Seq2[blue.DialogueID, error]) error {
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
	if err := r.s.scrub(ctx); err != nil {
		return err
	}
	r.report.addHashes(r.trace.plan.hashes)
	r.report.StartedAt = r.trace.plan.begun()
	digest, err := r.report.count()
	if err != nil {
		return err
	}
	r.report.Event, err = r.o.outcome(ctx, func(to *audit.Event) {
		list(to, append(r.report.items(), r.marks()...))
		to.ItemsDigest = digest
	})
	return err
}

// prepare looks for the user, in the dialogues and elsewhere, and keeps the plan
// of what will be done.
func (r *userEraser) prepare(ctx context.Context, dialogues iter.Seq2[blue.DialogueID, error]) (err error) {
	if r.trace, err = r.s.traceOf(ctx, r.report.User, r.directory); err != nil {
		return err
	}
	plan := r.trace.plan
	found := map[string]bool{}
	for _, id := range slices.Concat(plan.erase, plan.revoke) {
		found[id] = true
	}
	for id, err := range dialogues {
		if err != nil {
			return err
		}
		found[string(id)] = true
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		t, concerned, err := r.look(ctx, id)
		if err != nil {
			return err
		}
		if concerned {
			r.tasks = append(r.tasks, t)
		}
	}
	if len(r.tasks) == 0 && !r.trace.any() {
		if err := r.s.scrub(ctx); err != nil { // an earlier run was stopped before its last step
			return err
		}
		return fmt.Errorf("%w: nothing here is theirs: they are not known, or were erased already", blue.ErrNotFound)
	}
	if plan.key.Item == "" {
		if err := r.s.enter(ctx, plan, r.report.User); err != nil {
			return err
		}
	}
	for _, t := range r.tasks {
		plan.add(t)
	}
	if r.s.keks != nil {
		plan.hashes = append(plan.hashes, r.trace.stored...)
	}
	return r.s.keep(ctx, plan)
}

// look says what is to be done with one dialogue. One of which the user holds
// nothing, and that no earlier run planned, does not concern them:
//
//	erasing or erased, held or to be erased       it goes as a whole
//	held by the user alone                        it goes as a whole
//	held by others too                            it is taken from the user
//	planned, not held any more, others hold it    the rest of the rotation, if it can be done here
func (r *userEraser) look(ctx context.Context, id string) (t task, concerned bool, err error) {
	status, err := r.s.ring.Status(ctx, id)
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return task{}, false, err
	}
	user, plan := r.report.User, r.trace.plan
	strays := status.StraysOf(user)
	t = task{dialogue: blue.DialogueID(id), wraps: append(status.Wraps(user), strays...), strays: len(strays) > 0}
	holders := status.Users()
	var (
		held      = len(t.wraps) > 0
		shared    = slices.ContainsFunc(holders, func(holder string) bool { return holder != user })
		dying     = status.State == stateErasing || status.State == stateErased
		toErase   = slices.Contains(plan.erase, id)
		toRevoke  = slices.Contains(plan.revoke, id)
		resumable = len(status.Versions) > 1 && slices.Contains(holders, r.s.user) // a rotation that was stopped
	)
	if !held && !toErase && !toRevoke {
		return task{}, false, nil
	}
	switch {
	case dying:
		t.alone = held || toErase
	case held:
		t.alone = !shared
	}
	t.take = !t.alone && (held || resumable)
	if held && !t.alone && user == r.s.user {
		return task{}, false, fmt.Errorf("%w: user %s shares dialogue %s with others: let another who holds it take it from them", blue.ErrRefused, user, id)
	}
	return t, true, nil
}

// intend stores the event of what is to be done.
func (r *userEraser) intend(ctx context.Context) error {
	planned := UserErasure{}
	for _, t := range r.tasks {
		planned.add(t, Erasure{Dialogue: t.dialogue})
	}
	planned.addHashes(r.trace.plan.hashes)
	return r.o.note(ctx, audit.Intent, func(to *audit.Event) {
		list(to, append([]audit.Item{{SK: r.trace.plan.key.Item}}, planned.items()...))
	})
}

// maxLooks is how often a dialogue is looked at that others are let into
// meanwhile.
const maxLooks = 4

// do does a task. What another was let into since it was looked at is theirs,
// and is not erased: it is looked at again.
func (r *userEraser) do(ctx context.Context, t task) error {
	for range maxLooks {
		done, err := r.once(ctx, t)
		if err == nil {
			r.report.add(t, done)
		}
		if !errors.Is(err, keys.ErrShared) {
			return err
		}
		if t, _, err = r.look(ctx, string(t.dialogue)); err != nil {
			return err
		}
		r.trace.plan.add(t)
		if err := r.s.keep(ctx, r.trace.plan); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: others were let into dialogue %s %d times; run it again", blue.ErrBusy, t.dialogue, maxLooks)
}

func (r *userEraser) once(ctx context.Context, t task) (done Erasure, err error) {
	if t.alone {
		return r.s.erase(ctx, t.dialogue, r.report.User)
	}
	if t.strays {
		if err := r.s.ring.DropStrays(ctx, string(t.dialogue), r.report.User); err != nil {
			return Erasure{}, err
		}
	}
	if t.take {
		_, err = r.s.rotate(ctx, string(t.dialogue), r.report.User)
	}
	return Erasure{}, err
}

// marks are the items of the outcome beside what became of the dialogues.
func (r *userEraser) marks() []audit.Item {
	marks := []audit.Item{{SK: RecordsItem + strconv.FormatInt(r.report.Items, 10)}, {SK: BegunItem + r.report.StartedAt}}
	if r.directory != nil {
		marks = append(marks, audit.Item{SK: NameItem})
	}
	return marks
}

func (u *UserErasure) add(t task, done Erasure) {
	if t.alone {
		u.Erased = append(u.Erased, done)
		return
	}
	u.Revoked = append(u.Revoked, t.dialogue)
	u.addHashes(t.wraps)
}

// count sums up what the tombstones of the erased dialogues say. Its digest,
// which it returns in bytes too, is
//
//	SHA-256( LP(dialogue id) ‖ items_digest, of each, ascending by id )
func (u *UserErasure) count() (digest []byte, err error) {
	u.Items, u.Digest = 0, ""
	if len(u.Erased) == 0 {
		return nil, nil
	}
	all := slices.SortedFunc(slices.Values(u.Erased), func(a, b Erasure) int { return strings.Compare(string(a.Dialogue), string(b.Dialogue)) })
	h := sha256.New()
	for _, e := range all {
		one, err := hex.DecodeString(e.Digest)
		if err != nil {
			return nil, err
		}
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(e.Dialogue))))
		h.Write([]byte(e.Dialogue))
		h.Write(one)
		u.Items += e.Items
	}
	digest = h.Sum(nil)
	u.Digest = hex.EncodeToString(digest)
	return digest, nil
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
