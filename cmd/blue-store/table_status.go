package main

import (
	"github.com/spf13/cobra"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
)

func tableStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Compare the tables with their definition",
		Long: "Says of each table whether it is missing, as defined, or what differs: keys, indexes,\n" +
			"billing, deletion protection, point-in-time recovery. It changes nothing. What a server\n" +
			"cannot do (DynamoDB Local has no point-in-time recovery) is said, and is no difference.",
		Example: "  blue-store table status\n  blue-store table status --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.tables(c.Context(), func(t *tables.Tables) ([]tables.Status, error) { return t.Status(c.Context()) })
		},
	}
}
