// Package campaigntest is what the campaigns share: the built program and its
// environment, the length of a run, the files of figures.
//
// What belongs here: what more than one of internal/testing/campaign,
// internal/testing/cloudcampaign and internal/testing/keyscampaign needs. What does not: what
// only one does to the program or the store, and their worlds (there).
package campaigntest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// Root is the root of the checkout, seen from the folder of a campaign, which
// is where its tests run.
var Root = filepath.Join("..", "..", "..")

// Program is blue-store, built by the first test that needs it and removed by
// Main. Its methods may be called concurrently.
type Program struct {
	Tags string // as in go build -tags

	once sync.Once
	dir  string
	path string
	err  error
}

// Path returns the path of the program.
func (p *Program) Path(t testing.TB) string {
	t.Helper()
	p.once.Do(func() { p.err = p.build() })
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

// Command prepares a run of the program in a folder.
func (p *Program) Command(t testing.TB, dir string, env []string, stdin io.Reader, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	c = exec.Command(p.Path(t), args...)
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c.Dir, c.Env, c.Stdin, c.Stdout, c.Stderr = dir, env, stdin, stdout, stderr
	return c, stdout, stderr
}

// Env is the environment of a user "tester", which holds nothing of whoever runs
// the tests; more goes on top.
func Env(home, tmp string, more ...string) []string {
	return append([]string{
		"HOME=" + home, "USERPROFILE=" + home, "BLUE_USER=tester", "TMPDIR=" + tmp,
		"PATH=" + os.Getenv("PATH"), "SystemRoot=" + os.Getenv("SystemRoot"),
		"GODEBUG=" + os.Getenv("GODEBUG"), // the mode of FIPS 140-3
	}, more...)
}

func (p *Program) build() (err error) {
	if p.dir, err = os.MkdirTemp("", "campaign-*"); err != nil {
		return err
	}
	if err := os.Chmod(p.dir, 0o755); err != nil { // some tests run it as another user
		return err
	}
	p.path = filepath.Join(p.dir, "blue-store")
	if runtime.GOOS == "windows" {
		p.path += ".exe"
	}
	build := exec.Command("go", "build", "-tags", p.Tags, "-o", p.path, "./cmd/blue-store")
	build.Dir = Root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Main runs the tests, for a TestMain, and removes the program. It does not
// return. Parallel tests may be more than the cores, for they wait for locks
// and processes; -parallel decides if it is given.
func (p *Program) Main(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic("campaigntest: " + err.Error())
	}
	code := m.Run()
	if p.dir != "" {
		os.RemoveAll(p.dir)
	}
	os.Exit(code)
}

// Long reports whether the long form was asked for: BLUE_CAMPAIGN=long.
func Long() bool { return os.Getenv("BLUE_CAMPAIGN") == "long" }

// Length picks a number by the form of the run: -short, ordinary, or long.
func Length(short, ordinary, long int) int {
	switch {
	case Long():
		return long
	case testing.Short():
		return short
	}
	return ordinary
}

// Figures reports what a test counted: to the log, and with BLUE_FIGURES=1,
// unless the test has failed, to docs/figures/{name}.json.
func Figures(t testing.TB, name string, counts any) {
	t.Helper()
	text, err := json.MarshalIndent(counts, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s", name, text)
	if os.Getenv("BLUE_FIGURES") != "1" || t.Failed() {
		return
	}
	folder := filepath.Join(Root, "docs", "figures")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".json"), append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Appears returns a channel that tells when the file is there, and never if the
// process ended before, whose error is in ended and stays there.
func Appears(path string, ended chan error) <-chan time.Time {
	there := make(chan time.Time, 1)
	go func() {
		for {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				there <- time.Now()
				return
			}
			select {
			case err := <-ended:
				ended <- err
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	return there
}
