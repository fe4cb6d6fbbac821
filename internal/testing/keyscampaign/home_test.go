package keyscampaign

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// home contains the folder in which the program runs, and an environment without
// the variables of the person who runs the test.
type home struct {
	t   *testing.T
	dir string
	env []string
}

func newHome(t *testing.T, env ...string) *home {
	t.Helper()
	dir := t.TempDir()
	return &home{t, dir, campaigntest.Env(dir, t.TempDir(), env...)}
}

func (h *home) command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	return program.Command(h.t, h.dir, slices.Concat(h.env, env), strings.NewReader(stdin), args...)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
