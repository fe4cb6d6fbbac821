package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/term"

	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// app is one run of the program with its streams, environment and flags.
type app struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	env func(string) string

	closing error // error of closing the audit log, set by session.close

	args   []string     // the command line
	tracer trace.Tracer // set by startTrace
	flags  struct {
		store          string
		json           bool
		text           bool
		acceptRollback bool
		quiet          bool

		endpoint         string
		endpointGiven    bool
		insecureEndpoint bool
	}
}

// root returns the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "blue-store",
		Short: "Encrypted storage for alignment dialogues",
		Long: "blue-store stores alignment dialogues encrypted. The store contains only ciphertext.\n" +
			"The program reports every changed, missing or rolled-back item by name.",
		Example: "  blue-store demo\n" +
			"  blue-store import dialogue/inputs.json\n" +
			"  blue-store show ukfs-specification-review T0101",
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return a.checkFlags(c) },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetIn(a.in)
	f := root.PersistentFlags()
	f.StringVar(&a.flags.store, "store", "", "the store: `sqlite:PATH`, dynamodb or demo (BLUE_STORE; default SQLite in BLUE_HOME)")
	f.StringVar(&a.flags.endpoint, "endpoint", "", "`URL` of DynamoDB (DYNAMODB_ENDPOINT, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL; default AWS)")
	f.BoolVar(&a.flags.insecureEndpoint, "insecure-endpoint", false, "allow plain http to another host")
	f.BoolVar(&a.flags.json, "json", false, "print JSON (the default when standard output is not a terminal)")
	f.BoolVar(&a.flags.text, "text", false, "print text (the default on a terminal)")
	f.BoolVar(&a.flags.acceptRollback, "accept-rollback", false, "accept a state that is older than the last one this client has seen")
	f.BoolVarP(&a.flags.quiet, "quiet", "q", false, "print no progress and no notes on standard error")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		// The flags after the wrong one were not parsed, but the error must use their format.
		a.flags.json = a.flags.json || slices.Contains(a.args, "--json")
		a.flags.text = a.flags.text || slices.Contains(a.args, "--text")
		return flagError(c, err)
	})
	a.group(root, commands...)
	setHelp(root)
	usageArgs(root)
	return root
}

func (a *app) checkFlags(c *cobra.Command) error {
	if a.flags.json && a.flags.text {
		return usage("--json and --text exclude each other")
	}
	if f := c.Flags().Lookup("endpoint"); f != nil {
		a.flags.endpointGiven = f.Changed
	}
	return checkRequired(c)
}

// isJSON reports whether the run prints answers and errors as JSON.
func (a *app) isJSON() bool {
	return a.flags.json || !a.flags.text && !isTerminal(a.out)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// answer prints a result: v as JSON, or the output of text, which writes to memory.
func (a *app) answer(v any, text func(w io.Writer)) error {
	var b bytes.Buffer
	if !a.isJSON() {
		text(&b)
		return a.write(b.Bytes())
	}
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return a.write(escapeControls(b.Bytes()))
}

// answerText prints a result: v as JSON, or text as display.Printable returns it.
func (a *app) answerText(v any, text string) error {
	return a.answer(v, func(w io.Writer) { io.WriteString(w, display.Printable(text)) })
}

// escapeControls replaces control characters and bidirectional controls in JSON by
// \uXXXX. The value stays the same, and a terminal does not interpret it.
func escapeControls(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r != '\n' && display.IsControl(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.Bytes()
}

// write writes bytes to standard output. A closed pipe is an error.
func (a *app) write(b []byte) error {
	if _, err := a.out.Write(b); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// note prints a note on standard error, unless --quiet is set.
func (a *app) note(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.err, "%s\n", display.Printable(fmt.Sprintf(format, args...)))
	}
}

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
		Args:  cobra.ArbitraryArgs,
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

// usageArgs makes every error of an argument a usageError. A command without Args
// takes no arguments.
func usageArgs(c *cobra.Command) {
	c.InitDefaultHelpFlag() // otherwise the second help text would differ from the first
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if c.HasAvailableSubCommands() && len(args) > 0 && c.Annotations[runsAlone] == "" {
			return unknownCommand(c, args[0])
		}
		if err := check(c, args); err != nil {
			return &usageError{message: clipArgument(err.Error()), hint: seeHelp(c)}
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
	return unknownArgument(parent, fmt.Sprintf("unknown command %q for %q", clipArgument(name), parent.CommandPath()), nearest(name, names), parent.CommandPath()+" ")
}

// flagError returns a usageError for a wrong flag. It suggests the nearest name.
func flagError(c *cobra.Command, err error) error {
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return &usageError{message: clipArgument(err.Error()), hint: seeHelp(c)}
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return unknownArgument(c, clipArgument(err.Error()), nearest(missing.GetSpecifiedName(), names), "--")
}

func unknownArgument(c *cobra.Command, message, near, prefix string) error {
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

// nearest returns a name that is similar to the typed text by the rules of cobra,
// "" if there is none.
func nearest(typed string, names []string) string {
	const longest = 64 // bytes; the time grows with the length
	if typed == "" || len(typed) > longest {
		return ""
	}
	list := &cobra.Command{SuggestionsMinimumDistance: max(2, len(typed)/3)}
	for _, name := range slices.Sorted(slices.Values(names)) {
		list.AddCommand(&cobra.Command{Use: name, Run: func(*cobra.Command, []string) {}})
	}
	if similar := list.SuggestionsFor(typed); len(similar) > 0 {
		return similar[0]
	}
	return ""
}

// clipArgument shortens typed text that a message repeats.
func clipArgument(s string) string { return bounded.Cut(s, 200, "…") }
