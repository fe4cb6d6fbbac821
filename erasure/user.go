package erasure

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
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// A UserReport says what was erased of a user, by one run and the runs before it
// that did not finish.
type UserReport struct {
	User      string            `json:"user"`
	Erased    []DialogueReport  `json:"erased"`       // dialogues that the user held alone
	Revoked   []blue.DialogueID `json:"revoked"`      // dialogues that other users hold too
	Wraps     []string          `json:"wraps"`        // SHA-256 of the user's wrapped keys of those, and of their own stored key, 64 hex digits
	Items     int64             `json:"items"`        // stored records of Erased, with meta
	Digest    string            `json:"items_digest"` // over the digests of Erased, 64 hex digits; "" if Erased is empty
	StartedAt string            `json:"started_at"`   // of the first run
	Event     Event             `json:"event"`        // of the outcome
}

// A userErasure is one run. Its steps:
//
//	plan            what will be done, stored in table Keys (plan.go)
//	erase intent    the event
//	each dialogue   erased, or revoked
//	EraseKEK        deletes the user's own key
//	scrub           removes deleted bytes from the files of the store
//	erase success   the event, with all that this run and earlier runs did
//	certificate     Service.User: signed and delivered
//	forget          deletes the user's name and the plan in one commit, then scrub
//
// If a run is stopped before the last commit, the same run again finishes it.
// One gap remains: if the name is forgotten between two runs
// (audit.Directory.Forget), the plan is not found any more. Then only the
// intents in the log say what was done before.
type userErasure struct {
	s         *seal.Store
	directory *audit.Directory // nil if the log has none
	user      string
	o         *seal.Operation
	trace     userTrace
	tasks     []task
	report    UserReport
}

// A task is what must be done with one dialogue.
type task struct {
	dialogue  blue.DialogueID
	erase     bool     // erase the whole dialogue
	revoke    bool     // other users keep it, and the user must be revoked
	wraps     []string // of the user
	hasStrays bool     // some wraps are stored where no wrap is put
}

// A userTrace is what is known of a user in addition to the keys of dialogues.
type userTrace struct {
	names  []string  // in the directory
	stored []string  // SHA-256 of each key that the provider stores for the user, 64 hex digits
	plan   *userPlan // of earlier runs; without a key if the log has no name for the user yet
}

func (r *userErasure) run(ctx context.Context, o *seal.Operation, dialogues iter.Seq2[blue.DialogueID, error]) error {
	r.o = o
	if err := r.prepare(ctx, dialogues); err != nil {
		return err
	}
	plan := r.trace.plan
	if err := r.recordIntent(ctx); err != nil {
		return err
	}
	o.Started = true
	var errs []error
	for _, t := range r.tasks {
		errs = append(errs, r.do(ctx, t))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if keks := kekEraser(r.s); keks != nil {
		if err := keks.EraseKEK(ctx, r.user); err != nil {
			return err
		}
	}
	if err := scrub(ctx, r.s.Records); err != nil {
		return err
	}
	r.report.addWraps(plan.hashes)
	r.report.StartedAt = plan.stored[attrCreated].Str()
	digest, err := r.report.sumUp()
	if err != nil {
		return err
	}
	said := r.report.event()
	said.records, said.begun, said.hasName = r.report.Items, r.report.StartedAt, r.directory != nil
	stored, err := o.Conclude(ctx, func(to *audit.Event) {
		said.write(to)
		to.ItemsDigest = digest
	})
	r.report.Event = placeOf(&stored)
	return err
}

// kekEraser returns the provider if it stores a key for each user, else nil.
func kekEraser(s *seal.Store) keys.KEKEraser {
	keks, _ := s.Provider.(keys.KEKEraser)
	return keks
}

// prepare finds what the user holds and stores the plan. The error is
// blue.ErrNotFound if nothing is known of the user.
func (r *userErasure) prepare(ctx context.Context, dialogues iter.Seq2[blue.DialogueID, error]) (err error) {
	if r.trace, err = r.readTrace(ctx); err != nil {
		return err
	}
	plan := r.trace.plan
	found := map[string]bool{}
	for _, id := range plan.dialogues() {
		found[id] = true
	}
	for id, err := range dialogues {
		if err != nil {
			return err
		}
		found[string(id)] = true
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		t, isConcerned, err := r.taskOf(ctx, id)
		if err != nil {
			return err
		}
		if isConcerned {
			r.tasks = append(r.tasks, t)
		}
	}
	if len(r.tasks) == 0 && len(r.trace.names) == 0 && len(r.trace.stored) == 0 && plan.stored == nil {
		if err := scrub(ctx, r.s.Records); err != nil { // an earlier run was stopped before its last step
			return err
		}
		return fmt.Errorf("%w: nothing here is theirs: they are not known, or were erased already", blue.ErrNotFound)
	}
	if plan.key.Item == "" {
		if err := r.findPlan(ctx, plan); err != nil {
			return err
		}
	}
	for _, t := range r.tasks {
		plan.add(t)
	}
	if kekEraser(r.s) != nil {
		plan.hashes = append(plan.hashes, r.trace.stored...)
	}
	return plan.store(ctx, r.s.Records, r.s.Now())
}

// readTrace looks for a user. It makes no record, and no name in the directory.
func (r *userErasure) readTrace(ctx context.Context) (userTrace, error) {
	t := userTrace{plan: &userPlan{}}
	var err error
	if r.directory != nil {
		if t.names, err = r.directory.NamesOf(ctx, r.user); err != nil {
			return t, err
		}
	}
	if t.stored, err = r.s.Ring.StoredKeyHashes(ctx, r.user); err != nil {
		return t, err
	}
	if r.directory == nil || slices.Contains(t.names, r.user) {
		err = r.findPlan(ctx, t.plan)
	}
	return t, err
}

// findPlan reads the stored plan by the user's name in the log. It makes that
// name if there is none.
func (r *userErasure) findPlan(ctx context.Context, into *userPlan) error {
	name, err := r.s.Log.Name(ctx, r.user)
	if err != nil {
		return err
	}
	stored, err := readPlan(ctx, r.s.Records, name)
	if err == nil {
		*into = *stored
	}
	return err
}

// taskOf says what must be done with one dialogue:
//
//	being erased or erased, and held or to be erased     erase it
//	held by the user alone                               erase it
//	held by other users too                              revoke the user
//	planned, no longer held, held by other users         finish the rotation, if possible
//
// A dialogue that the user does not hold, and that no earlier run planned, is
// not concerned.
func (r *userErasure) taskOf(ctx context.Context, id string) (t task, isConcerned bool, err error) {
	status, err := r.s.Ring.Status(ctx, id)
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return task{}, false, err
	}
	plan, holders, strays := r.trace.plan, status.Users(), status.StraysOf(r.user)
	t = task{dialogue: blue.DialogueID(id), wraps: append(status.WrapsOf(r.user), strays...), hasStrays: len(strays) > 0}
	var (
		isHeld      = len(t.wraps) > 0
		isShared    = slices.ContainsFunc(holders, func(holder string) bool { return holder != r.user })
		isErased    = status.State == seal.StateErasing || status.State == seal.StateErased
		toErase     = slices.Contains(plan.erase, id)
		toRevoke    = slices.Contains(plan.revoke, id)
		isResumable = len(status.Versions) > 1 && slices.Contains(holders, r.s.User) // a rotation that was stopped
	)
	if !isHeld && !toErase && !toRevoke {
		return task{}, false, nil
	}
	if isErased {
		t.erase = isHeld || toErase
	} else {
		t.erase = isHeld && !isShared
	}
	t.revoke = !t.erase && (isHeld || isResumable)
	if isHeld && !t.erase && r.user == r.s.User {
		return task{}, false, fmt.Errorf("%w: user %s shares dialogue %s with others: let another who holds it take it from them", blue.ErrRefused, r.user, id)
	}
	return t, true, nil
}

// recordIntent stores the event of what is to be done.
func (r *userErasure) recordIntent(ctx context.Context) error {
	planned := UserReport{}
	for _, t := range r.tasks {
		planned.add(t, DialogueReport{Dialogue: t.dialogue})
	}
	planned.addWraps(r.trace.plan.hashes)
	said := planned.event()
	said.user = r.trace.plan.key.Item
	return r.o.Record(ctx, audit.Intent, said.write)
}

// maxChecks is how often a task is determined again because other users were
// granted access to its dialogue.
const maxChecks = 4

// do does a task. If another user was granted access to the dialogue since, the
// dialogue is not erased, and the task is determined again.
func (r *userErasure) do(ctx context.Context, t task) error {
	for range maxChecks {
		done, err := r.try(ctx, t)
		if err == nil {
			r.report.add(t, done)
		}
		if !errors.Is(err, keys.ErrShared) {
			return err
		}
		if t, _, err = r.taskOf(ctx, string(t.dialogue)); err != nil {
			return err
		}
		r.trace.plan.add(t)
		if err := r.trace.plan.store(ctx, r.s.Records, r.s.Now()); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: other users were granted access to dialogue %s %d times; run it again", blue.ErrBusy, t.dialogue, maxChecks)
}

func (r *userErasure) try(ctx context.Context, t task) (done DialogueReport, err error) {
	if t.erase {
		return eraseDialogue(ctx, r.s, t.dialogue, r.user)
	}
	if t.hasStrays {
		if err := r.s.Ring.DeleteStrays(ctx, string(t.dialogue), r.user); err != nil {
			return done, err
		}
	}
	if t.revoke {
		_, err = r.s.Rotate(ctx, string(t.dialogue), r.user)
	}
	return done, err
}

func (u *UserReport) add(t task, done DialogueReport) {
	if t.erase {
		u.Erased = append(u.Erased, done)
		return
	}
	u.Revoked = append(u.Revoked, t.dialogue)
	u.addWraps(t.wraps)
}

// addWraps adds fingerprints of wraps, each once.
func (u *UserReport) addWraps(hashes []string) {
	for _, hash := range hashes {
		if !slices.Contains(u.Wraps, hash) {
			u.Wraps = append(u.Wraps, hash)
		}
	}
}

// sumUp sets Items and Digest from the tombstones of the erased dialogues, and
// returns the bytes of Digest:
//
//	SHA-256( LP(dialogue id) ‖ items_digest, of each dialogue, ascending by id )
func (u *UserReport) sumUp() (digest []byte, err error) {
	u.Items, u.Digest = 0, ""
	if len(u.Erased) == 0 {
		return nil, nil
	}
	all := slices.SortedFunc(slices.Values(u.Erased), func(a, b DialogueReport) int { return strings.Compare(string(a.Dialogue), string(b.Dialogue)) })
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

// event returns what the events of intent and outcome have in common.
func (u *UserReport) event() userEvent {
	said := userEvent{wraps: u.Wraps}
	for _, e := range u.Erased {
		said.erased = append(said.erased, string(e.Dialogue))
	}
	for _, id := range u.Revoked {
		said.revoked = append(said.revoked, string(id))
	}
	return said
}

// forgetUser deletes the user's names in the directory, and with the last name
// the plan. Then it scrubs the files of the store. The error is blue.ErrNotFound
// if no erasure was begun or the user is forgotten already, and blue.ErrConflict
// if the erasure is not finished.
func (r *userErasure) forgetUser(ctx context.Context) (err error) {
	if r.trace, err = r.readTrace(ctx); err != nil {
		return err
	}
	if r.trace.plan.stored == nil {
		return fmt.Errorf("%w: no erasure of them was begun, or they are forgotten", blue.ErrNotFound)
	}
	if err := r.checkFinished(ctx); err != nil {
		return err
	}
	for _, name := range r.trace.names {
		if name == r.user {
			continue // deleted together with the plan, which is found by this name
		}
		if err := r.directory.Forget(ctx, name); err != nil && !errors.Is(err, blue.ErrNotFound) {
			return err
		}
	}
	if err := r.deletePlan(ctx); err != nil {
		return err
	}
	if err := scrub(ctx, r.s.Records); err != nil {
		return fmt.Errorf("their name is deleted, and its bytes may still be in the store's files: %w", err)
	}
	return nil
}

// checkFinished returns blue.ErrConflict if something of the plan is not done.
func (r *userErasure) checkFinished(ctx context.Context) error {
	plan := r.trace.plan
	for _, id := range plan.dialogues() {
		status, err := r.s.Ring.Status(ctx, id)
		if err != nil && !errors.Is(err, blue.ErrNotFound) {
			return err
		}
		isErased := status.State == seal.StateErased && len(status.Fingerprints()) == 0
		isHeld := len(status.WrapsOf(r.user))+len(status.StraysOf(r.user)) > 0
		if isHeld || !isErased && slices.Contains(plan.erase, id) {
			return fmt.Errorf("%w: their erasure is not finished: dialogue %s", blue.ErrConflict, id)
		}
	}
	if len(r.trace.stored) > 0 && kekEraser(r.s) != nil {
		return fmt.Errorf("%w: their erasure is not finished: their own key is stored", blue.ErrConflict)
	}
	return nil
}

// deletePlan deletes the plan and, in the same commit, the record that links the
// user's name to their pseudonym. Only that record leads to the plan.
func (r *userErasure) deletePlan(ctx context.Context) error {
	plan := r.trace.plan
	removal := record.Write{Table: record.Keys, Record: record.Record{Key: plan.key}, Prev: plan.stored}
	if r.directory != nil {
		if err := r.directory.Forget(ctx, r.user, removal); !errors.Is(err, blue.ErrNotFound) {
			return err
		}
	}
	err := r.s.Records.Commit(ctx, []record.Write{removal})
	if errors.Is(err, blue.ErrConflict) {
		if _, gone := r.s.Records.Get(ctx, record.Keys, plan.key); errors.Is(gone, blue.ErrNotFound) {
			return nil // another run of the same erasure was first
		}
	}
	return err
}
