package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/encrypted"
)

// keysCommands lists the commands below keys.
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
		Long: "Each dialogue has a secret of its own, wrapped for each of its users under the user's key,\n" +
			"which the master key gives: a file, or a key in AWS KMS (BLUE_KMS_KEY_ARN). With a file,\n" +
			"whoever holds it is every user; KMS tells users apart.",
		Example: "  blue-store keys status\n  blue-store keys rotate which-cache\n  blue-store keys grant which-cache ada",
	}, keysCommands)
}

func keysRotateCommand(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "rotate [DIALOGUE…]",
		Short: "Seal dialogues anew under a new key, and destroy the keys before",
		Long: "Makes a new key version, seals every item under it, and destroys the wrapped keys of the\n" +
			"versions before. Reading and writing go on meanwhile. Stopped anywhere, nothing is lost: run\n" +
			"again, it finishes what was begun instead of making one more version. After an error in one\n" +
			"dialogue it goes on with the others; --all passes over what was erased.",
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
	c.Flags().BoolVar(&all, "all", false, "rotate every dialogue that is listed or remembered")
	return c
}

// rotateAnswer is what keys rotate and keys revoke say, schema
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
	named := len(ids) > 0
	if !named {
		if ids, err = everyDialogue(ctx, s.store, s.config); err != nil {
			return err
		}
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
		failures = append(failures, a.answer(answer, answer.text))
	}
	err = errors.Join(failures...)
	return withHint(err, keysHint(err, "what is rotated stays so; the same command goes on"))
}

// noMore reports that a dialogue which this client remembers was erased, or is
// not in this store any more: no reason to stop where nobody named it.
func isGone(err error) bool {
	return errors.Is(err, blue.ErrErased) || errors.Is(err, blue.ErrNotFound)
}

func (r rotateAnswer) text(w io.Writer) error {
	for _, d := range r.Dialogues {
		verb := "rotated"
		switch {
		case r.Revoked != "":
			verb = "revoked: " + r.Revoked + " from"
		case d.Resumed:
			verb = "rotation finished:"
		}
		fmt.Fprintf(w, "%s %s  key version %d, %d items sealed anew in %d commits\n", verb, d.Dialogue, d.To, d.Items, d.Commits)
	}
	if len(r.Dialogues) == 0 {
		fmt.Fprintln(w, "there is no dialogue in this store")
	}
	return nil
}

// keysHint is an error's own hint, or another one.
func keysHint(err error, other string) string {
	if own := hintOf(err); own != "" {
		return own
	}
	return other
}

func keysGrantCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "grant DIALOGUE USER",
		Short: "Let another user read and write a dialogue",
		Long: "Wraps the keys of the dialogue for the user too. Under KMS the wrap opens for a principal\n" +
			"that may decrypt as that user, and not for you. Nothing of the dialogue changes.",
		Example: "  blue-store keys grant which-cache ada",
		Args:    cobra.ExactArgs(2),
		RunE:    func(c *cobra.Command, args []string) error { return a.keysGrant(c.Context(), args[0], args[1]) },
	}
}

// grantAnswer is what keys grant says, schema blue-store/keys-grant@1.
type grantAnswer struct {
	Schema   string          `json:"schema"`
	Dialogue blue.DialogueID `json:"dialogue"`
	User     string          `json:"user"`
	Granted  bool            `json:"granted"` // false: they held every key already
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
		a.note("note: keys come from a file; whoever holds it is every user already")
	}
	answer := grantAnswer{"blue-store/keys-grant@1", id, user, granted}
	return a.answer(answer, func(w io.Writer) error {
		verb := "granted"
		if !granted {
			verb = "already granted"
		}
		_, err := fmt.Fprintf(w, "%s: %s may read and write %s\n", verb, oneLine(user), id)
		return err
	})
}

func keysRevokeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke DIALOGUE USER",
		Short: "Take a dialogue from a user, and seal it under a new key",
		Long: "Deletes the user's wraps in the commit that makes a new key version for everybody else, then\n" +
			"seals every item under it. What the user has read they keep, and a process of theirs that runs\n" +
			"opens what is not sealed anew yet, for the time of its cache at most. Run again, it makes one\n" +
			"more version. Versions and wraps that no holder of the key made are taken away too.",
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
		return withHint(err, keysHint(err, "the same command goes on where this one stopped"))
	}
	if !done.Held {
		a.note("note: no key of %s stood there; the dialogue was sealed anew all the same, in case they have kept one", oneLine(user))
	}
	answer := rotateAnswer{"blue-store/keys-rotate@1", strings.TrimSpace(oneLine(user)), []encrypted.Rotation{done}}
	return a.answer(answer, answer.text)
}
