package main

import (
	"github.com/spf13/cobra"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
)

func tablePlanCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Print the tables as a CloudFormation template",
		Long: "Prints the definition of the tables as a CloudFormation template in JSON. It sends nothing.\n" +
			"The tables remain when you delete the stack.",
		Example: "  blue-store table plan > tables.json\n" +
			"  aws cloudformation deploy --template-file tables.json --stack-name blue-store",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			template, err := tables.Plan(a.env("BLUE_TABLE_PREFIX"))
			if err != nil {
				return err
			}
			return a.write(append(template, '\n'))
		},
	}
}
