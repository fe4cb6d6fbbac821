package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/demo"
	"github.com/superviber/blue-encrypted-store/internal/display"
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

// cleanAnswer is the answer of demo --clean, schema blue-store/demo-clean@1.
type cleanAnswer struct {
	Schema  string   `json:"schema"`
	Removed []string `json:"removed"` // files, then folders
	Left    []string `json:"left"`    // paths that demo did not create
}

// demoClean removes the files of the demo, then the folders that are empty.
func (a *app) demoClean() error {
	c, err := a.config()
	if err != nil {
		return err
	}
	answer := &cleanAnswer{Schema: "blue-store/demo-clean@1", Removed: []string{}, Left: []string{}}
	info, err := os.Lstat(c.home)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("%w: reading the folder of the demo: %w", blue.ErrUnavailable, err)
	case !info.IsDir():
		return usage("%s is not a folder, so demo did not create it; nothing was removed", c.home)
	default:
		if err := answer.removeAll(c); err != nil {
			return fmt.Errorf("%w: removing the demo: %w", blue.ErrUnavailable, err)
		}
	}
	return a.answerText(answer, answer.text())
}

// removeAll removes the files of the demo, then its empty folders from the inside
// out. It removes BLUE_HOME too if the mark shows that demo created it.
func (r *cleanAnswer) removeAll(c config) error {
	mark := filepath.Join(c.home, homeMark)
	createdHome := !isMissing(mark)
	var folders []string
	err := filepath.WalkDir(c.home, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.home, path)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil || path == mark: // the mark is removed last, so that a second run finds it
			return err
		case e.IsDir() && demoFolders.MatchString(rel):
			folders = append(folders, path)
			return nil
		case !e.IsDir() && demoFiles.MatchString(rel):
			return r.remove(path)
		}
		r.Left = append(r.Left, path)
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return err
	}
	blueHome := filepath.Dir(c.home)
	if createdHome && len(r.Left) == 0 {
		if err := r.remove(mark); err != nil {
			return err
		}
		folders = slices.Insert(folders, 0, blueHome)
	}
	for _, folder := range slices.Backward(folders) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			if err := r.remove(folder); err != nil {
				return err
			}
		} else if folder == blueHome { // the entries of other folders are in Left already
			for _, e := range entries {
				r.Left = append(r.Left, filepath.Join(folder, e.Name()))
			}
		}
	}
	return nil
}

// remove removes a file or an empty folder.
func (r *cleanAnswer) remove(path string) error {
	r.Removed = append(r.Removed, path)
	return os.Remove(path)
}

// demoFiles and demoFolders match the paths that demo creates, relative to its
// home: keys, databases with their logs, freshness records and checkpoints. A
// crash can leave the temporary files.
var (
	demoFiles = regexp.MustCompile(`^(keys/(umk|audit)\.key(\.\d+\.tmp)?` +
		`|db/(blue\.db(\.keys)?(-wal|-shm|-journal)?|\.blue-\d+\.new)` +
		`|heads/[0-9a-f]{16}/([0-9a-f]{64}\.json|head-\d+\.tmp)` +
		`|anchors/[0-9a-f]{16}/[0-9a-f]{2}/([0-9a-f]{32}|\.[0-9a-f]{32}\.\d+\.tmp))$`)
	demoFolders = regexp.MustCompile(`^(\.|keys|db|heads(/[0-9a-f]{16})?|anchors(/[0-9a-f]{16}(/[0-9a-f]{2})?)?)$`)
)

func (r *cleanAnswer) text() string {
	text := "there is no demo to remove\n"
	if len(r.Removed) > 0 {
		text = fmt.Sprintf("removed: %d files and folders of the demo\n", len(r.Removed))
	}
	for _, path := range r.Left {
		text += "left, because demo did not create it: " + path + "\n"
	}
	return text
}

// text writes the answer as text.
func (d *demoAnswer) text(w io.Writer) {
	var b strings.Builder
	key := "already there"
	if d.Key.New {
		key = "new local key (0600)"
	}
	imported := "already there"
	if d.Status != statusAlready {
		imported = d.Title
	}
	check := func(name, what, where string) {
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("✓ %-8s %-24s %s", name, what, where), " "))
	}
	check("key", key, d.Key.Path)
	check("store", "SQLite (embedded)", d.Store)
	check("import", imported, "")
	fmt.Fprintf(&b, "           %s\n", countLine(d.Counts))
	check("sealed", fmt.Sprintf("%d items encrypted", d.Items), "")
	b.WriteString("\n")
	d.Item.writeColumns(&b)
	fmt.Fprintf(&b, "\n%s\nverified: %d items, version %d\n\n%s\n\nNext:\n", d.Outline, d.Items, d.Version, wrapForTerminal(d.Warning, 88))
	for _, line := range d.Next {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString("(in a checkout, type go run ./cmd/blue-store instead of blue-store)\n")
	io.WriteString(w, display.Printable(b.String()))
}
