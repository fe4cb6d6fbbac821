package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/audit"
)

func auditForgetCommand(a *app) *cobra.Command {
	var confirm string
	c := &cobra.Command{
		Use:   "forget USER",
		Short: "Delete the link between a user's name and the events in the log",
		Long: "Events contain pseudonyms. A directory in the key table maps them to names. forget deletes the\n" +
			"user's entries there. The log stays complete and verifies as before. You must confirm the name,\n" +
			"on a terminal or with --confirm. Copies of the key table can still contain the entries.",
		Example: "  blue-store audit forget ada --confirm ada",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.auditForget(c.Context(), args[0], confirm) },
	}
	c.Flags().StringVar(&confirm, "confirm", "", "the name of the `USER` again, instead of the question on a terminal")
	return c
}

// forgetAnswer is the answer of audit forget, schema blue-store/audit-forget@1.
type forgetAnswer struct {
	Schema    string   `json:"schema"`
	User      string   `json:"user"`
	Forgotten []string `json:"forgotten"` // pseudonyms without a name now
}

func (a *app) auditForget(ctx context.Context, user, confirm string) error {
	err := a.confirm(ctx, confirmation{
		given: confirm, name: user, warning: "This permanently deletes the name " + clip(user) + " from the directory of the audit log.",
		wants: "audit forget requires the name as confirmation", hint: "blue-store audit forget " + clip(user) + " --confirm " + clip(user), undone: "forgotten",
	})
	if err != nil {
		return err
	}
	_, records, err := a.openStored(ctx, false)
	if err != nil {
		return err
	}
	defer records.Close()
	directory := audit.NewDirectory(records)
	names, err := directory.Names(ctx)
	if err != nil {
		return err
	}
	forgotten := pseudonymsOf(user, names)
	if len(forgotten) == 0 {
		return notFound("the directory has no user %s", clip(user))
	}
	for _, pseudonym := range forgotten {
		if err := directory.Forget(ctx, names[pseudonym]); err != nil {
			return err
		}
	}
	return a.answerText(forgetAnswer{"blue-store/audit-forget@1", user, forgotten},
		fmt.Sprintf("forgotten: %s (%d pseudonyms)\n", oneLine(user), len(forgotten)))
}
