package main

import "github.com/spf13/cobra"

// commands lists the constructors of the commands, in the order of the help.
var commands = []func(*app) *cobra.Command{
	dialogueCommand,
	listCommand,
	showCommand,
	citeCommand,
	demoCommand,
	importCommand,
	graphCommand,
	exportCommand,
	inspectCommand,
	verifyCommand,
	copyCommand,
	keysCommand,
	eraseCommand,
	auditCommand,
	tableCommand,
	resetCommand,
	doctorCommand,
	configCommand,
	versionCommand,
}

// dialogueCommands lists the subcommands of dialogue.
var dialogueCommands = []func(*app) *cobra.Command{
	dialogueCreateCommand,
	expertCreateCommand,
	roundRegisterCommand,
	verdictRegisterCommand,
}

// group adds subcommands to a command, which itself prints its help.
func (a *app) group(c *cobra.Command, below []func(*app) *cobra.Command) *cobra.Command {
	c.Args = cobra.NoArgs
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	for _, add := range below {
		c.AddCommand(add(a))
	}
	return c
}
