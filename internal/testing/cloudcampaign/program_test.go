package cloudcampaign

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// machine is one user's: a home, and an environment that holds nothing of the
// tester's own.
type machine struct {
	t    *testing.T
	home string
	env  []string
}

func newMachine(t *testing.T, env ...string) *machine {
	t.Helper()
	home := t.TempDir()
	return &machine{t, home, campaigntest.Env(home, t.TempDir(), append([]string{"BLUE_STORE=dynamodb", "AWS_EC2_METADATA_DISABLED=true"}, env...)...)}
}

// result is what a process answered.
type result struct {
	code   int // -1 if a signal ended it
	stdout string
	stderr string
}

func (m *machine) run(args ...string) result {
	m.t.Helper()
	c, stdout, stderr := program.Command(m.t, m.home, m.env, nil, args...)
	err := c.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		m.t.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs the program and expects exit code 0.
func (m *machine) must(args ...string) string {
	m.t.Helper()
	r := m.run(args...)
	if r.code != 0 {
		m.t.Fatalf("blue-store %s: exit code %d: %s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r.stdout
}

// files lists the plain files in the home.
func (m *machine) files() []string {
	m.t.Helper()
	var all []string
	check(m.t, filepath.WalkDir(m.home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all = append(all, path)
		}
		return err
	}))
	return all
}

// reported is an error as the program writes it in JSON.
type told struct {
	Kind     string `json:"kind"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
	ExitCode int    `json:"exit_code"`
}

// errorOf reads the last line of standard error.
func errorOf(t *testing.T, args []string, r result) told {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	var e told
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &e); err != nil {
		t.Fatalf("%q: exit code %d, no error in JSON: %q %q", args, r.code, r.stdout, r.stderr)
	}
	return e
}
