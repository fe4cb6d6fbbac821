// Package campaigntest has the length of test runs, and what the campaigns
// share: the built program with its environment, and the files of figures.
//
// The environment variable BLUE_CAMPAIGN sets the length: short (the default,
// for go test), ordinary (for .ci/run) or long (for just campaign).
// docs/testing.md lists what runs at which length.
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
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Root is the path of the root of the checkout from the folder of a campaign,
// where its tests run.
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

// Env returns the environment of a user "tester" and the variables of more. It
// has nothing of the user who runs the tests.
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

// Prepare sets how many tests of a binary run at the same time. A TestMain calls
// it. It may be more than there are cores if the tests wait for a disk, a server
// or other processes. The flag -parallel takes precedence. The garbage collector
// runs less often, because tests make much garbage and keep little. It took up to
// a fifth of their time.
func Prepare(tests int) {
	debug.SetGCPercent(400)
	if err := flag.Set("test.parallel", strconv.Itoa(tests)); err != nil {
		panic("campaigntest: " + err.Error())
	}
}

// Main runs the tests and removes the program, and exits. A TestMain calls it.
func (p *Program) Main(m *testing.M) {
	Prepare(4)
	code := m.Run()
	if p.dir != "" {
		os.RemoveAll(p.dir)
	}
	os.Exit(code)
}

// Length returns the number for the length of this run.
func Length(short, ordinary, long int) int {
	switch name := os.Getenv("BLUE_CAMPAIGN"); name {
	case "", "short":
		return short
	case "ordinary":
		return ordinary
	case "long":
		return long
	default:
		panic("BLUE_CAMPAIGN=" + name + ": want short, ordinary or long")
	}
}

// IsShort reports whether the length of this run is short.
func IsShort() bool { return Length(1, 0, 0) == 1 }

// IsLong reports whether the length of this run is long.
func IsLong() bool { return Length(0, 0, 1) == 1 }

// SkipShort skips a test if the length of this run is short. .ci/run runs it.
func SkipShort(t testing.TB) {
	t.Helper()
	if IsShort() {
		t.Skip("skipped: it is not part of the short length (BLUE_CAMPAIGN=ordinary runs it)")
	}
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

// Appears returns a channel that receives the time at which the file exists. It
// receives nothing if the process ended before. The error of the process is in
// ended and stays there.
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
