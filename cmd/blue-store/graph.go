package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/view"
)

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
		return func(g *view.Graph, w io.Writer) error { return g.WriteJSON(w) }, nil
	case "dot":
		return func(g *view.Graph, w io.Writer) error { return g.WriteDOT(w) }, nil
	}
	return func(g *view.Graph, w io.Writer) error { return g.WriteText(w, 0) }, nil
}

// loadOnce opens the store, loads one dialogue and closes the store.
func (a *app) loadOnce(ctx context.Context, name string) (*blue.Snapshot, error) {
	s, id, err := a.openDialogue(ctx, name)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.store.Load(ctx, id)
}
