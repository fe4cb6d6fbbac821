package main

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/encrypted"
)

func keysRewrapCommand(a *app) *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "rewrap",
		Short: "After a change of the KMS key: put your own keys under the new one",
		Long: "BLUE_KMS_KEY_ARN names the new key. rewrap opens your own key, and what others granted to\n" +
			"you, with the KMS key that was used until now, and wraps them under the new one. No dialogue is\n" +
			"touched. Each user does so for themselves, while both keys can be used; the policy in deploy/iam\n" +
			"is due for both. Automatic rotation within one KMS key needs none of this.",
		Example: "  blue-store keys rewrap\n  blue-store keys rewrap --from arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.keysRewrap(c.Context(), from) },
	}
	c.Flags().StringVar(&from, "from", "", "`ARN` of the KMS key until now (default: the one your stored key names, or named until it was rewrapped)")
	return c
}

// rewrapAnswer is what keys rewrap says, schema blue-store/keys-rewrap@1.
type rewrapAnswer struct {
	Schema string `json:"schema"`
	From   string `json:"from"` // "" if everything lies under the new key already
	To     string `json:"to"`
	encrypted.Rewrapping
}

func (a *app) keysRewrap(ctx context.Context, from string) error {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if !s.config.kms.used() {
		return &usageError{"keys rewrap is for KMS, and BLUE_KMS_KEY_ARN is not set; a key file is never changed", "to change a dialogue's own key: blue-store keys rotate"}
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
		if answer.From = own.UMK; answer.From == answer.To { // by a run that may have been stopped before the grants
			answer.From = own.Before
		}
		if answer.From == "" || answer.From == answer.To {
			return &usageError{"your own key names no other KMS key", "if only grants of others lie under another one: --from ARN"}
		}
	}
	old := s.config.kms
	old.arn = answer.From
	source, err := a.kmsProvider(ctx, old, s.records)
	if err != nil {
		return err
	}
	// Not the audit log, which a user may not read (deploy/iam/user.json).
	ids, err := everyDialogue(ctx, s.store, s.config)
	if err != nil {
		return err
	}
	if answer.Rewrapping, err = s.store.Rewrap(ctx, source, each(ids)); err != nil {
		return withHint(err, keysHint(err, "both KMS keys open what each wraps; the same command goes on"))
	}
	return a.answer(answer, func(w io.Writer) error {
		if answer.Own {
			fmt.Fprintf(w, "rewrapped: the key of %s, now under %s\n", oneLine(s.config.user), answer.To)
		}
		for id, n := range answer.Granted {
			fmt.Fprintf(w, "rewrapped: %d granted key(s) of %s\n", n, id)
		}
		if !answer.Own && len(answer.Granted) == 0 {
			fmt.Fprintln(w, "there was nothing to rewrap")
		}
		return nil
	})
}

// each yields dialogues that are known.
func each(ids []blue.DialogueID) iter.Seq2[blue.DialogueID, error] {
	return func(yield func(blue.DialogueID, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}
