package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpTemplate shows the examples before the flags.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if .HasExample}}Examples:
{{.Example}}

{{end}}Usage:
{{if .Runnable}}  {{.UseLine}}
{{end}}{{if .HasAvailableSubCommands}}  {{.CommandPath}} [command]

Commands:{{range .Commands}}{{if (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Flags of every command:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{end}}{{if not .HasParent}}
%s{{end}}`

// setHelp sets the templates of the help texts. It also adds cobra's own commands,
// so that usageArgs changes them too.
func setHelp(root *cobra.Command) {
	template := fmt.Sprintf(helpTemplate, exitCodeHelp())
	root.SetHelpTemplate(template)
	root.SetUsageTemplate(template)
	root.SetHelpCommand(&cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			target, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c.Root(), strings.Join(args, " "))
			}
			return target.Help()
		},
	})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
}

func exitCodeHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitMeanings {
		fmt.Fprintf(&b, "  %-4d %s\n", e.code, e.meaning)
	}
	return b.String()
}

// usageArgs makes every error of an argument a usageError.
func usageArgs(c *cobra.Command) {
	c.InitDefaultHelpFlag() // otherwise the second help text would differ from the first
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if c.HasAvailableSubCommands() && len(args) > 0 && c.Annotations[runsAlone] == "" {
			return unknownCommand(c, args[0])
		}
		if check == nil {
			return nil
		}
		if err := check(c, args); err != nil {
			return &usageError{message: clip(err.Error()), hint: seeHelp(c)}
		}
		return nil
	}
	for _, sub := range c.Commands() {
		usageArgs(sub)
	}
}

func seeHelp(c *cobra.Command) string { return "see: " + c.CommandPath() + " --help" }

func unknownCommand(parent *cobra.Command, name string) error {
	var names []string
	for _, c := range parent.Commands() {
		names = append(names, c.Name())
	}
	return unknown(parent, fmt.Sprintf("unknown command %q for %q", clip(name), parent.CommandPath()), nearest(name, names), parent.CommandPath()+" ")
}

// flagError returns a usageError for a wrong flag. It suggests the nearest name.
func flagError(c *cobra.Command, err error) error {
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return &usageError{message: clip(err.Error()), hint: seeHelp(c)}
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return unknown(c, clip(err.Error()), nearest(missing.GetSpecifiedName(), names), "--")
}

func unknown(c *cobra.Command, message, near, prefix string) error {
	if near == "" {
		return &usageError{message: message, hint: seeHelp(c)}
	}
	return &usageError{message: message, hint: "did you mean " + prefix + near + "?"}
}

// requiredFlags marks flags that must be given. checkRequired enforces them.
func requiredFlags(c *cobra.Command, names ...string) {
	for _, name := range names {
		if err := c.MarkFlagRequired(name); err != nil {
			panic("blue-store: " + err.Error())
		}
	}
}

// checkRequired returns a usageError if a required flag is missing. Cobra would
// return an error with another exit code later.
func checkRequired(c *cobra.Command) error {
	var missing []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Changed && f.Annotations[cobra.BashCompOneRequiredFlag] != nil {
			missing = append(missing, "--"+f.Name)
		}
	})
	if len(missing) == 0 {
		return nil
	}
	return &usageError{message: "missing " + strings.Join(missing, ", "), hint: seeHelp(c)}
}

// nearest returns the name with the least distance from the typed text, "" if
// every name differs in more than a third of the characters.
func nearest(typed string, names []string) string {
	best, least := "", max(2, len(typed)/3)+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		d := distance(typed, name)
		if strings.HasPrefix(name, typed) && typed != "" {
			d = 1
		}
		if d < least {
			best, least = name, d
		}
	}
	return best
}

// distance returns the Levenshtein distance of two short words in bytes.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// clip shortens typed text that a message repeats.
func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
