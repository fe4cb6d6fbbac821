package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

func keysCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:   "keys",
		Short: "Show, rotate and share the keys of dialogues",
		Long: "Each dialogue has its own secret. The store contains one wrapped copy of it for each user. The\n" +
			"user's key comes from the master key, which is a file or a key in AWS KMS (BLUE_KMS_KEY_ARN).\n" +
			"Anyone with the key file can act as any user. KMS separates the users.",
		Example: "  blue-store keys status\n  blue-store keys rotate which-cache\n  blue-store keys grant which-cache ada",
	}, keysStatusCommand, keysRotateCommand, keysRewrapCommand, keysGrantCommand, keysRevokeCommand)
}

func keysRotateCommand(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "rotate [DIALOGUE…]",
		Short: "Re-encrypt dialogues under a new key, and destroy the previous keys",
		Long: "Creates a new key version, re-encrypts every item under it, and destroys the wrapped keys of the\n" +
			"previous versions. The dialogue can be read and written at the same time. If the command is\n" +
			"stopped, nothing is lost, and a second run completes the rotation without another version. After\n" +
			"an error in one dialogue, it continues with the others. --all skips erased dialogues.",
		Example: "  blue-store keys rotate which-cache\n  blue-store keys rotate --all",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage("name the dialogues to rotate, or use --all")
			}
			return a.withDialogues(c.Context(), args, func(s *session, ids []blue.DialogueID, named bool) error {
				return a.keysRotate(c.Context(), s, ids, named)
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "rotate every dialogue that the store lists or that this client has seen in it")
	return c
}

// rotateAnswer is the answer of keys rotate and keys revoke, schema
// blue-store/keys-rotate@1.
type rotateAnswer struct {
	Schema    string               `json:"schema"`
	Revoked   string               `json:"revoked,omitempty"` // the user
	Dialogues []encrypted.Rotation `json:"dialogues"`
}

func (a *app) keysRotate(ctx context.Context, s *session, ids []blue.DialogueID, named bool) error {
	answer := rotateAnswer{Schema: "blue-store/keys-rotate@1", Dialogues: []encrypted.Rotation{}}
	p := a.progress()
	defer p.end()
	var failures []error
	for i, id := range ids {
		done, err := s.store.Rotate(ctx, id)
		p.step(i+1, len(ids), string(id))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			answer.Dialogues = append(answer.Dialogues, done)
		case named || !isGone(err):
			failures = append(failures, err)
		}
	}
	p.end()
	if len(failures) == 0 || len(answer.Dialogues) > 0 {
		failures = append(failures, a.answerText(answer, answer.text()))
	}
	err := errors.Join(failures...)
	return withHint(err, keysHint(err, "completed rotations are kept; the same command continues"))
}

// isGone reports whether the error means that a dialogue was erased or is not in
// this store. It is ignored for a dialogue that this client has only seen before.
func isGone(err error) bool {
	return errors.Is(err, blue.ErrErased) || errors.Is(err, blue.ErrNotFound)
}

func (r rotateAnswer) text() string {
	var b strings.Builder
	for _, d := range r.Dialogues {
		verb := "rotated"
		switch {
		case r.Revoked != "":
			verb = "revoked: " + r.Revoked + " from"
		case d.Resumed:
			verb = "rotation finished:"
		}
		fmt.Fprintf(&b, "%s %s  key version %d, %s re-encrypted in %s\n", verb, d.Dialogue, d.To,
			display.Count(d.Items, "item"), display.Count(d.Commits, "commit"))
	}
	if len(r.Dialogues) == 0 {
		b.WriteString("there is no dialogue in this store\n")
	}
	return b.String()
}

// keysHint returns the hint of an error, or another hint if it has none.
func keysHint(err error, other string) string { return cmp.Or(hintOf(err), other) }

func keysGrantCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "grant DIALOGUE USER",
		Short: "Let another user read and write a dialogue",
		Long: "Wraps the keys of the dialogue for the user. With KMS, only a principal with the permissions of\n" +
			"that user can unwrap them. The dialogue does not change.",
		Example: "  blue-store keys grant which-cache ada",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDialogue(c.Context(), args[0], func(s *session, id blue.DialogueID) error { return a.keysGrant(c.Context(), s, id, args[1]) })
		},
	}
}

// grantAnswer is the answer of keys grant, schema blue-store/keys-grant@1.
type grantAnswer struct {
	Schema   string          `json:"schema"`
	Dialogue blue.DialogueID `json:"dialogue"`
	User     string          `json:"user"`
	Granted  bool            `json:"granted"` // false: the user had every key already
}

func (a *app) keysGrant(ctx context.Context, s *session, id blue.DialogueID, user string) error {
	granted, err := s.store.Grant(ctx, id, user)
	if err != nil {
		return err
	}
	if !s.config.kms.isSet() {
		a.note("note: keys come from a file; anyone with the file can already act as any user")
	}
	verb := "granted"
	if !granted {
		verb = "already granted"
	}
	return a.answerText(grantAnswer{"blue-store/keys-grant@1", id, user, granted}, fmt.Sprintf("%s: %s may read and write %s\n", verb, display.OneLine(user), id))
}

func keysRevokeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke DIALOGUE USER",
		Short: "Revoke a user's access to a dialogue, and re-encrypt it under a new key",
		Long: "Deletes the user's wrapped keys in the commit that creates a new key version for the other users.\n" +
			"Then it re-encrypts every item under the new key. The user keeps everything that they have read.\n" +
			"A running process of the user can decrypt the remaining items until its key cache expires. A\n" +
			"repeated run creates another version. It also deletes versions and wrapped keys that no holder\n" +
			"of the key created.",
		Example: "  blue-store keys revoke which-cache ada",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDialogue(c.Context(), args[0], func(s *session, id blue.DialogueID) error { return a.keysRevoke(c.Context(), s, id, args[1]) })
		},
	}
}

func (a *app) keysRevoke(ctx context.Context, s *session, id blue.DialogueID, user string) error {
	done, err := s.store.Revoke(ctx, id, user)
	if err != nil {
		return withHint(err, keysHint(err, "the same command continues at this point"))
	}
	if !done.Held {
		a.note("note: the store had no key of %s; the dialogue was re-encrypted nevertheless, because the user can have a copy", display.OneLine(user))
	}
	answer := rotateAnswer{"blue-store/keys-rotate@1", strings.TrimSpace(display.OneLine(user)), []encrypted.Rotation{done}}
	return a.answerText(answer, answer.text())
}

func keysRewrapCommand(a *app) *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "rewrap",
		Short: "After a change of the KMS key: wrap your own keys with the new one",
		Long: "BLUE_KMS_KEY_ARN names the new key. rewrap decrypts your own key and the keys that other users\n" +
			"granted to you with the previous KMS key, and wraps them with the new one. Dialogues do not\n" +
			"change. Each user must run it while both keys are usable. Both keys need the policy in\n" +
			"deploy/iam. Automatic rotation inside one KMS key needs no action.",
		Example: "  blue-store keys rewrap\n  blue-store keys rewrap --from arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), func(s *session) error { return a.keysRewrap(c.Context(), s, from) })
		},
	}
	c.Flags().StringVar(&from, "from", "", "`ARN` of the previous KMS key (default: the key that your stored key names, or named before it was rewrapped)")
	return c
}

// rewrapAnswer is the answer of keys rewrap, schema blue-store/keys-rewrap@1.
type rewrapAnswer struct {
	Schema string `json:"schema"`
	From   string `json:"from"` // the previous key
	To     string `json:"to"`
	encrypted.Rewrapping
}

func (a *app) keysRewrap(ctx context.Context, s *session, from string) error {
	if !s.config.kms.isSet() {
		return &usageError{"keys rewrap is for KMS, but BLUE_KMS_KEY_ARN is not set; a key file never changes", "to change the key of a dialogue: blue-store keys rotate"}
	}
	answer := rewrapAnswer{Schema: "blue-store/keys-rewrap@1", From: from, To: s.config.kms.arn}
	if from == "" {
		here, err := a.kmsProvider(ctx, s.config.kms, s.records)
		if err != nil {
			return err
		}
		own, err := here.StoredKey(ctx, s.config.user)
		if err != nil {
			return err
		}
		if answer.From = own.UMK; answer.From == answer.To { // a previous run can have stopped before the granted keys
			answer.From = own.Before
		}
		if answer.From == "" || answer.From == answer.To {
			return &usageError{"your own key names no other KMS key", "if only granted keys are wrapped with another KMS key: --from ARN"}
		}
	}
	old := s.config.kms
	old.arn = answer.From
	source, err := a.kmsProvider(ctx, old, s.records)
	if err != nil {
		return err
	}
	// A user has no permission to read the audit log (deploy/iam/user.json).
	ids, err := everyDialogue(ctx, s.store, s.config)
	if err != nil {
		return err
	}
	if answer.Rewrapping, err = s.store.Rewrap(ctx, source, ids); err != nil {
		return withHint(err, keysHint(err, "each KMS key still opens the keys that it wraps; the same command continues"))
	}
	text := ""
	if answer.Own {
		text = fmt.Sprintf("rewrapped: the key of %s, now under %s\n", display.OneLine(s.config.user), answer.To)
	}
	for id, n := range answer.Granted {
		text += fmt.Sprintf("rewrapped: %s of %s\n", display.Count(n, "granted key"), id)
	}
	return a.answerText(answer, cmp.Or(text, "there was nothing to rewrap\n"))
}
