package main

import "github.com/spf13/cobra"

// commands lists what builds each command, in the order of help.
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

// dialogueCommands lists the commands below dialogue.
var dialogueCommands = []func(*app) *cobra.Command{
	dialogueCreateCommand,
	expertCreateCommand,
	roundRegisterCommand,
	verdictRegisterCommand,
}
