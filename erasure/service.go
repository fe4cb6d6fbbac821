// Package erasure erases dialogues and users for good and certifies it.
//
// A Service erases, signs a certificate, and erases again what a restored backup
// brought back. A Notary issues, verifies and finalizes certificates, for which
// it needs no key of a dialogue. The keys of a dialogue are deleted by package
// keys. The audit log and its proofs are in packages audit, audit/auditor and
// audit/checkpoint. A record.Inventory lists the copies that a backend knows of.
//
// An erasure leaves a tombstone and an entry in the registry. A plan in the key
// table lets a later run continue the erasure of a user.
//
// # Certificate
//
// A certificate is a C2SP signed note (c2sp.org/signed-note) by the key that
// signs checkpoints. Its text is one JSON object, indented by two spaces, with
// all members in the order of Certificate. Nothing else is accepted:
//
//	{
//	  "format": "blue-encrypted-store/erasure/v1",
//	  "subject": {
//	    "kind": "dialogue",
//	    "id": "which-cache"
//	  },
//	  …
//	}
//
//	— blue-audit Az3grlgtzPICa5OS8npVmf1…=
//
// # Pending and final
//
// A certificate is pending until no copy that the store knows of can bring the
// erased data back: until final_not_before, and as long as the store that it was
// issued in lists a copy without an end, such as an on-demand backup. Another
// store with the same records does not make it final. Places that the store
// cannot see, such as backups of files, are listed as not covered, and a final
// certificate says nothing about them. Nothing is claimed about bytes on
// physical media (NIST SP 800-88r2 calls this cryptographic erase).
package erasure

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/keys"
)

// The errors of Service that say how far an erasure came. They are joined with
// the cause.
var (
	// ErrNoCertificate reports that everything is erased, and that the
	// certificate was not issued or not delivered. The same call again does both.
	ErrNoCertificate = errors.New("the erasure is done, and has no certificate")
	// ErrNotForgotten reports that a user is erased and the certificate delivered,
	// and that the user's name is not deleted. The same call again continues.
	ErrNotForgotten = errors.New("the certificate holds once the name is gone")
)

// Options configure a Service.
type Options struct {
	// Notary returns the notary of the same store. It is called when something
	// is to be certified, after the erasure.
	Notary func(context.Context) (*Notary, error)
	// Progress reports the verification of the audit log, which is needed if the
	// process that erased a dialogue was killed. It can be nil.
	Progress func(auditor.Progress)
}

// A Service erases dialogues and users of one store. Its methods keep the order
// of the steps, so that callers only print results. All methods may be called
// concurrently.
type Service struct {
	seal *seal.Sealer
	opts Options
}

// New returns a Service for a store.
func New(store *encrypted.Store, opts Options) *Service {
	return &Service{seal: seal.Of(store), opts: opts}
}

// A Result reports an erasure and proves it. With an error it reports the part
// that is done.
type Result struct {
	Dialogue    *DialogueReport // nil for a user
	User        *UserReport     // nil for a dialogue
	Certificate Certificate
	Note        string // the signed certificate
}

// Dialogue erases a dialogue for good: its wrapped keys, then its items. The
// tombstone, the audit log and an entry in the registry of erasures remain.
// Afterwards every use of the dialogue is blue.ErrErased, and its id is never
// used again. No key is needed. If it is stopped, the same call continues. If
// the dialogue is erased already, it returns a new certificate. Copies in other
// places are not reached. The certificate lists them.
//
// Dialogue calls deliver with the result, which must store Result.Note.
//
// The error is blue.ErrNotFound if the dialogue never existed, blue.ErrBusy if
// other writers or readers were in the way, blue.ErrAudit, blue.ErrInvalid,
// ErrNoCertificate with its cause, or an error of the record store.
func (s *Service) Dialogue(ctx context.Context, id blue.DialogueID, deliver func(Result) error) (Result, error) {
	report, err := eraseDialogue(ctx, s.seal, id, "")
	result := Result{Dialogue: &report}
	if err == nil {
		err = s.certify(ctx, &result, Subject{KindDialogue, string(id)}, report.Event, deliver)
	}
	return result, err
}

// User erases a user: dialogues that the user holds alone are erased, access to
// dialogues that other users hold too is revoked (encrypted.Store.Revoke), and
// the user's own key is deleted if the provider stores one. Then User issues a
// certificate and calls deliver, which must store Result.Note before it returns.
// Last it deletes the user's name in the directory.
//
// Nothing is done if part of it would be refused. After an error in one dialogue
// User continues with the others, keeps the user's own key, and returns all
// errors joined. If it is stopped, the same call continues, and the certificate
// names everything. The event of the outcome does not name the user.
//
// The error is blue.ErrNotFound, with nothing written, if nothing is known of
// the user. It is blue.ErrRefused if the store's own user shares a dialogue,
// because another holder must revoke it, and blue.ErrTooLarge if the plan is too
// large, because single dialogues must be erased first. It is ErrNoCertificate
// or ErrNotForgotten with its cause. Other errors come from Dialogue and
// encrypted.Store.Revoke.
func (s *Service) User(ctx context.Context, user string, deliver func(Result) error) (Result, error) {
	report, err := s.eraseUser(ctx, user, dialoguesOf(ctx, s.seal.Records))
	result := Result{User: &report}
	if err == nil {
		err = s.certify(ctx, &result, Subject{KindUser, user}, report.Event, deliver)
	}
	if err != nil {
		return result, err
	}
	if err := s.forgetUser(ctx, user); err != nil {
		return result, fmt.Errorf("%w: %w", ErrNotForgotten, err)
	}
	return result, nil
}

// eraseUser does all of User up to the event of the outcome. dialogues are those
// that the user may hold, because table Keys has no list by user.
func (s *Service) eraseUser(ctx context.Context, user string, dialogues iter.Seq2[blue.DialogueID, error]) (UserReport, error) {
	r := &userErasure{s: s.seal, directory: s.seal.Log.Directory(), user: user, report: UserReport{User: user}}
	if err := keys.CheckUser(user); err != nil {
		return r.report, err
	}
	err := s.seal.Run(ctx, "erase_user", audit.Erase, "", func(ctx context.Context, o *seal.Operation) error { return r.run(ctx, o, dialogues) })
	if err != nil {
		err = fmt.Errorf("erasing user %s: %w", user, err)
	}
	return r.report, err
}

// forgetUser is the last step of User.
func (s *Service) forgetUser(ctx context.Context, user string) error {
	r := &userErasure{s: s.seal, directory: s.seal.Log.Directory(), user: user}
	if err := r.forgetUser(ctx); err != nil {
		return fmt.Errorf("forgetting user %s: %w", user, err)
	}
	return nil
}

// Replay erases again what the registry of erasures names. It must be called
// after a restore of the data, before the store is used. Dialogues that are
// still erased are returned with Already set. After an error Replay continues
// with the others and returns all errors joined.
func (s *Service) Replay(ctx context.Context) ([]DialogueReport, error) {
	entries, err := s.seal.Ring.Erasures(ctx)
	if err != nil {
		return nil, err
	}
	var all []DialogueReport
	var errs []error
	for _, entry := range entries {
		done, err := eraseDialogue(ctx, s.seal, blue.DialogueID(entry.Dialogue), "")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, done)
	}
	return all, errors.Join(errs...)
}

// certify issues the certificate of an erasure and delivers it.
func (s *Service) certify(ctx context.Context, result *Result, subject Subject, at Event, deliver func(Result) error) error {
	notary, err := s.opts.Notary(ctx)
	if err == nil {
		result.Note, err = s.issue(ctx, notary, subject, at)
	}
	if err == nil {
		result.Certificate, err = Open(result.Note, notary.Verifiers)
	}
	if err == nil {
		err = deliver(*result)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCertificate, err)
	}
	return nil
}

// issue signs a checkpoint over the event of the outcome, and the certificate.
func (s *Service) issue(ctx context.Context, notary *Notary, subject Subject, at Event) (string, error) {
	if err := s.seal.Log.Checkpoint(ctx); err != nil {
		return "", err
	}
	text, err := notary.Issue(ctx, subject, at)
	if errors.Is(err, blue.ErrNotFound) && subject.Kind == KindDialogue {
		// Another process erased the dialogue and was killed before it signed.
		if err = s.signTails(ctx, notary, subject.ID); err == nil {
			text, err = notary.Issue(ctx, subject, at)
		}
	}
	return text, err
}

// signTails verifies the audit log and then signs the unsigned ends of the
// chains that hold the outcome of a dialogue's erasure.
func (s *Service) signTails(ctx context.Context, notary *Notary, dialogue string) error {
	src := auditor.FromStore(s.seal.Records)
	report, unsigned, err := auditor.Unsigned(ctx, src, auditor.Options{Verifiers: notary.Verifiers, Anchors: s.seal.Log.Anchors(), Progress: s.opts.Progress})
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return err
	}
	for e, err := range auditor.Events(ctx, src, auditor.Filter{Dialogue: dialogue, Operation: audit.Erase, Outcome: audit.Success}) {
		if err != nil {
			return err
		}
		i := slices.IndexFunc(unsigned, func(t auditor.Tail) bool { return t.Chain == e.Chain })
		if i < 0 {
			continue
		}
		note, err := auditor.SignTail(ctx, src, unsigned[i], notary.Signer)
		if err == nil {
			err = audit.PutCheckpoint(ctx, s.seal.Records, s.seal.Log.Anchors(), e.Chain, unsigned[i].Events, note)
		}
		if err != nil {
			return err
		}
		unsigned = slices.Delete(unsigned, i, i+1)
	}
	return nil
}
