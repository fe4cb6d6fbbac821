package main

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/semver"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

func doctorCommand(a *app) *cobra.Command {
	var fix bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check files, modes, keys, SQLite or DynamoDB, and the freshness records of this client",
		Long: "Prints the files and settings in use and reports errors in them. It never creates a key or a\n" +
			"store, and does not read dialogues. Use verify for that. The exit code is the code of the worst\n" +
			"finding.",
		Example: "  blue-store doctor\n  blue-store doctor --fix",
		RunE:    func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), fix) },
	}
	c.Flags().BoolVar(&fix, "fix", false, "revoke the access of other users to keys, data and freshness records (chmod)")
	return c
}

// finding is one line of the answer of doctor.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
	err    error  // determines the exit code
}

// healthCheck collects the findings of one run.
type healthCheck struct {
	config   config
	app      *app
	fix      bool
	findings []finding
}

// ok adds a finding without an error.
func (h *healthCheck) ok(check, format string, args ...any) {
	h.findings = append(h.findings, finding{Check: check, OK: true, Detail: fmt.Sprintf(format, args...)})
}

// fail adds a finding with an error.
func (h *healthCheck) fail(check string, err error) {
	h.findings = append(h.findings, finding{Check: check, Detail: err.Error(), Hint: hintOf(err), err: err})
}

// add calls fail if err is set, otherwise ok.
func (h *healthCheck) add(check string, err error, format string, args ...any) {
	if err != nil {
		h.fail(check, err)
	} else {
		h.ok(check, format, args...)
	}
}

func (a *app) doctor(ctx context.Context, fix bool) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	h := &healthCheck{config: c, fix: fix, app: a}
	h.ok("home", "%s", printedPath(c.home))
	h.ok("user", "%s", c.user)
	h.checkModes()
	h.checkSQLite(sqlite.SQLiteVersion)
	h.checkStore(ctx)
	h.checkFreshness()
	h.ok("cache", "a process keeps opened keys for at most %s; revoked access ends after that time", keys.DefaultTTL)
	h.checkRuntime()
	worst, status := h.worst(), "ok"
	if worst != nil {
		status = "error"
	}
	answer := struct {
		Checks []finding `json:"checks"`
		Status string    `json:"status"`
	}{h.findings, status}
	return errors.Join(a.answer(answer, h.text), worst)
}

// printedPath returns a path with a remark if nothing exists there.
func printedPath(path string) string {
	if isMissing(path) {
		return path + " (not there yet)"
	}
	return path
}

// worst returns the most severe error, in the order of kinds, with the number of
// errors as its text.
func (h *healthCheck) worst() error {
	var failed []error
	for _, f := range h.findings {
		if f.err != nil {
			failed = append(failed, f.err)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	worst := slices.MinFunc(failed, func(x, y error) int { return errorRank(x) - errorRank(y) })
	return withHint(&shortError{worst, display.Count(len(failed), "finding")}, hintOf(worst))
}

// errorRank returns the place of an error in kinds. The most severe error has rank
// 0.
func errorRank(err error) int {
	for i, k := range kinds {
		if errors.Is(err, k.err) {
			return i
		}
	}
	return len(kinds)
}

func (h *healthCheck) text(w io.Writer) {
	for _, f := range h.findings {
		mark := "ok"
		if !f.OK {
			mark = "!!"
		}
		fmt.Fprintf(w, "%s  %-10s %s\n", mark, f.Check, display.OneLine(f.Detail))
		if f.Hint != "" {
			fmt.Fprintf(w, "    %-10s hint: %s\n", "", display.OneLine(f.Hint))
		}
	}
}

// minSQLite is the first version of SQLite with the fixes that the store needs.
const minSQLite = "3.51.3"

func (h *healthCheck) checkSQLite(version string) {
	var err error
	if isOlder(version, minSQLite) {
		err = fmt.Errorf("%w: SQLite %s is older than %s", blue.ErrUnavailable, version, minSQLite)
	}
	h.add("sqlite", err, "%s", version)
}

// isOlder reports whether version a is older than b. Both are dotted numbers. A
// text that is not a version is older than every version.
func isOlder(a, b string) bool { return semver.Compare("v"+a, "v"+b) < 0 }

// checkStore checks the store, its key and its list of dialogues.
func (h *healthCheck) checkStore(ctx context.Context) {
	open := h.openDatabase
	if h.config.kind == kindDynamoDB {
		open = h.openTables
	}
	s, err := open(ctx)
	if err != nil {
		h.fail("store", err)
	}
	if err != nil || s == nil {
		h.checkKey(ctx, nil)
		return
	}
	defer s.Close()
	h.checkKey(ctx, s)
	rows, err := engine.New(s, nil).List(ctx)
	h.add("dialogues", err, "%d", len(rows))
}

// openDatabase checks the SQLite database and opens it. It returns nil if there
// is none.
func (h *healthCheck) openDatabase(ctx context.Context) (backend, error) {
	path := h.config.database
	if isMissing(path) {
		h.ok("store", "%s", printedPath(path))
		return nil, nil
	}
	s, err := sqlite.Open(ctx, path, &sqlite.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	h.add("store", s.Check(ctx), "%s, integrity_check ok", path)
	return s, nil
}

// checkKey compares the key file with the key that sealed the store, or checks
// the key in KMS. It never creates a key.
func (h *healthCheck) checkKey(ctx context.Context, s backend) {
	if h.config.kms.isSet() {
		h.checkKMS(ctx, s)
		return
	}
	opts, sealedWith := &localfile.Options{}, ""
	if s != nil {
		opts.SealedWith, sealedWith = s.SealedWith, s.SealedWith(ctx)
	}
	if isMissing(h.config.umk) && sealedWith == "" {
		h.ok("key", "%s", printedPath(h.config.umk))
		return
	}
	fingerprint, err := localfile.Open(h.config.umk, opts).Fingerprint(ctx)
	if err == nil && sealedWith != "" && fingerprint != sealedWith {
		err = withHint(fmt.Errorf("%w: the store was sealed with %s, but %s is %s", blue.ErrSealed, sealedWith, h.config.umk, fingerprint),
			"restore the right key file; the data can be undamaged")
	}
	h.add("key", err, "%s %s", fingerprint, h.config.umk)
}

// checkRuntime reports the protection of keys in memory and the FIPS 140 mode.
// None of them is an error.
func (h *healthCheck) checkRuntime() {
	memory := "plain; keys are zeroed after use (a build with GOEXPERIMENT=runtimesecret uses runtime/secret)"
	if envelope.IsGuarded() {
		memory = "keys are created and opened in runtime/secret, and zeroed after use"
	}
	h.ok("memory", "%s", memory)
	mode := "off (the same algorithms; GODEBUG=fips140=on enables self-tests and the validated module)"
	switch {
	case fips140.Enforced():
		mode = "only, Go Cryptographic Module " + fips140.Version()
	case fips140.Enabled():
		mode = "on, Go Cryptographic Module " + fips140.Version()
	}
	h.ok("fips140", "%s", mode)
}

// openTables checks the endpoint and the tables, and opens the store. It changes
// nothing.
func (h *healthCheck) openTables(ctx context.Context) (backend, error) {
	d := h.config.dynamo
	h.ok("endpoint", "%s (from %s)%s", d.where(), d.From, endpointExposure(d.Endpoint, "signatures and item names"))
	what, from := h.app.credentials(d.Endpoint)
	h.ok("creds", "%s (from %s)", what, from)
	at, err := h.app.dynamoConfig(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := tables.Open(at)
	if err != nil {
		return nil, err
	}
	found, err := admin.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range found {
		if len(t.Differs) > 0 {
			h.findings = append(h.findings, finding{Check: "table", Detail: t.Name + " differs: " + strings.Join(t.Differs, "; ")})
		}
	}
	if err := admin.Check(found); err != nil {
		return nil, err
	}
	h.ok("store", "%d tables as defined", len(found))
	return dynamo.Open(ctx, at)
}

// endpointExposure returns a remark if the endpoint exposes the data to the
// network.
func endpointExposure(e awsclient.Endpoint, data string) string {
	if !e.IsExposed() {
		return ""
	}
	return "; plain http to another host, allowed by --insecure-endpoint: " + data + " can be read on the way"
}

// checkKMS requests the state of the key from KMS and checks the stored key of
// this user. It creates and opens no key.
func (h *healthCheck) checkKMS(ctx context.Context, s backend) {
	k := h.config.kms
	what, from := h.app.credentials(k.Endpoint)
	h.ok("kms", "%s, as %s (from %s)%s", k.where(), what, from, endpointExposure(k.Endpoint, "keys"))
	p, err := h.app.kmsProvider(ctx, k, s)
	if err != nil {
		h.fail("key", err)
		return
	}
	status, err := p.Status(ctx)
	if err == nil && status.State != "Enabled" {
		deletion := ""
		if !status.Deletion.IsZero() {
			deletion = ", with deletion on " + status.Deletion.UTC().Format(time.DateOnly)
		}
		err = fmt.Errorf("%w: KMS key %s is %s%s", blue.ErrSealed, k.arn, status.State, deletion)
	}
	h.add("key", err, "%s, %s", k.arn, status.State)
	if s == nil {
		return
	}
	own, err := p.StoredKey(ctx, h.config.user)
	switch {
	case err != nil:
		h.fail("user key", err)
	case own.UMK == "":
		h.ok("user key", "not made yet")
	case own.UMK != k.arn:
		h.fail("user key", withHint(fmt.Errorf("%w: the user key is wrapped with another KMS key, %s", blue.ErrSealed, own.UMK), "blue-store keys rewrap"))
	default:
		h.ok("user key", "stored in blue_keys for the tables %s", k.tables)
	}
	if sealed := s.SealedWith(ctx); strings.HasPrefix(sealed, "umk:") {
		h.fail("key", withHint(fmt.Errorf("%w: the store was sealed with the key file %s, but BLUE_KMS_KEY_ARN is set", blue.ErrSealed, sealed), "unset BLUE_KMS_KEY_ARN to use the key file"))
	}
}
