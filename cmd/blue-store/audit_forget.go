package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/audit"
)

func auditForgetCommand(a *app) *cobra.Command {
	var confirm string
	c := &cobra.Command{
		Use:   "forget USER",
		Short: "Forget who a user was: the log keeps the events, and nobody can link them to the name",
		Long: "Events hold pseudonyms; a small directory in the key table says whose they are. forget deletes\n" +
			"the user's entry there. The log stays whole and verifies as before. It takes the name once more,\n" +
			"typed on a terminal or as --confirm. Copies of the key table may still hold the entry.",
		Example: "  blue-store audit forget ada --confirm ada",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.auditForget(c.Context(), args[0], confirm) },
	}
	c.Flags().StringVar(&confirm, "confirm", "", "the `USER` once more, where nobody can be asked")
	return c
}

// forgetAnswer is what audit forget says, schema blue-store/audit-forget@1.
type forgetAnswer struct {
	Schema    string   `json:"schema"`
	User      string   `json:"user"`
	Forgotten []string `json:"forgotten"` // pseudonyms that nobody can link any more
}

func (a *app) auditForget(ctx context.Context, user, confirm string) error {
	err := a.confirm(ctx, confirmation{
		given: confirm, name: user, warning: "This forgets for good who " + clipped(user) + " was.",
		wants: "forget wants the name once more", hint: "blue-store audit forget " + clipped(user) + " --confirm " + clipped(user), undone: "forgotten",
	})
	if err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	if err := c.present(); err != nil {
		return err
	}
	records, err := a.openRecords(ctx, c, false)
	if err != nil {
		return err
	}
	defer records.Close()
	answer := forgetAnswer{Schema: "blue-store/audit-forget@1", User: user}
	if answer.Forgotten, err = forget(ctx, audit.NewDirectory(records), user); err != nil {
		return err
	}
	if len(answer.Forgotten) == 0 {
		return notFound("the directory knows no user %s", clipped(user))
	}
	return a.answer(answer, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "forgotten: %s (%d pseudonyms)\n", oneLine(user), len(answer.Forgotten))
		return err
	})
}

// forget deletes every entry of a user, who has one for each identity in AWS
// too, and returns the pseudonyms.
func forget(ctx context.Context, directory *audit.Directory, user string) ([]string, error) {
	names, err := directory.Names(ctx)
	if err != nil {
		return nil, err
	}
	forgotten := []string{}
	for pseudonym, name := range names {
		if name != user && userOf(name) != user {
			continue
		}
		if err := directory.Forget(ctx, name); err != nil {
			return nil, err
		}
		forgotten = append(forgotten, pseudonym)
	}
	return forgotten, nil
}
