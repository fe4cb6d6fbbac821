package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/fsutil"
	"github.com/superviber/blue-encrypted-store/view"
)

func exportCommand(a *app) *cobra.Command {
	var output string
	var salvage bool
	c := &cobra.Command{
		Use:   "export DIALOGUE",
		Short: "Write a whole dialogue as one JSON document",
		Long: "Writes the decrypted dialogue as one JSON document. --output writes it to a file that only you\n" +
			"can read. The file is replaced atomically, and missing folders are created.\n\n" +
			"--salvage writes the items of a damaged dialogue that verify. The exit code is still 7.",
		Example: "  blue-store export ukfs-specification-review --output ukfs.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(c, &output); err != nil {
				return err
			}
			return a.withDialogue(c.Context(), args[0], func(s *session, id blue.DialogueID) error { return a.export(c.Context(), s, id, output, salvage) })
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "the output `FILE`; default standard output")
	c.Flags().BoolVar(&salvage, "salvage", false, "export the items of a damaged dialogue that verify")
	return c
}

// exportAnswer is the answer of export --output, schema blue-store/export@1.
type exportAnswer struct {
	Schema     string        `json:"schema"`
	DialogueID string        `json:"dialogue_id"`
	Output     string        `json:"output"`
	Bytes      int           `json:"bytes"`
	Version    uint64        `json:"version"`
	LeftOut    []blue.Damage `json:"left_out,omitempty"`
}

func (a *app) export(ctx context.Context, s *session, id blue.DialogueID, output string, salvage bool) error {
	snapshot, damaged, err := s.loadOrSalvage(ctx, id, salvage)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := view.WriteExport(&b, snapshot, time.Now()); err != nil {
		return err
	}
	if output == "" {
		b.WriteByte('\n')
		return errors.Join(damaged, a.write(b.Bytes()))
	}
	if err := replaceOutputFile(output, b.Bytes()); err != nil {
		return err
	}
	answer := exportAnswer{"blue-store/export@1", string(id), output, b.Len(), snapshot.Version, snapshot.Damage}
	return errors.Join(damaged, a.answerText(answer, fmt.Sprintf("Exported dialogue '%s' to %s\n", id, output)))
}

// loadOrSalvage loads a dialogue. With salvage, it loads the items that verify and
// returns the damage as a second error, which the command must return after it
// has shown the items.
func (s *session) loadOrSalvage(ctx context.Context, id blue.DialogueID, salvage bool) (snapshot *blue.Snapshot, damaged, err error) {
	if !salvage {
		snapshot, err = s.store.Load(ctx, id)
		return snapshot, nil, err
	}
	snapshot, err = s.store.Salvage(ctx, id)
	if err == nil && len(snapshot.Damage) > 0 {
		damaged = &blue.TamperError{Dialogue: id, Damage: snapshot.Damage}
	}
	return snapshot, damaged, err
}

// checkOutput replaces the value of --output by the path to write to.
func checkOutput(c *cobra.Command, path *string) (err error) {
	if c.Flags().Changed("output") {
		*path, err = outputFile(*path)
	}
	return err
}

// outputFile returns the path to write to. For a symbolic link, it is the target,
// so that the link stays. Only a regular file can be replaced.
func outputFile(path string) (string, error) {
	if path == "" {
		return "", usage("--output is empty; omit it to write to standard output")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", usage("--output: %s", err)
	case info.IsDir():
		return "", usage("--output: %s is a folder; name a file in it", path)
	case !info.Mode().IsRegular():
		return "", usage("--output: %s is not a regular file; omit --output and redirect standard output", path)
	}
	return filepath.EvalSymlinks(path)
}

// replaceOutputFile writes data to a file like writeOutputFile.
func replaceOutputFile(path string, data []byte) error {
	return writeOutputFile(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writeOutputFile replaces a file atomically and creates missing folders. Only the
// owner can read the file.
func writeOutputFile(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("creating the folder of the export: %w", err)
	}
	options := fsutil.WriteOptions{Sync: fsutil.SyncFile, Temp: ".export-*.tmp"}
	err := fsutil.WriteFile(path, options, func(temp *os.File) error {
		b := bufio.NewWriter(temp)
		return errors.Join(write(b), b.Flush())
	})
	if err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	return nil
}

// graphFormats lists the values of --format.
var graphFormats = []string{"text", "dot", "json"}

func graphCommand(a *app) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "graph DIALOGUE",
		Short: "Draw the argument: entities, their references, and the basis of each verdict",
		Example: "  blue-store graph ukfs-specification-review\n" +
			"  blue-store graph ukfs-specification-review --format dot | dot -Tsvg > g.svg",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			write, err := a.graphWriter(format)
			if err != nil {
				return err
			}
			snapshot, err := a.loadOnce(c.Context(), args[0])
			if err != nil {
				return err
			}
			var b bytes.Buffer
			if err := write(view.NewGraph(snapshot), &b); err != nil {
				return err
			}
			return a.write(b.Bytes())
		},
	}
	c.Flags().StringVar(&format, "format", "", "text (the default on a terminal), json (the default otherwise) or dot")
	return c
}

// graphWriter returns a function that writes the selected format.
func (a *app) graphWriter(format string) (func(*view.Graph, io.Writer) error, error) {
	switch {
	case format != "" && !slices.Contains(graphFormats, format):
		return nil, usage("unknown format %q; use %s", format, strings.Join(graphFormats, ", "))
	case a.flags.json && format != "" && format != "json", a.flags.text && format != "" && format != "text":
		return nil, usage("--format %s and --json or --text exclude each other", format)
	case format == "" && a.isJSON():
		format = "json"
	}
	switch format {
	case "json":
		return (*view.Graph).WriteJSON, nil
	case "dot":
		return (*view.Graph).WriteDOT, nil
	}
	return func(g *view.Graph, w io.Writer) error { return g.WriteText(w, 0) }, nil
}

// loadOnce opens the store, loads one dialogue and closes the store.
func (a *app) loadOnce(ctx context.Context, name string) (snapshot *blue.Snapshot, err error) {
	err = a.withDialogue(ctx, name, func(s *session, id blue.DialogueID) (err error) {
		snapshot, err = s.store.Load(ctx, id)
		return err
	})
	return snapshot, err
}
