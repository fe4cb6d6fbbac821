package erasure

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// A UserReport reports the erasure of a user by one run and the unfinished runs
// before it.
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
//	plan            what will be done, stored in table Keys (records.go)
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
// intents in the log describe the earlier runs.
type userErasure struct {
	s         *seal.Sealer
	directory *audit.Directory // nil if the log has none
	user      string
	o         *seal.Operation
	names     []string  // of the user in the directory
	stored    []string  // SHA-256 of each key that the provider stores for the user, 64 hex digits
	plan      *userPlan // of this run and earlier ones; without a key if the log has no name for the user yet
	report    UserReport
}

// A task is the work on one dialogue.
type task struct {
	dialogue  blue.DialogueID
	erase     bool     // erase the whole dialogue
	revoke    bool     // other users keep it, and the user must be revoked
	wraps     []string // of the user
	hasStrays bool     // some wraps are stored where no wrap is put
}

func (r *userErasure) run(ctx context.Context, o *seal.Operation, dialogues iter.Seq2[blue.DialogueID, error]) error {
	r.o = o
	tasks, err := r.prepare(ctx, dialogues)
	if err != nil {
		return err
	}
	if err := o.Record(ctx, audit.Intent, r.plan.event(r.plan.key.Item).write); err != nil {
		return err
	}
	o.Started = true
	var errs []error
	for _, t := range tasks {
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
	if err := scrubErased(ctx, r.s.Records); err != nil {
		return err
	}
	for _, id := range r.plan.revoke {
		r.report.Revoked = append(r.report.Revoked, blue.DialogueID(id))
	}
	r.report.Wraps, r.report.StartedAt = r.plan.hashes, r.plan.stored[attrCreated].Str()
	digest, err := r.report.sumUp()
	if err != nil {
		return err
	}
	said := r.plan.event("")
	said.records, said.begun, said.hasName = r.report.Items, r.report.StartedAt, r.directory != nil
	stored, err := o.Conclude(ctx, func(to *audit.Event) {
		said.write(to)
		to.ItemsDigest = digest
	})
	r.report.Event = placeOf(&stored)
	return err
}

// kekEraser returns the provider if it stores a key for each user, else nil.
func kekEraser(s *seal.Sealer) keys.KEKEraser {
	keks, _ := s.Provider.(keys.KEKEraser)
	return keks
}

// prepare determines the tasks and stores the plan. The error is
// blue.ErrNotFound if nothing is known of the user.
func (r *userErasure) prepare(ctx context.Context, dialogues iter.Seq2[blue.DialogueID, error]) (tasks []task, err error) {
	if err := r.find(ctx); err != nil {
		return nil, err
	}
	ids := r.plan.dialogues()
	for id, err := range dialogues {
		if err != nil {
			return nil, err
		}
		ids = append(ids, string(id))
	}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		t, isConcerned, err := r.taskOf(ctx, id)
		if err != nil {
			return nil, err
		}
		if isConcerned {
			tasks = append(tasks, t)
		}
	}
	if len(tasks) == 0 && len(r.names) == 0 && len(r.stored) == 0 && r.plan.stored == nil {
		if err := scrubErased(ctx, r.s.Records); err != nil { // an earlier run was stopped before its last step
			return nil, err
		}
		return nil, fmt.Errorf("%w: nothing here is theirs: they are not known, or were erased already", blue.ErrNotFound)
	}
	if r.plan.key.Item == "" {
		if err := r.readPlan(ctx); err != nil {
			return nil, err
		}
	}
	for _, t := range tasks {
		r.plan.add(t)
	}
	if kekEraser(r.s) != nil {
		r.plan.hashes = append(r.plan.hashes, r.stored...)
	}
	return tasks, r.plan.store(ctx, r.s.Records, r.s.Now())
}

// find looks for the user's names, stored keys and plan. It makes no record, and
// no name in the directory.
func (r *userErasure) find(ctx context.Context) (err error) {
	r.plan = &userPlan{}
	if r.directory != nil {
		if r.names, err = r.directory.NamesOf(ctx, r.user); err != nil {
			return err
		}
	}
	if r.stored, err = r.s.Ring.StoredKeyHashes(ctx, r.user); err != nil {
		return err
	}
	if r.directory == nil || slices.Contains(r.names, r.user) {
		return r.readPlan(ctx)
	}
	return nil
}

// readPlan reads the stored plan by the user's name in the log. It makes that
// name if there is none.
func (r *userErasure) readPlan(ctx context.Context) error {
	name, err := r.s.Log.Name(ctx, r.user)
	if err == nil {
		r.plan, err = readPlan(ctx, r.s.Records, name)
	}
	return err
}

// taskOf returns the task of one dialogue:
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
	plan, holders, strays := r.plan, status.Users(), status.StraysOf(r.user)
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
	if t.erase = isHeld && !isShared; isErased {
		t.erase = isHeld || toErase
	}
	t.revoke = !t.erase && (isHeld || isResumable)
	if isHeld && !t.erase && r.user == r.s.User {
		return task{}, false, fmt.Errorf("%w: user %s shares dialogue %s with others: let another who holds it take it from them", blue.ErrRefused, r.user, id)
	}
	return t, true, nil
}

// maxChecks is how often a task is determined again because other users were
// granted access to its dialogue.
const maxChecks = 4

// do does a task. If another user was granted access to the dialogue since, the
// dialogue is not erased, and the task is determined again.
func (r *userErasure) do(ctx context.Context, t task) error {
	for range maxChecks {
		err := r.try(ctx, t)
		if !errors.Is(err, keys.ErrShared) {
			return err
		}
		if t, _, err = r.taskOf(ctx, string(t.dialogue)); err != nil {
			return err
		}
		r.plan.add(t)
		if err := r.plan.store(ctx, r.s.Records, r.s.Now()); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: other users were granted access to dialogue %s %d times; run it again", blue.ErrBusy, t.dialogue, maxChecks)
}

func (r *userErasure) try(ctx context.Context, t task) error {
	if t.erase {
		done, err := eraseDialogue(ctx, r.s, t.dialogue, r.user)
		if err == nil {
			r.report.Erased = append(r.report.Erased, done)
		}
		return err
	}
	if t.hasStrays {
		if err := r.s.Ring.DeleteStrays(ctx, string(t.dialogue), r.user); err != nil {
			return err
		}
	}
	if t.revoke {
		_, err := r.s.Rotate(ctx, string(t.dialogue), r.user)
		return err
	}
	return nil
}

// sumUp sets Items and Digest from the tombstones of the erased dialogues, and
// returns the bytes of Digest:
//
//	SHA-256( LP(dialogue id) ‖ items_digest, of each dialogue, ascending by id, as they were erased )
func (u *UserReport) sumUp() (digest []byte, err error) {
	if len(u.Erased) == 0 {
		return nil, nil
	}
	h := sha256.New()
	for _, e := range u.Erased {
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

// forgetUser deletes the user's names in the directory, and with the last name
// the plan. Then it scrubs the files of the store. The error is blue.ErrNotFound
// if no erasure was begun or the user is forgotten already, and blue.ErrConflict
// if the erasure is not finished.
func (r *userErasure) forgetUser(ctx context.Context) error {
	if err := r.find(ctx); err != nil {
		return err
	}
	if r.plan.stored == nil {
		return fmt.Errorf("%w: no erasure of them was begun, or they are forgotten", blue.ErrNotFound)
	}
	if err := r.checkFinished(ctx); err != nil {
		return err
	}
	for _, name := range r.names {
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
	if err := scrubErased(ctx, r.s.Records); err != nil {
		return fmt.Errorf("their name is deleted, and its bytes may still be in the store's files: %w", err)
	}
	return nil
}

// checkFinished returns blue.ErrConflict if something of the plan is not done.
func (r *userErasure) checkFinished(ctx context.Context) error {
	for _, id := range r.plan.dialogues() {
		status, err := r.s.Ring.Status(ctx, id)
		if err != nil && !errors.Is(err, blue.ErrNotFound) {
			return err
		}
		isErased := status.State == seal.StateErased && len(status.Fingerprints()) == 0
		isHeld := len(status.WrapsOf(r.user))+len(status.StraysOf(r.user)) > 0
		if isHeld || !isErased && slices.Contains(r.plan.erase, id) {
			return fmt.Errorf("%w: their erasure is not finished: dialogue %s", blue.ErrConflict, id)
		}
	}
	if len(r.stored) > 0 && kekEraser(r.s) != nil {
		return fmt.Errorf("%w: their erasure is not finished: their own key is stored", blue.ErrConflict)
	}
	return nil
}

// deletePlan deletes the plan and, in the same commit, the record that links the
// user's name to their pseudonym. Only that record leads to the plan.
func (r *userErasure) deletePlan(ctx context.Context) error {
	plan := r.plan
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
