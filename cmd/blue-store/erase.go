package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/keys"
)

// runsAlone marks a command that has both an action and subcommands.
const runsAlone = "runs alone"

func eraseCommand(a *app) *cobra.Command {
	var user, confirm, output string
	c := &cobra.Command{
		Use:   "erase DIALOGUE",
		Short: "Permanently destroy a dialogue or a user, and issue a certificate",
		Long: "Destroys the wrapped keys of the dialogue first, so that no data can be decrypted, then its\n" +
			"items. It leaves a tombstone, so that the id is never used again. It needs no key. If it is\n" +
			"stopped, the same command completes the erasure. A repeated command issues the certificate again.\n\n" +
			"With --user, it erases the dialogues that only this user holds and revokes the user's access to\n" +
			"the others. Then it destroys the user's own key. After the certificate is written, it deletes\n" +
			"the user's name from the directory of the audit log. An unknown or erased user is exit 3.\n\n" +
			"The key of the audit log signs the certificate. The certificate lists the copies that could\n" +
			"still restore the keys. You must confirm the name, on a terminal or with --confirm.",
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
			if err := checkOutput(c, &output); err != nil {
				return err
			}
			return a.erase(c.Context(), cmp.Or(user, strings.Join(args, "")), byUser, confirm, output)
		},
	}
	f := c.Flags()
	f.StringVar(&user, "user", "", "erase this `USER` instead of a dialogue")
	f.StringVar(&confirm, "confirm", "", "the `NAME` of the dialogue or user again, instead of the question on a terminal")
	f.StringVarP(&output, "output", "o", "", "`FILE` for the signed certificate; FILE.txt receives its text form")
	c.AddCommand(eraseReplayCommand(a), eraseVerifyCommand(a), eraseFinalizeCommand(a))
	return c
}

// eraseAnswer is the answer of erase, schema blue-store/erase@1.
type eraseAnswer struct {
	Schema      string                  `json:"schema"`
	Dialogue    *erasure.DialogueReport `json:"dialogue,omitempty"`
	User        *erasure.UserReport     `json:"user,omitempty"`
	State       string                  `json:"state"` // state of the certificate
	Files       []string                `json:"files,omitempty"`
	Certificate string                  `json:"certificate,omitempty"` // the signed note, unless it is in a file

	summary string // the text form of the certificate
}

// erase erases a dialogue or a user after a confirmation, and writes and prints
// the certificate.
func (a *app) erase(ctx context.Context, name string, byUser bool, confirm, output string) error {
	warning, argument := "This permanently destroys every dialogue that only the user "+name+" holds, and revokes their access to the others.", "--user "+name
	err := keys.CheckUser(name)
	var id blue.DialogueID
	if !byUser {
		id, err = dialogueArgument(name)
		name = string(id)
		warning, argument = "This permanently destroys the dialogue "+name+".", name
	}
	if err != nil {
		return err
	}
	err = a.confirm(ctx, confirmation{
		given: confirm, name: name, warning: warning,
		wants: "erase requires the name as confirmation", hint: "blue-store erase " + argument + " --confirm " + name, undone: "erased",
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
		return a.answerText(answer, answer.text())
	}
	if byUser {
		_, err = service.User(ctx, name, deliver)
	} else {
		_, err = service.Dialogue(ctx, id, deliver)
	}
	hint := "the same command completes the erasure"
	switch {
	case errors.Is(err, erasure.ErrNoCertificate):
		hint = "the same command issues it"
	case errors.Is(err, erasure.ErrNotForgotten):
		hint = "the same command continues; it issues the certificate again, unless the name is deleted already"
	case byUser && errors.Is(err, blue.ErrNotFound):
		hint = "nothing was written; keys status names the users of each dialogue"
	}
	return withHint(err, keysHint(err, hint))
}

// notary returns a notary that signs with this client's key. It trusts this key
// and the keys in BLUE_AUDIT_TRUST.
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

// deliver writes a certificate to its files, or into the answer.
func (r *eraseAnswer) deliver(certificate erasure.Certificate, note, output string) error {
	r.State, r.summary = certificate.State, certificate.String()
	if output == "" {
		r.Certificate = note
		return nil
	}
	if err := replaceOutputFile(output, []byte(note)); err != nil {
		return err
	}
	if err := replaceOutputFile(output+".txt", []byte(display.Printable(r.summary))); err != nil {
		return err
	}
	r.Files = []string{output, output + ".txt"}
	return nil
}

func (r eraseAnswer) text() string {
	var b strings.Builder
	switch {
	case r.Dialogue != nil && r.Dialogue.Already:
		fmt.Fprintf(&b, "already erased: %s\n", r.Dialogue.Dialogue)
	case r.Dialogue != nil:
		fmt.Fprintf(&b, "erased: %s, %s and %s\n", r.Dialogue.Dialogue,
			display.Count(r.Dialogue.Items, "record"), display.Count(len(r.Dialogue.Wraps), "wrapped key"))
	case r.User != nil:
		fmt.Fprintf(&b, "erased: user %s; %s erased, access to %s revoked\n", display.OneLine(r.User.User),
			display.Count(len(r.User.Erased), "dialogue"), display.Count(len(r.User.Revoked), "dialogue"))
	}
	fmt.Fprintf(&b, "\n%s", r.summary)
	if len(r.Files) > 0 {
		fmt.Fprintf(&b, "\ncertificate: %s\n", strings.Join(r.Files, ", "))
	} else {
		fmt.Fprintf(&b, "\n%s", r.Certificate)
	}
	return b.String()
}

func eraseReplayCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "replay",
		Short: "After a restore of the data: erase everything again that was erased before",
		Long: "The registry of erasures in the key table lists all erased dialogues. After a restore of older\n" +
			"data, run replay before the store is used. A repeated run changes nothing.",
		Example: "  blue-store erase replay",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), func(s *session) error { return a.eraseReplay(c.Context(), s) })
		},
	}
}

// replayAnswer is the answer of erase replay, schema blue-store/erase-replay@1.
type replayAnswer struct {
	Schema    string                   `json:"schema"`
	Dialogues []erasure.DialogueReport `json:"dialogues"`
}

func (a *app) eraseReplay(ctx context.Context, s *session) error {
	done, err := erasure.New(s.store, erasure.Options{}).Replay(ctx)
	if err != nil {
		return withHint(err, keysHint(err, "the same command continues"))
	}
	answer := replayAnswer{"blue-store/erase-replay@1", append([]erasure.DialogueReport{}, done...)}
	text := ""
	for _, d := range answer.Dialogues {
		verb := "erased again"
		if d.Already {
			verb = "still erased"
		}
		text += fmt.Sprintf("%s: %s\n", verb, d.Dialogue)
	}
	return a.answerText(answer, cmp.Or(text, "the store has no erasures\n"))
}

func eraseVerifyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify CERT",
		Short: "Check a certificate against the store",
		Long: "Checks the signature, and the event and its proof in the audit log. It also checks that the store\n" +
			"has no key and no item of the erased dialogue or user. A failed check is exit 7.\n" +
			"BLUE_AUDIT_TRUST names the keys of other clients.",
		Example: "  blue-store erase verify which-cache.cert",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCertificate(c.Context(), args[0], func(s *auditSession, text string) error { return a.eraseVerify(c.Context(), s, text) })
		},
	}
}

// certificateAnswer is the answer of erase verify, schema
// blue-store/erase-verify@1.
type certificateAnswer struct {
	Schema      string              `json:"schema"`
	OK          bool                `json:"ok"`
	Certificate erasure.Certificate `json:"certificate"`
}

func (a *app) eraseVerify(ctx context.Context, s *auditSession, text string) error {
	verifiers, err := a.verifiers(ctx, s.config, nil)
	if err != nil {
		return err
	}
	notary := &erasure.Notary{Store: s.records, Verifiers: verifiers}
	certificate, err := notary.Verify(ctx, text)
	if err != nil {
		return withCertificateHint(err)
	}
	answer := certificateAnswer{"blue-store/erase-verify@1", true, certificate}
	return a.answerText(answer, fmt.Sprintf("✓ valid: %s %s is erased (%s)\n", certificate.Subject.Kind, display.OneLine(certificate.Subject.ID), certificate.State))
}

// withCertificateHint adds a hint to the error of a certificate that is not valid.
func withCertificateHint(err error) error {
	if !errors.Is(err, blue.ErrTampered) {
		return err
	}
	return withHint(err, "use the store that issued the certificate; after a restore of older data: blue-store erase replay; otherwise contact the issuer of the certificate")
}

// withCertificate is withAudit with the text of a certificate.
func (a *app) withCertificate(ctx context.Context, path string, do func(*auditSession, string) error) error {
	text, err := readInputFile(ctx, path)
	if err != nil {
		return unreadableInput(path, err)
	}
	return a.withAudit(ctx, func(s *auditSession) error { return do(s, string(text)) })
}

func eraseFinalizeCommand(a *app) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "finalize CERT",
		Short: "Make a certificate final after all known copies have expired",
		Long: "A certificate is pending until every copy that it lists has expired. finalize verifies it, lists\n" +
			"the copies of the store again, and signs it as final. If a copy still exists, exit 4 names it.\n" +
			"Use the store that issued the certificate. Another store is exit 7.",
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
			return a.withCertificate(c.Context(), args[0], func(s *auditSession, text string) error { return a.eraseFinalize(c.Context(), s, text, path) })
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "`FILE` for the final certificate (default: CERT, which is replaced)")
	return c
}

func (a *app) eraseFinalize(ctx context.Context, s *auditSession, text, output string) error {
	notary, err := a.notary(ctx, s.config, s.records)
	if err != nil {
		return err
	}
	final, err := notary.Finalize(ctx, text)
	if err != nil {
		return withCertificateHint(err)
	}
	certificate, err := erasure.Open(final, notary.Verifiers)
	if err != nil {
		return err
	}
	answer := eraseAnswer{Schema: "blue-store/erase@1"}
	if err := answer.deliver(certificate, final, filepath.Clean(output)); err != nil {
		return err
	}
	return a.answerText(answer, fmt.Sprintf("final: %s\n", display.OneLine(strings.Join(answer.Files, ", "))))
}
