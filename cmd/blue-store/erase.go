package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/keys"
)

// runsAlone marks a command that does something itself and has others below.
const runsAlone = "runs alone"

func eraseCommand(a *app) *cobra.Command {
	var user, confirm, output string
	c := &cobra.Command{
		Use:   "erase DIALOGUE",
		Short: "Destroy a dialogue, or a user, for good, and certify it",
		Long: "Destroys the wrapped keys of the dialogue first, so that nothing of it can be opened, then\n" +
			"its items, and leaves a tombstone: the id is never given again. It needs no key. Stopped\n" +
			"anywhere, the same command finishes; run once more, it gives the certificate again.\n\n" +
			"With --user: what that user holds alone is erased, what others hold too is taken from them,\n" +
			"then their own key goes, and when the certificate is written, their name in the audit log's\n" +
			"directory. Of a user of whom nothing is known, or who was erased already, exit 3 says so.\n\n" +
			"The certificate is signed with the audit log's key and lists the copies that could still bring\n" +
			"the keys back. It takes the name once more, typed on a terminal or as --confirm.",
		Example: "  blue-store erase which-cache\n" +
			"  blue-store erase which-cache --confirm which-cache --output which-cache.cert\n" +
			"  blue-store erase --user ada --confirm ada",
		Annotations: map[string]string{runsAlone: "yes"},
		Args:        cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			byUser := c.Flags().Changed("user")
			if byUser == (len(args) == 1) {
				return &usageError{"name one dialogue, or a user with --user", "blue-store erase DIALOGUE --confirm DIALOGUE"}
			}
			if c.Flags().Changed("output") {
				path, err := outputFile(output)
				if err != nil {
					return err
				}
				output = path
			}
			if byUser {
				return a.eraseUser(c.Context(), user, confirm, output)
			}
			return a.erase(c.Context(), args[0], confirm, output)
		},
	}
	f := c.Flags()
	f.StringVar(&user, "user", "", "erase this `USER` instead of a dialogue")
	f.StringVar(&confirm, "confirm", "", "the `NAME` of the dialogue or user once more, where nobody can be asked")
	f.StringVarP(&output, "output", "o", "", "`FILE` for the signed certificate; its text for people goes to FILE.txt")
	for _, add := range []func(*app) *cobra.Command{eraseReplayCommand, eraseVerifyCommand, eraseFinalizeCommand} {
		c.AddCommand(add(a))
	}
	return c
}

// eraseAnswer is what erase says, schema blue-store/erase@1.
type eraseAnswer struct {
	Schema      string                 `json:"schema"`
	Dialogue    *encrypted.Erasure     `json:"dialogue,omitempty"`
	User        *encrypted.UserErasure `json:"user,omitempty"`
	State       string                 `json:"state"` // of the certificate
	Files       []string               `json:"files,omitempty"`
	Certificate string                 `json:"certificate,omitempty"` // the signed note, unless it went into a file

	summary string // the certificate's text for people
}

func (a *app) erase(ctx context.Context, name, confirm, output string) error {
	id, err := dialogueID(name)
	if err != nil {
		return err
	}
	err = a.confirm(ctx, confirmation{
		given: confirm, name: string(id), warning: "This destroys the dialogue " + string(id) + " for good.",
		wants: "erase wants the name once more", hint: "blue-store erase " + string(id) + " --confirm " + string(id), undone: "erased",
	})
	if err != nil {
		return err
	}
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	done, err := s.store.Erase(ctx, id)
	if err != nil {
		return withHint(err, keysHint(err, "the same command finishes what was begun"))
	}
	answer := eraseAnswer{Schema: "blue-store/erase@1", Dialogue: &done}
	return a.certify(ctx, s, answer, erasure.Subject{Kind: erasure.KindDialogue, ID: string(id)}, done.Event, output)
}

func (a *app) eraseUser(ctx context.Context, user, confirm, output string) error {
	if err := keys.CheckUser(user); err != nil {
		return err
	}
	err := a.confirm(ctx, confirmation{
		given: confirm, name: user, warning: "This destroys for good what the user " + user + " holds alone, and takes the rest from them.",
		wants: "erase wants the name once more", hint: "blue-store erase --user " + user + " --confirm " + user, undone: "erased",
	})
	if err != nil {
		return err
	}
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	directory := audit.NewDirectory(s.records)
	done, err := s.store.EraseUser(ctx, user, erasure.Dialogues(ctx, s.records), directory)
	if errors.Is(err, blue.ErrNotFound) {
		return withHint(err, keysHint(err, "nothing was written; keys status names the users of each dialogue"))
	}
	if err != nil {
		return withHint(err, keysHint(err, "the same command finishes what was begun"))
	}
	answer := eraseAnswer{Schema: "blue-store/erase@1", User: &done}
	if err := a.certify(ctx, s, answer, erasure.Subject{Kind: erasure.KindUser, ID: user}, done.Event, output); err != nil {
		return err
	}
	// Up to here a run that is repeated does everything again.
	if err := s.store.ForgetUser(ctx, user, directory); err != nil {
		return withHint(fmt.Errorf("the certificate holds once the name is gone: %w", err), keysHint(err, "the same command goes on; it issues the certificate once more, unless the name is deleted already"))
	}
	return nil
}

// certify signs a checkpoint over what was done and issues the certificate.
func (a *app) certify(ctx context.Context, s *session, answer eraseAnswer, subject erasure.Subject, at encrypted.EventPlace, output string) error {
	notary, err := a.notary(ctx, s.config, s.records)
	if err == nil {
		err = a.certificate(ctx, s, notary, &answer, subject, at, output)
	}
	if err != nil {
		return withHint(fmt.Errorf("the erasure is done, and has no certificate: %w", err), keysHint(err, "the same command again issues it"))
	}
	return a.answer(answer, answer.text)
}

func (a *app) certificate(ctx context.Context, s *session, notary *erasure.Notary, answer *eraseAnswer, subject erasure.Subject, at encrypted.EventPlace, output string) error {
	if err := s.log.Checkpoint(ctx); err != nil {
		return err
	}
	text, err := notary.Issue(ctx, subject, at)
	if errors.Is(err, blue.ErrNotFound) && subject.Kind == erasure.KindDialogue {
		if err = a.signErasure(ctx, s, notary, blue.DialogueID(subject.ID)); err == nil {
			text, err = notary.Issue(ctx, subject, at)
		}
	}
	if err != nil {
		return err
	}
	return deliver(notary, answer, text, output)
}

// signErasure signs the chain in which a dialogue's erasure ended, where the
// process that erased it was killed before it could.
func (a *app) signErasure(ctx context.Context, s *session, notary *erasure.Notary, dialogue blue.DialogueID) error {
	tails, err := a.openTails(ctx, s.config, s.records)
	if err != nil {
		return err
	}
	tails.signer = notary.Signer
	return tails.signErasure(ctx, dialogue)
}

// notary certifies with this client's signing key, and trusts it and those of
// BLUE_AUDIT_TRUST.
func (a *app) notary(ctx context.Context, c config, records backend) (*erasure.Notary, error) {
	signer, err := c.audit.signer(ctx)
	if err != nil {
		return nil, err
	}
	verifiers, err := a.verifiers(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	return &erasure.Notary{Store: records, Signer: signer, Verifiers: verifiers, CacheTTL: keys.DefaultTTL}, nil
}

// deliver puts a certificate into its files, or into the answer.
func deliver(notary *erasure.Notary, answer *eraseAnswer, text, output string) error {
	certificate, err := erasure.Open(text, notary.Verifiers)
	if err != nil {
		return err
	}
	answer.State, answer.summary = certificate.State, certificate.String()
	if output == "" {
		answer.Certificate = text
		return nil
	}
	if err := replaceFile(output, []byte(text)); err != nil {
		return err
	}
	if err := replaceFile(output+".txt", []byte(printable(answer.summary))); err != nil {
		return err
	}
	answer.Files = []string{output, output + ".txt"}
	return nil
}

func (r eraseAnswer) text(w io.Writer) error {
	var b strings.Builder
	switch {
	case r.Dialogue != nil && r.Dialogue.Already:
		fmt.Fprintf(&b, "already erased: %s\n", r.Dialogue.Dialogue)
	case r.Dialogue != nil:
		fmt.Fprintf(&b, "erased: %s, %d records and %d wrapped key(s)\n", r.Dialogue.Dialogue, r.Dialogue.Items, len(r.Dialogue.Wraps))
	case r.User != nil:
		fmt.Fprintf(&b, "erased: user %s; %d dialogues with them, %d taken from them\n", oneLine(r.User.User), len(r.User.Erased), len(r.User.Revoked))
	}
	fmt.Fprintf(&b, "\n%s", r.summary)
	if len(r.Files) > 0 {
		fmt.Fprintf(&b, "\ncertificate: %s\n", strings.Join(r.Files, ", "))
	} else {
		fmt.Fprintf(&b, "\n%s", r.Certificate)
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

func eraseReplayCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "replay",
		Short: "After a restore of the data: erase again what was erased",
		Long: "The registry of erasures in the key table says what must not come back. After a restore of\n" +
			"older data, run replay before anybody uses the store. Run again, it changes nothing.",
		Example: "  blue-store erase replay",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.eraseReplay(c.Context()) },
	}
}

// replayAnswer is what erase replay says, schema blue-store/erase-replay@1.
type replayAnswer struct {
	Schema    string              `json:"schema"`
	Dialogues []encrypted.Erasure `json:"dialogues"`
}

func (a *app) eraseReplay(ctx context.Context) error {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	done, err := s.store.ReplayErasures(ctx)
	if err != nil {
		return withHint(err, keysHint(err, "the same command goes on"))
	}
	answer := replayAnswer{"blue-store/erase-replay@1", append([]encrypted.Erasure{}, done...)}
	return a.answer(answer, func(w io.Writer) error {
		for _, d := range answer.Dialogues {
			verb := "erased again"
			if d.Already {
				verb = "still erased"
			}
			fmt.Fprintf(w, "%s: %s\n", verb, d.Dialogue)
		}
		if len(answer.Dialogues) == 0 {
			fmt.Fprintln(w, "nothing was ever erased here")
		}
		return nil
	})
}

func eraseVerifyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify CERT",
		Short: "Check a certificate against the store: that what it says was erased still is",
		Long: "Checks the signature, the event and its proof in the audit log, and that no key and no item is\n" +
			"there. Exit 7 says what fails. BLUE_AUDIT_TRUST names the keys of other clients.",
		Example: "  blue-store erase verify which-cache.cert",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.eraseVerify(c.Context(), args[0]) },
	}
}

// certificateAnswer is what erase verify says, schema
// blue-store/erase-verify@1.
type certificateAnswer struct {
	Schema      string              `json:"schema"`
	OK          bool                `json:"ok"`
	Certificate erasure.Certificate `json:"certificate"`
}

func (a *app) eraseVerify(ctx context.Context, path string) error {
	text, s, err := a.openCertificate(ctx, path)
	if err != nil {
		return err
	}
	defer s.close()
	verifiers, err := a.verifiers(ctx, s.config, nil)
	if err != nil {
		return err
	}
	certificate, err := erasure.Verify(ctx, text, s.records, verifiers, nil)
	if err != nil {
		return notBelieved(err)
	}
	answer := certificateAnswer{"blue-store/erase-verify@1", true, certificate}
	return a.answer(answer, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "✓ holds: %s %s is erased (%s)\n", certificate.Subject.Kind, oneLine(certificate.Subject.ID), certificate.State)
		return err
	})
}

// notBelieved says what to do about a certificate that does not hold.
func notBelieved(err error) error {
	if !errors.Is(err, blue.ErrTampered) {
		return err
	}
	return withHint(err, "open the store that the certificate was issued in; after older data were put back: blue-store erase replay; else ask whoever gave you the certificate")
}

// openCertificate reads a certificate and opens the store below its seal.
func (a *app) openCertificate(ctx context.Context, path string) (string, *auditSession, error) {
	text, err := readFile(ctx, path)
	if err != nil {
		return "", nil, unreadable(path, err)
	}
	s, err := a.openAudit(ctx)
	return string(text), s, err
}

func eraseFinalizeCommand(a *app) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "finalize CERT",
		Short: "Make a certificate final, once no copy that is known can bring the erased back",
		Long: "A certificate is pending until every copy that it lists has ended. finalize verifies it, asks\n" +
			"the store for copies once more, and signs it as final; before that, exit 4 names what is in the\n" +
			"way. It takes the store that the certificate was issued in: in another one, exit 7.",
		Example: "  blue-store erase finalize which-cache.cert",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("output") {
				output = args[0]
			}
			path, err := outputFile(output)
			if err != nil {
				return err
			}
			return a.eraseFinalize(c.Context(), args[0], path)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "`FILE` for the final certificate (default: in the place of CERT)")
	return c
}

func (a *app) eraseFinalize(ctx context.Context, path, output string) error {
	text, s, err := a.openCertificate(ctx, path)
	if err != nil {
		return err
	}
	defer s.close()
	notary, err := a.notary(ctx, s.config, s.records)
	if err != nil {
		return err
	}
	final, err := notary.Finalize(ctx, text)
	if err != nil {
		return notBelieved(err)
	}
	answer := eraseAnswer{Schema: "blue-store/erase@1"}
	if err := deliver(notary, &answer, final, filepath.Clean(output)); err != nil {
		return err
	}
	return a.answer(answer, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "final: %s\n", oneLine(strings.Join(answer.Files, ", ")))
		return err
	})
}
