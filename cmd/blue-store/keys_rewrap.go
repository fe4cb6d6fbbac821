package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/encrypted"
)

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
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.keysRewrap(c.Context(), from) },
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

func (a *app) keysRewrap(ctx context.Context, from string) error {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
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
	if answer.Rewrapping, err = s.store.Rewrap(ctx, source, sequence(ids)); err != nil {
		return withHint(err, keysHint(err, "each KMS key still opens the keys that it wraps; the same command continues"))
	}
	text := ""
	if answer.Own {
		text = fmt.Sprintf("rewrapped: the key of %s, now under %s\n", oneLine(s.config.user), answer.To)
	}
	for id, n := range answer.Granted {
		text += fmt.Sprintf("rewrapped: %d granted key(s) of %s\n", n, id)
	}
	return a.answerText(answer, cmp.Or(text, "there was nothing to rewrap\n"))
}

// sequence returns the dialogues as a sequence without errors.
func sequence(ids []blue.DialogueID) iter.Seq2[blue.DialogueID, error] {
	return func(yield func(blue.DialogueID, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}
