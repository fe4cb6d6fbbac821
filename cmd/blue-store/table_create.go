package main

import (
	"github.com/spf13/cobra"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
)

func tableCreateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "create",
		Short: "Create the tables that are missing, and wait for them",
		Long: "Creates the tables that are missing: on-demand billing, deletion protection, point-in-time\n" +
			"recovery of 35 days (1 day for the keys, so that a destroyed key stays destroyed). Tables\n" +
			"that are there stay as they are; only recovery that is off is turned on where keys and\n" +
			"indexes are as defined. May be run again at any time.",
		Example: "  blue-store table create\n  BLUE_TABLE_PREFIX=team- blue-store table create --endpoint http://localhost:8000",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.tables(c.Context(), func(t *tables.Tables) ([]tables.Status, error) { return t.Create(c.Context()) })
		},
	}
}
