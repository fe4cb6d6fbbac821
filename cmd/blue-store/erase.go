package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
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
			return a.erase(c.Context(), cmp.Or(user, strings.Join(args, "")), byUser, confirm, output)
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
	Schema      string                  `json:"schema"`
	Dialogue    *erasure.DialogueReport `json:"dialogue,omitempty"`
	User        *erasure.UserReport     `json:"user,omitempty"`
	State       string                  `json:"state"` // of the certificate
	Files       []string                `json:"files,omitempty"`
	Certificate string                  `json:"certificate,omitempty"` // the signed note, unless it went into a file

	summary string // the certificate's text for people
}

// erase erases a dialogue or a user after a confirmation, and writes and prints
// the certificate.
func (a *app) erase(ctx context.Context, name string, byUser bool, confirm, output string) error {
	warning, argument := "This destroys for good what the user "+name+" holds alone, and takes the rest from them.", "--user "+name
	err := keys.CheckUser(name)
	var id blue.DialogueID
	if !byUser {
		id, err = dialogueID(name)
		name = string(id)
		warning, argument = "This destroys the dialogue "+name+" for good.", name
	}
	if err != nil {
		return err
	}
	err = a.confirm(ctx, confirmation{
		given: confirm, name: name, warning: warning,
		wants: "erase wants the name once more", hint: "blue-store erase " + argument + " --confirm " + name, undone: "erased",
	})
	if err != nil {
		return err
	}
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	p := a.progress()
	defer p.end()
	service := erasure.New(s.store, erasure.Options{
		Notary:   func(ctx context.Context) (*erasure.Notary, error) { return a.notary(ctx, s.config, s.records) },
		Progress: p.log,
	})
	deliver := func(result erasure.Result) error {
		p.end()
		answer := eraseAnswer{Schema: "blue-store/erase@1", Dialogue: result.Dialogue, User: result.User}
		if err := answer.deliver(result.Certificate, result.Note, output); err != nil {
			return err
		}
		return a.answer(answer, answer.text)
	}
	if byUser {
		_, err = service.User(ctx, name, deliver)
	} else {
		_, err = service.Dialogue(ctx, id, deliver)
	}
	hint := "the same command finishes what was begun"
	switch {
	case errors.Is(err, erasure.ErrNoCertificate):
		hint = "the same command again issues it"
	case errors.Is(err, erasure.ErrNotForgotten):
		hint = "the same command continues; it issues the certificate again, unless the name is deleted already"
	case byUser && errors.Is(err, blue.ErrNotFound):
		hint = "nothing was written; keys status names the users of each dialogue"
	}
	return withHint(err, keysHint(err, hint))
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
	return &erasure.Notary{Store: records, Signer: signer, Verifiers: verifiers}, nil
}

// deliver puts a certificate into its files, or into the answer.
func (r *eraseAnswer) deliver(certificate erasure.Certificate, note, output string) error {
	r.State, r.summary = certificate.State, certificate.String()
	if output == "" {
		r.Certificate = note
		return nil
	}
	if err := replaceFile(output, []byte(note)); err != nil {
		return err
	}
	if err := replaceFile(output+".txt", []byte(printable(r.summary))); err != nil {
		return err
	}
	r.Files = []string{output, output + ".txt"}
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
	Schema    string                   `json:"schema"`
	Dialogues []erasure.DialogueReport `json:"dialogues"`
}

func (a *app) eraseReplay(ctx context.Context) error {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	done, err := erasure.New(s.store, erasure.Options{}).Replay(ctx)
	if err != nil {
		return withHint(err, keysHint(err, "the same command continues"))
	}
	answer := replayAnswer{"blue-store/erase-replay@1", append([]erasure.DialogueReport{}, done...)}
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
	notary := &erasure.Notary{Store: s.records, Verifiers: verifiers}
	certificate, err := notary.Verify(ctx, text)
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
	certificate, err := erasure.Open(final, notary.Verifiers)
	if err != nil {
		return err
	}
	answer := eraseAnswer{Schema: "blue-store/erase@1"}
	if err := answer.deliver(certificate, final, filepath.Clean(output)); err != nil {
		return err
	}
	return a.answer(answer, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "final: %s\n", oneLine(strings.Join(answer.Files, ", ")))
		return err
	})
}
