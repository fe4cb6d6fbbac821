package keyscampaign

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// home is where the program runs: a folder of its own, and an environment that
// holds nothing of the tester's.
type home struct {
	t   *testing.T
	dir string
	env []string
}

func newHome(t *testing.T, env ...string) *home {
	t.Helper()
	dir := t.TempDir()
	return &home{t, dir, append([]string{
		"HOME=" + dir, "BLUE_USER=tester", "TMPDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
		"GODEBUG=" + os.Getenv("GODEBUG"), // the mode of FIPS 140-3
	}, env...)}
}

func (h *home) command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	c = exec.Command(program.Path(h.t), args...)
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c.Env, c.Dir, c.Stdin, c.Stdout, c.Stderr = slices.Concat(h.env, env), h.dir, strings.NewReader(stdin), stdout, stderr
	return c, stdout, stderr
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
