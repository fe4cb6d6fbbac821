package main

import (
	"context"
	"fmt"
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
		Short: "Store an example dialogue and show it encrypted and decrypted",
		Long: "Encrypts an example dialogue into its own store (--store demo, in BLUE_HOME) and shows the\n" +
			"stored form next to the decrypted form. It needs only this program. demo --clean removes\n" +
			"exactly the files of the demo.\n\n" +
			"The answer is text even if standard output is not a terminal. --json prints JSON.",
		Example: "  blue-store demo\n  blue-store demo --clean",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if a.flags.store != "" && a.flags.store != "demo" {
				return usage("demo has its own store; omit --store")
			}
			a.flags.store = "demo"
			a.flags.text = !a.flags.json // even if standard output is not a terminal
			if clean {
				return a.demoClean()
			}
			return a.demo(c.Context())
		},
	}
	c.Flags().BoolVar(&clean, "clean", false, "remove the files of the demo")
	return c
}

// demoAnswer is the answer of demo, schema blue-store/demo@1.
type demoAnswer struct {
	Schema     string         `json:"schema"`
	Status     string         `json:"status"` // the status of import
	Key        demoKey        `json:"key"`
	Store      string         `json:"store"` // path of the SQLite file
	DialogueID string         `json:"dialogue_id"`
	Title      string         `json:"title"`
	Counts     map[string]int `json:"counts"`
	Items      int            `json:"items"`
	Version    uint64         `json:"version"`
	Notes      int            `json:"notes"`
	Item       inspectedItem  `json:"item"`
	Outline    string         `json:"outline"`
	Warning    string         `json:"warning"`
	Next       []string       `json:"next"`
}

type demoKey struct {
	Path string `json:"path"`
	New  bool   `json:"new"`
}

const demoWarning = "The key and the store exist only on this disk, without a backup. If you lose the key, the data cannot be decrypted."

func (a *app) demo(ctx context.Context) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	src, err := importer.ReadFolder(demo.FS())
	if err != nil {
		return err
	}
	newKey := isMissing(c.umk)
	if err := markHome(c.home); err != nil {
		return err
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	quiet := a.flags.quiet
	a.flags.quiet = true // the answer contains the notes
	imported, err := a.importSource(ctx, s, src, false)
	a.flags.quiet = quiet
	if err != nil {
		return err
	}
	answer, err := s.demoAnswer(ctx, blue.DialogueID(imported.DialogueID))
	if err != nil {
		return err
	}
	answer.Status, answer.Title, answer.Counts = imported.Status, imported.Title, imported.Stored
	answer.Notes, answer.Key = len(imported.Notes), demoKey{c.umk, newKey}
	return a.answer(answer, answer.text)
}

// demoAnswer verifies the dialogue and returns the part of the answer that is
// read from the store.
func (s *session) demoAnswer(ctx context.Context, id blue.DialogueID) (*demoAnswer, error) {
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

// firstLines returns the first n lines of a text.
func firstLines(text string, n int) string {
	lines := strings.SplitAfterN(text, "\n", n+1)
	if len(lines) <= n {
		return text
	}
	return strings.Join(lines[:n], "") + "…\n"
}

// homeMark is a file that exists if demo created BLUE_HOME. Then demo --clean
// removes BLUE_HOME too.
const homeMark = "made-by-demo"

// markHome creates home, the folder of the demo in BLUE_HOME. It also creates the
// mark if BLUE_HOME is new.
func markHome(home string) error {
	isNew := isMissing(filepath.Dir(home))
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("%w: creating the folder of the demo: %w", blue.ErrUnavailable, err)
	}
	if !isNew {
		return nil
	}
	text := "blue-store demo created this folder and its parent folder. blue-store demo --clean removes them.\n"
	if err := os.WriteFile(filepath.Join(home, homeMark), []byte(text), 0o600); err != nil {
		return fmt.Errorf("%w: marking the folder of the demo: %w", blue.ErrUnavailable, err)
	}
	return nil
}
