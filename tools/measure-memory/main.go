// Command measure-memory counts which keys are still in a process's memory
// after it has closed a sealed store. Linux only.
//
// The parent makes a store on SQLite in a temporary folder and derives every
// key from its key file. Each run is a child that opens the store, loads the
// dialogue twice, waits, closes the store, collects garbage five times and
// waits again; it is told two paths and no key, so it never holds a copy that
// the store did not make. While it waits, the parent searches its memory
// through /proc/PID/maps and /proc/PID/mem for the 32 bytes of each key, as
// they are ("raw") and as HMAC keeps its key, XORed with 0x36 or 0x5c
// ("masked"). The search before the close shows that the search finds keys.
//
// What belongs here: the measurement. What does not: how keys are zeroed
// (envelope, keys). The figures are those of one build; with
// GOEXPERIMENT=runtimesecret they are another's (envelope.Guarded), and
// -figures FILE keeps both side by side. They are measured, not promised:
// parts of a key, key schedules beyond the key itself, what HKDF extracts, and
// K_wrap are not searched for.
//
//	measure-memory [-n RUNS] [-json] [-figures FILE] [-leak]
//
// Exit codes: 0 measured, whatever was found; 1 it could not be; 2 usage.
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

// leakVariable tells a child to keep a copy of the master key on purpose.
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
	figures := flag.String("figures", "", "keep this build's figures in a JSON `FILE`, beside those of the other build")
	leak := flag.Bool("leak", false, "have each child keep copies of the master key, to see them found")
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

// errElsewhere is the answer of systems other than Linux.
var errElsewhere = errors.New("it takes /proc, which Linux alone has; nothing was measured")

// figures are what the runs of one build found.
type figures struct {
	Build string `json:"build"`
	Go    string `json:"go"`
	Runs  int    `json:"runs"`
	Keys  []row  `json:"keys"`
}

// row says of one key in how many runs its bytes were found, and how often in
// all runs together.
type row struct {
	Key               string `json:"key"`
	RunsOpen          int    `json:"runs_found_while_open"`
	RunsClosed        int    `json:"runs_found_after_close"`
	RunsMaskedClosed  int    `json:"runs_found_masked_after_close"`
	TotalClosed       int    `json:"copies_after_close"`
	TotalMaskedClosed int    `json:"masked_copies_after_close"`
}

// build names this build.
func build() string {
	if envelope.Guarded() {
		return "runtimesecret"
	}
	return "default"
}

// measure makes a store and runs n children on it.
func measure(ctx context.Context, n int, leak bool) (f figures, err error) {
	if runtime.GOOS != "linux" {
		return f, errElsewhere
	}
	folder, err := os.MkdirTemp("", "blue-measure-memory-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(folder)
	wanted, err := prepare(ctx, folder)
	if err != nil {
		return f, fmt.Errorf("making the store: %w", err)
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
	fmt.Fprintf(w, "build %s, %s, %d runs: those in which a key was found\n", f.Build, f.Go, f.Runs)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "key\twhile open\tafter close\tafter close, masked\tcopies after close, raw and masked")
	for _, r := range f.Keys {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d, %d\n", r.Key, r.RunsOpen, r.RunsClosed, r.RunsMaskedClosed, r.TotalClosed, r.TotalMaskedClosed)
	}
	return t.Flush()
}

// keep writes the figures into a file under the name of the build.
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
