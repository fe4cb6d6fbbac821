package main

import (
	"github.com/spf13/cobra"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
)

func tableCreateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "create",
		Short: "Create the missing tables and wait for them",
		Long: "Creates the missing tables with on-demand billing, deletion protection and point-in-time\n" +
			"recovery of 35 days (1 day for the keys, so that a destroyed key stays destroyed). Existing\n" +
			"tables do not change, except that recovery is turned on if keys and indexes are as defined.\n" +
			"You can run it again at any time.",
		Example: "  blue-store table create\n  BLUE_TABLE_PREFIX=team- blue-store table create --endpoint http://localhost:8000",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.tables(c.Context(), func(t *tables.Tables) ([]tables.Status, error) { return t.Create(c.Context()) })
		},
	}
}
