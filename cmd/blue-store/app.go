package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/term"
)

// app is one run of the program: its streams, its environment, its flags.
type app struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	env func(string) string

	closing error // of the audit log; see session.close

	args  []string // as typed
	spans trace.TracerProvider
	flags struct {
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
		Long: "blue-store keeps alignment dialogues sealed: what lies in the store is ciphertext,\n" +
			"and a changed, missing or rolled-back item is reported by name.",
		Example: "  blue-store demo\n" +
			"  blue-store import dialogue/inputs.json\n" +
			"  blue-store show ukfs-specification-review T0101",
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return a.checkFlags(c) },
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
		Args:              cobra.NoArgs,
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetIn(a.in)
	f := root.PersistentFlags()
	f.StringVar(&a.flags.store, "store", "", "where: `sqlite:PATH`, dynamodb or demo (BLUE_STORE; default sqlite under BLUE_HOME)")
	f.StringVar(&a.flags.endpoint, "endpoint", "", "`URL` of DynamoDB (DYNAMODB_ENDPOINT, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL; default AWS)")
	f.BoolVar(&a.flags.insecureEndpoint, "insecure-endpoint", false, "allow an endpoint that is plain http to another host")
	f.BoolVar(&a.flags.json, "json", false, "print JSON (the default when standard output is not a terminal)")
	f.BoolVar(&a.flags.text, "text", false, "print text for people (the default on a terminal)")
	f.BoolVar(&a.flags.acceptRollback, "accept-rollback", false, "work on a state older than one this client has seen")
	f.BoolVarP(&a.flags.quiet, "quiet", "q", false, "no progress on standard error")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		// What stands behind the fault was not read; the format is wanted all the same.
		a.flags.json = a.flags.json || slices.Contains(a.args, "--json")
		a.flags.text = a.flags.text || slices.Contains(a.args, "--text")
		return flagError(c, err)
	})
	for _, add := range commands {
		root.AddCommand(add(a))
	}
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

// json reports whether answers and errors are JSON.
func (a *app) json() bool {
	return a.flags.json || !a.flags.text && !isTerminal(a.out)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// answer prints a result: v as JSON, or what text writes.
func (a *app) answer(v any, text func(w io.Writer) error) error {
	if !a.json() {
		var b bytes.Buffer
		if err := text(&b); err != nil {
			return err
		}
		return a.write(b.Bytes())
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return a.write(escaped(b.Bytes()))
}

// escaped writes the control characters that JSON allows in a string, and the
// bidirectional ones, as \uXXXX: the same value, and nothing for a terminal.
func escaped(text []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(text) {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.Bytes()
}

// write puts bytes on standard output. A closed pipe is an error.
func (a *app) write(b []byte) error {
	if _, err := a.out.Write(b); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// note prints a line for people on standard error, unless --quiet.
func (a *app) note(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.err, "%s\n", printable(fmt.Sprintf(format, args...)))
	}
}

// printable replaces what could drive a terminal: control characters but
// newline and tab, the bidirectional controls, and what is no UTF-8.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// oneLine is printable for a text that must not end its line, such as a label
// or a title: it could pretend to be the next one.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '\n', '\r', '\t', '\u2028', '\u2029':
			return ' '
		}
		return r
	}, printable(s))
}
