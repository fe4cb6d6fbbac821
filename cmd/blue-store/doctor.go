package main

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

func doctorCommand(a *app) *cobra.Command {
	var fix bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check the surroundings: files, modes, key, SQLite or DynamoDB, memory of this client",
		Long: "Says which files and settings are in use and what is wrong with them. It never makes a key\n" +
			"or a store, and looks into no dialogue: that is verify. The exit code is that of the worst\n" +
			"finding.",
		Example: "  blue-store doctor\n  blue-store doctor --fix",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), fix) },
	}
	c.Flags().BoolVar(&fix, "fix", false, "take access to keys, data and memory away from others (chmod); nothing else")
	return c
}

// diagnosis is one line of the doctor's answer.
type diagnosis struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
	err    error  // what the exit code follows from
}

// examination collects the findings of one run.
type examination struct {
	config   config
	app      *app
	fix      bool
	findings []diagnosis
}

func (x *examination) fine(check, format string, args ...any) {
	x.findings = append(x.findings, diagnosis{Check: check, OK: true, Detail: fmt.Sprintf(format, args...)})
}

func (x *examination) wrong(check string, err error) {
	x.findings = append(x.findings, diagnosis{Check: check, Detail: err.Error(), Hint: hintOf(err), err: err})
}

func (a *app) doctor(ctx context.Context, fix bool) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	x := &examination{config: c, fix: fix, app: a}
	x.fine("home", "%s", presence(c.home))
	x.fine("user", "%s", c.user)
	x.modes()
	x.sqliteVersion(sqlite.SQLiteVersion)
	if c.kind == kindDynamoDB {
		x.dynamo(ctx, a)
	} else {
		x.store(ctx)
	}
	x.heads()
	x.fine("cache", "opened keys stay in a process for %s at most: that is the delay of a revocation", keys.DefaultTTL)
	x.memory()
	x.fips()
	status := "ok"
	if x.worst() != nil {
		status = "error"
	}
	answer := struct {
		Checks []diagnosis `json:"checks"`
		Status string      `json:"status"`
	}{x.findings, status}
	if err := a.answer(answer, x.text); err != nil {
		return err
	}
	return x.worst()
}

func presence(path string) string {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return path + " (not there yet)"
	}
	return path
}

// worst returns the gravest finding as an error, in the order of kinds.
func (x *examination) worst() error {
	found, worst, least := 0, error(nil), len(kinds)+1
	for _, f := range x.findings {
		if f.err == nil {
			continue
		}
		found++
		if g := gravity(f.err); g < least {
			worst, least = f.err, g
		}
	}
	if worst == nil {
		return nil
	}
	return withHint(&shortened{worst, fmt.Sprintf("%d finding(s)", found)}, hintOf(worst))
}

// gravity is an error's place in kinds; the gravest is 0.
func gravity(err error) int {
	for i, k := range kinds {
		if errors.Is(err, k.err) {
			return i
		}
	}
	return len(kinds)
}

func (x *examination) text(w io.Writer) error {
	for _, f := range x.findings {
		mark := "ok"
		if !f.OK {
			mark = "!!"
		}
		fmt.Fprintf(w, "%s  %-10s %s\n", mark, f.Check, oneLine(f.Detail))
		if f.Hint != "" {
			fmt.Fprintf(w, "    %-10s hint: %s\n", "", oneLine(f.Hint))
		}
	}
	return nil
}

// leastSQLite is the first version with the fixes this store relies on.
const leastSQLite = "3.51.3"

func (x *examination) sqliteVersion(have string) {
	if olderVersion(have, leastSQLite) {
		x.wrong("sqlite", fmt.Errorf("%w: SQLite %s is older than %s", blue.ErrUnavailable, have, leastSQLite))
		return
	}
	x.fine("sqlite", "%s", have)
}

// olderVersion compares dotted numbers.
func olderVersion(a, b string) bool {
	numbers := func(s string) (list []int) {
		for part := range strings.SplitSeq(s, ".") {
			n, _ := strconv.Atoi(part)
			list = append(list, n)
		}
		return list
	}
	return slices.Compare(numbers(a), numbers(b)) < 0
}

// store looks at the database files, then at the key that belongs to them.
func (x *examination) store(ctx context.Context) {
	path := x.config.database
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		x.fine("store", "%s", presence(path))
		x.key(ctx, nil)
		return
	}
	s, err := sqlite.Open(ctx, path, &sqlite.Options{ReadOnly: true})
	if err != nil {
		x.wrong("store", err)
		x.key(ctx, nil)
		return
	}
	defer s.Close()
	if err := s.Check(ctx); err != nil {
		x.wrong("store", err)
	} else {
		x.fine("store", "%s, integrity_check ok", path)
	}
	x.key(ctx, s)
	x.dialogues(ctx, s)
}

// dialogues counts what the index of dialogues holds.
func (x *examination) dialogues(ctx context.Context, s backend) {
	rows, err := engine.New(s, nil).List(ctx)
	if err != nil {
		x.wrong("dialogues", err)
		return
	}
	x.fine("dialogues", "%d", len(rows))
}

// key compares the key file with the key that sealed the store. It never
// makes one. Where keys come from KMS, it asks there.
func (x *examination) key(ctx context.Context, s backend) {
	if x.config.kms.used() {
		x.kms(ctx, s)
		return
	}
	opts, sealedWith := &localfile.Options{}, ""
	if s != nil {
		opts.SealedWith, sealedWith = s.SealedWith, s.SealedWith(ctx)
	}
	_, missing := os.Lstat(x.config.umk)
	if errors.Is(missing, fs.ErrNotExist) && sealedWith == "" {
		x.fine("key", "%s (not there yet)", x.config.umk)
		return
	}
	have, err := localfile.Open(x.config.umk, opts).Fingerprint(ctx)
	switch {
	case err != nil:
		x.wrong("key", err)
	case sealedWith != "" && have != sealedWith:
		x.wrong("key", withHint(fmt.Errorf("%w: the store was sealed with %s, %s is %s", blue.ErrSealed, sealedWith, x.config.umk, have),
			"put the right key file back; the data may be fine"))
	default:
		x.fine("key", "%s %s", have, x.config.umk)
	}
}

// memory says where keys are while they are used. Either is fine.
func (x *examination) memory() {
	if envelope.IsGuarded() {
		x.fine("memory", "keys are made and opened in runtime/secret, and zeroed after use")
		return
	}
	x.fine("memory", "plain; keys are zeroed after use (a build with GOEXPERIMENT=runtimesecret uses runtime/secret)")
}

// fips says how the cryptography runs. Any mode is fine.
func (x *examination) fips() {
	mode := "off (the same algorithms; GODEBUG=fips140=on turns self-tests and the validated module on)"
	switch {
	case fips140.Enforced():
		mode = "only, Go Cryptographic Module " + fips140.Version()
	case fips140.Enabled():
		mode = "on, Go Cryptographic Module " + fips140.Version()
	}
	x.fine("fips140", "%s", mode)
}
