package main

import (
	"github.com/spf13/cobra"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
)

func tableStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Compare the tables with their definition",
		Long: "Reports for each table whether it is missing, as defined, or different in keys, indexes,\n" +
			"billing, deletion protection or point-in-time recovery. It changes nothing. A feature that\n" +
			"the server does not support is reported, but does not count as a difference. For example,\n" +
			"DynamoDB Local has no point-in-time recovery.",
		Example: "  blue-store table status\n  blue-store table status --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.tables(c.Context(), func(t *tables.Tables) ([]tables.Status, error) { return t.Status(c.Context()) })
		},
	}
}
