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
)

// keysCommands lists the subcommands of keys.
var keysCommands = []func(*app) *cobra.Command{
	keysStatusCommand,
	keysRotateCommand,
	keysRewrapCommand,
	keysGrantCommand,
	keysRevokeCommand,
}

func keysCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:   "keys",
		Short: "Show, rotate and share the keys of dialogues",
		Long: "Each dialogue has its own secret. The store contains one wrapped copy of it for each user. The\n" +
			"user's key comes from the master key, which is a file or a key in AWS KMS (BLUE_KMS_KEY_ARN).\n" +
			"Anyone with the key file can act as any user. KMS separates the users.",
		Example: "  blue-store keys status\n  blue-store keys rotate which-cache\n  blue-store keys grant which-cache ada",
	}, keysCommands)
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
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usage("name the dialogues to rotate, or use --all")
			}
			ids, err := parseDialogues(args)
			if err != nil {
				return err
			}
			return a.keysRotate(c.Context(), ids)
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

func (a *app) keysRotate(ctx context.Context, ids []blue.DialogueID) error {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	ids, named, err := s.dialogues(ctx, ids)
	if err != nil {
		return err
	}
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
	err = errors.Join(failures...)
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
		fmt.Fprintf(&b, "%s %s  key version %d, %d items re-encrypted in %d commits\n", verb, d.Dialogue, d.To, d.Items, d.Commits)
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
		RunE:    func(c *cobra.Command, args []string) error { return a.keysGrant(c.Context(), args[0], args[1]) },
	}
}

// grantAnswer is the answer of keys grant, schema blue-store/keys-grant@1.
type grantAnswer struct {
	Schema   string          `json:"schema"`
	Dialogue blue.DialogueID `json:"dialogue"`
	User     string          `json:"user"`
	Granted  bool            `json:"granted"` // false: the user had every key already
}

func (a *app) keysGrant(ctx context.Context, name, user string) error {
	s, id, err := a.openDialogue(ctx, name)
	if err != nil {
		return err
	}
	defer s.close()
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
	return a.answerText(grantAnswer{"blue-store/keys-grant@1", id, user, granted}, fmt.Sprintf("%s: %s may read and write %s\n", verb, oneLine(user), id))
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
		RunE:    func(c *cobra.Command, args []string) error { return a.keysRevoke(c.Context(), args[0], args[1]) },
	}
}

func (a *app) keysRevoke(ctx context.Context, name, user string) error {
	s, id, err := a.openDialogue(ctx, name)
	if err != nil {
		return err
	}
	defer s.close()
	done, err := s.store.Revoke(ctx, id, user)
	if err != nil {
		return withHint(err, keysHint(err, "the same command continues at this point"))
	}
	if !done.Held {
		a.note("note: the store had no key of %s; the dialogue was re-encrypted nevertheless, because the user can have a copy", oneLine(user))
	}
	answer := rotateAnswer{"blue-store/keys-rotate@1", strings.TrimSpace(oneLine(user)), []encrypted.Rotation{done}}
	return a.answerText(answer, answer.text())
}
