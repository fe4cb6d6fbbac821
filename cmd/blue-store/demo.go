package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/demo"
	"github.com/superviber/blue-encrypted-store/internal/importer"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/view"
)

func demoCommand(a *app) *cobra.Command {
	var clean bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Store an example dialogue and show it sealed and opened",
		Long: "demo seals an example dialogue in a store of its own (--store demo, below BLUE_HOME)\n" +
			"and shows what the store holds beside what you see. It needs nothing but this\n" +
			"program. demo --clean removes exactly what demo made.\n\n" +
			"Its answer is text also when it is piped; --json gives JSON.",
		Example: "  blue-store demo\n  blue-store demo --clean",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if a.flags.store != "" && a.flags.store != "demo" {
				return usage("demo has a store of its own; leave --store out")
			}
			a.flags.store = "demo"
			a.flags.text = !a.flags.json // the demo is for people
			if clean {
				return a.demoClean()
			}
			return a.demo(c.Context())
		},
	}
	c.Flags().BoolVar(&clean, "clean", false, "remove what demo made")
	return c
}

// demoAnswer is what demo says, schema blue-store/demo@1.
type demoAnswer struct {
	Schema     string         `json:"schema"`
	Status     string         `json:"status"` // as of import
	Key        demoKey        `json:"key"`
	Store      string         `json:"store"` // path of the SQLite file
	DialogueID string         `json:"dialogue_id"`
	Title      string         `json:"title"`
	Counts     map[string]int `json:"counts"`
	Items      int            `json:"items"`
	Version    uint64         `json:"version"`
	Notes      int            `json:"notes"`
	Item       inspected      `json:"item"`
	Outline    string         `json:"outline"`
	Warning    string         `json:"warning"`
	Next       []string       `json:"next"`
}

type demoKey struct {
	Path string `json:"path"`
	New  bool   `json:"new"`
}

const demoWarning = "This is local data: the key and the store lie on this disk alone, without a copy. Lose the key and nothing opens them again."

func (a *app) demo(ctx context.Context) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	src, err := importer.ReadFolder(demo.FS())
	if err != nil {
		return err
	}
	_, err = os.Stat(c.umk)
	hadKey := err == nil
	if err := markHome(c.home); err != nil {
		return err
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	quiet := a.flags.quiet
	a.flags.quiet = true // the answer says it
	imported, err := a.importSource(ctx, s, src, false)
	a.flags.quiet = quiet
	if err != nil {
		return err
	}
	answer, err := s.showcase(ctx, blue.DialogueID(imported.DialogueID))
	if err != nil {
		return err
	}
	answer.Status, answer.Title, answer.Counts = imported.Status, imported.Title, imported.Stored
	answer.Notes, answer.Key = len(imported.Notes), demoKey{c.umk, !hadKey}
	return a.answer(answer, answer.text)
}

// showcase verifies the dialogue and picks what the demo shows of it.
func (s *session) showcase(ctx context.Context, id blue.DialogueID) (*demoAnswer, error) {
	snapshot, err := s.store.Verify(ctx, id)
	if err != nil {
		return nil, err
	}
	items, err := s.records.Query(ctx, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		return nil, err
	}
	shown := blue.EntityID{Kind: blue.KindTension, Round: 0, Seq: 1}.String()
	item, err := inspectItem(snapshot, items, shown)
	if err != nil {
		return nil, err
	}
	var outline strings.Builder
	if err := view.NewGraph(snapshot).WriteText(&outline, 60); err != nil {
		return nil, err
	}
	command := "blue-store --store demo "
	return &demoAnswer{
		Schema: "blue-store/demo@1", Store: s.config.database, DialogueID: string(id),
		Items: itemsOf(snapshot), Version: snapshot.Version, Item: item, Outline: firstLines(outline.String(), 12),
		Warning: demoWarning,
		Next: []string{
			command + "show " + string(id) + " " + shown,
			command + "inspect " + string(id) + " " + shown,
			command + "graph " + string(id) + " --format text",
			command + "verify",
			"blue-store demo --clean",
		},
	}, nil
}

// firstLines cuts a text after n lines.
func firstLines(text string, n int) string {
	lines := strings.SplitAfterN(text, "\n", n+1)
	if len(lines) <= n {
		return text
	}
	return strings.Join(lines[:n], "") + "…\n"
}

// homeMark is the file by which demo --clean knows that BLUE_HOME was not
// there before the demo.
const homeMark = "made-by-demo"

// markHome makes the demo's folder, and the mark if BLUE_HOME is new. home is
// the demo's own, the folder demo below BLUE_HOME.
func markHome(home string) error {
	_, err := os.Stat(filepath.Dir(home))
	fresh := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("%w: making the folder of the demo: %w", blue.ErrUnavailable, err)
	}
	if !fresh {
		return nil
	}
	text := "blue-store demo made this folder and the one above it; blue-store demo --clean removes them.\n"
	if err := os.WriteFile(filepath.Join(home, homeMark), []byte(text), 0o600); err != nil {
		return fmt.Errorf("%w: marking the folder of the demo: %w", blue.ErrUnavailable, err)
	}
	return nil
}
