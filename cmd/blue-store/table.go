package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

func tableCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:   "table",
		Short: "Create and compare the DynamoDB tables",
		Long: "The store needs three DynamoDB tables: dialogues, audit log and wrapped keys. table create\n" +
			"creates the missing ones. table status compares the tables with their definition. table plan\n" +
			"prints the definition as a CloudFormation template. A table with another definition is\n" +
			"reported and never changed.",
		Example: "  blue-store table create --endpoint http://localhost:8000\n  blue-store table status\n  blue-store table plan > tables.json",
	}, tableCreateCommand, tablePlanCommand, tableStatusCommand)
}

// tablesJSON is the answer of create and status.
type tablesJSON struct {
	Where  string          `json:"where"`
	Tables []tables.Status `json:"tables"`
	Status string          `json:"status"` // "ok", or "error" if not all tables are as defined
}

// tables prints the status of the tables that ask returns. It returns an error
// after the answer if a table differs from its definition.
func (a *app) tables(ctx context.Context, ask func(*tables.Tables) ([]tables.Status, error)) error {
	config, err := a.dynamoConfig(ctx)
	if err != nil {
		return err
	}
	admin, err := tables.Open(config)
	if err != nil {
		return err
	}
	found, err := ask(admin)
	if err != nil {
		return err
	}
	answer := tablesJSON{admin.At, found, "ok"}
	if admin.Check(found) != nil {
		answer.Status = "error"
	}
	if err := a.answer(answer, answer.text); err != nil {
		return err
	}
	return admin.Check(found)
}

func (t tablesJSON) text(w io.Writer) {
	for _, table := range t.Tables {
		state := string(table.State)
		if table.Created {
			state = "created"
		}
		fmt.Fprintf(w, "%-10s %s\n", state, display.OneLine(table.Name))
		for _, d := range table.Differs {
			fmt.Fprintf(w, "%-10s   %s\n", "", display.OneLine(d))
		}
		for _, n := range table.NotHere {
			fmt.Fprintf(w, "%-10s   not supported here: %s\n", "", display.OneLine(n))
		}
	}
}

func tableCreateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "create",
		Short: "Create the missing tables and wait for them",
		Long: "Creates the missing tables with on-demand billing, deletion protection and point-in-time\n" +
			"recovery of 35 days (1 day for the keys, so that a destroyed key stays destroyed). Existing\n" +
			"tables do not change, except that recovery is turned on if keys and indexes are as defined.\n" +
			"You can run it again at any time.",
		Example: "  blue-store table create\n  BLUE_TABLE_PREFIX=team- blue-store table create --endpoint http://localhost:8000",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.tables(c.Context(), func(t *tables.Tables) ([]tables.Status, error) { return t.Create(c.Context()) })
		},
	}
}

func tablePlanCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "plan",
		Short: "Print the tables as a CloudFormation template",
		Long: "Prints the definition of the tables as a CloudFormation template in JSON. It sends nothing.\n" +
			"The tables remain when you delete the stack.",
		Example: "  blue-store table plan > tables.json\n" +
			"  aws cloudformation deploy --template-file tables.json --stack-name blue-store",
		RunE: func(*cobra.Command, []string) error {
			template, err := tables.Plan(a.env("BLUE_TABLE_PREFIX"))
			if err != nil {
				return err
			}
			return a.write(append(template, '\n'))
		},
	}
}

func tableStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Compare the tables with their definition",
		Long: "Reports for each table whether it is missing, as defined, or different in keys, indexes,\n" +
			"billing, deletion protection or point-in-time recovery. It changes nothing. A feature that\n" +
			"the server does not support is reported, but does not count as a difference. For example,\n" +
			"DynamoDB Local has no point-in-time recovery.",
		Example: "  blue-store table status\n  blue-store table status --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.tables(c.Context(), func(t *tables.Tables) ([]tables.Status, error) { return t.Status(c.Context()) })
		},
	}
}
