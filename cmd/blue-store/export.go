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
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/view"
)

func exportCommand(a *app) *cobra.Command {
	var output string
	var salvage bool
	c := &cobra.Command{
		Use:   "export DIALOGUE",
		Short: "Write a whole dialogue as one JSON document",
		Long: "export writes the dialogue as one JSON document, decrypted. With --output it goes\n" +
			"into a file that only you can read; the file is there whole or as it was before,\n" +
			"and folders on the way to it are made.\n\n" +
			"--salvage writes what verifies of a damaged dialogue and still exits with 7.",
		Example: "  blue-store export ukfs-specification-review --output ukfs.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("output") {
				target, err := outputFile(output)
				if err != nil {
					return err
				}
				output = target
			}
			return a.export(c.Context(), args[0], output, salvage)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "the file to write; standard output if left out")
	c.Flags().BoolVar(&salvage, "salvage", false, "export what verifies of a damaged dialogue")
	return c
}

// exportAnswer says what export --output wrote, schema blue-store/export@1.
type exportAnswer struct {
	Schema     string        `json:"schema"`
	DialogueID string        `json:"dialogue_id"`
	Output     string        `json:"output"`
	Bytes      int           `json:"bytes"`
	Version    uint64        `json:"version"`
	LeftOut    []blue.Damage `json:"left_out,omitempty"`
}

func (a *app) export(ctx context.Context, name, output string, salvage bool) error {
	s, id, err := a.openDialogue(ctx, name)
	if err != nil {
		return err
	}
	defer s.close()
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
	if err := replaceFile(output, b.Bytes()); err != nil {
		return err
	}
	answer := exportAnswer{"blue-store/export@1", string(id), output, b.Len(), snapshot.Version, snapshot.Damage}
	return errors.Join(damaged, a.answer(answer, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "Exported dialogue '%s' to %s\n", id, printable(output))
		return err
	}))
}

// loadOrSalvage loads a dialogue, or, if asked to, what verifies of it. Then
// damaged is the error to end with once the rest has been shown.
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

// outputFile returns where to write: a link's target, so that the link stays.
// Only a regular file is ever replaced.
func outputFile(path string) (string, error) {
	if path == "" {
		return "", usage("--output is empty; leave it out to write to standard output")
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
		return "", usage("--output: %s is not a regular file; leave --output out and redirect standard output", path)
	}
	return filepath.EvalSymlinks(path)
}

// replaceFile puts a file in place whole, as writeFile does.
func replaceFile(path string, data []byte) error {
	return writeFile(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// writeFile puts a file in place whole: a temporary one beside it, flushed,
// then renamed. Nobody but the owner can read it.
func writeFile(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder of the export: %w", err)
	}
	f, err := os.CreateTemp(dir, ".export-*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	b := bufio.NewWriter(f)
	err = errors.Join(write(b), b.Flush(), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing the export: %w", err)
	}
	return nil
}
