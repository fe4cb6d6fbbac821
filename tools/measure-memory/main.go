// Command measure-memory counts the keys that remain in the memory of a process
// after it closed an encrypted store. It runs on Linux only.
//
// The parent creates a store on SQLite in a temporary folder and derives every
// key from its key file. Each run is a child process. It opens the store, loads
// the dialogue twice, waits, closes the store, collects garbage five times and
// waits again. The child gets one path and no key, so every copy of a key comes
// from the store. While the child waits, the parent searches its memory through
// /proc/PID/maps and /proc/PID/mem for the 32 bytes of each key. It searches the
// key itself ("raw") and the form that HMAC keeps, XORed with 0x36 or 0x5c
// ("masked"). The search before the close shows that the search finds keys.
//
// Packages envelope and keys zero the keys. This command only measures. The
// figures are valid for one build. A build with GOEXPERIMENT=runtimesecret has
// other figures (envelope.IsGuarded), and -figures FILE keeps both. The figures are
// not a guarantee. The search ignores parts of a key, key schedules except the
// key itself, the extract of HKDF, and K_wrap.
//
//	measure-memory [-n RUNS] [-json] [-figures FILE] [-leak]
//
// Exit codes: 0 if the measurement is complete, with any result, 1 for an error,
// 2 for a usage error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"github.com/superviber/blue-encrypted-store/envelope"
)

// childVariable holds the folder of the store in the environment of a child.
const childVariable = "BLUE_MEASURE_MEMORY_CHILD"

// leakVariable makes a child keep copies of the master key on purpose.
const leakVariable = "BLUE_MEASURE_MEMORY_LEAK"

func main() {
	ctx := context.Background()
	if folder := os.Getenv(childVariable); folder != "" {
		if err := child(ctx, folder, os.Getenv(leakVariable) != "", os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "measure-memory: child:", err)
			os.Exit(1)
		}
		return
	}
	n := flag.Int("n", 100, "runs")
	asJSON := flag.Bool("json", false, "print JSON")
	figures := flag.String("figures", "", "write the figures to a JSON `FILE`, which keeps the figures of the other build")
	leak := flag.Bool("leak", false, "make each child keep copies of the master key, to test the search")
	flag.Parse()
	if *n < 1 || flag.NArg() > 0 || *leak && *figures != "" {
		flag.Usage()
		os.Exit(2)
	}
	f, err := measure(ctx, *n, *leak)
	if err == nil {
		err = show(os.Stdout, f, *asJSON)
	}
	if err == nil && *figures != "" {
		err = keep(*figures, f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure-memory:", err)
		os.Exit(1)
	}
}

// errNotLinux is the error on other systems.
var errNotLinux = errors.New("nothing was measured, because this command needs /proc of Linux")

// figures is the result of the runs of one build.
type figures struct {
	Build string `json:"build"`
	Go    string `json:"go"`
	Runs  int    `json:"runs"`
	Keys  []row  `json:"keys"`
}

// A row is the result for one key: the number of runs in which it was found, and
// the number of copies in all runs together.
type row struct {
	Key               string `json:"key"`
	RunsOpen          int    `json:"runs_found_while_open"`
	RunsClosed        int    `json:"runs_found_after_close"`
	RunsMaskedClosed  int    `json:"runs_found_masked_after_close"`
	TotalClosed       int    `json:"copies_after_close"`
	TotalMaskedClosed int    `json:"masked_copies_after_close"`
}

// build returns the name of this build.
func build() string {
	if envelope.IsGuarded() {
		return "runtimesecret"
	}
	return "default"
}

// measure creates a store and runs n children on it.
func measure(ctx context.Context, n int, leak bool) (f figures, err error) {
	if runtime.GOOS != "linux" {
		return f, errNotLinux
	}
	folder, err := os.MkdirTemp("", "blue-measure-memory-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(folder)
	wanted, err := prepare(ctx, folder)
	if err != nil {
		return f, fmt.Errorf("creating the store: %w", err)
	}
	f = figures{Build: build(), Go: runtime.Version(), Runs: n}
	for _, k := range wanted {
		f.Keys = append(f.Keys, row{Key: k.name})
	}
	for i := range n {
		open, closed, err := run(ctx, folder, leak, wanted)
		if err != nil {
			return f, fmt.Errorf("run %d: %w", i+1, err)
		}
		for j := range wanted {
			r := &f.Keys[j]
			r.RunsOpen += min(1, open[j].raw+open[j].masked)
			r.RunsClosed += min(1, closed[j].raw)
			r.RunsMaskedClosed += min(1, closed[j].masked)
			r.TotalClosed += closed[j].raw
			r.TotalMaskedClosed += closed[j].masked
		}
	}
	return f, nil
}

func show(w io.Writer, f figures, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(f)
	}
	fmt.Fprintf(w, "build %s, %s, %d runs, number of runs in which a key was found\n", f.Build, f.Go, f.Runs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "key\twhile open\tafter close\tafter close, masked\tcopies after close, raw and masked")
	for _, r := range f.Keys {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d, %d\n", r.Key, r.RunsOpen, r.RunsClosed, r.RunsMaskedClosed, r.TotalClosed, r.TotalMaskedClosed)
	}
	return t.Flush()
}

// keep writes the figures to a file, under the name of the build.
func keep(path string, f figures) error {
	all := map[string]figures{}
	text, err := os.ReadFile(filepath.Clean(path))
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all[f.Build] = f
	if text, err = json.MarshalIndent(all, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
