package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/importer"
)

func importCommand(a *app) *cobra.Command {
	var opaque, dry bool
	c := &cobra.Command{
		Use:   "import PATH",
		Short: "Import a dialogue from an operations file (.json) or a folder of Markdown",
		Long: "Stores a recorded dialogue, with one commit for each operation.\n\n" +
			"PATH is an operations file, or a folder with a dialogue in Markdown (round-0/muffin.md,\n" +
			"scoreboard.md, tensions.md, verdict.md, …). An operation that a rule refuses is recorded and\n" +
			"listed, and the import continues. If the command is interrupted, the same command resumes at\n" +
			"that point. After the end, it changes nothing.",
		Example: "  blue-store import dialogue/inputs.json\n" +
			"  blue-store import --dry-run .blue/dialogues/my-dialogue",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			src, err := readSource(c.Context(), args[0], opaque)
			if err != nil {
				return err
			}
			if dry {
				answer := dryRun(src, opaque)
				return a.answerText(answer, answer.text())
			}
			s, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer s.close()
			answer, err := a.importSource(c.Context(), s, src, opaque)
			if err != nil {
				return err
			}
			return a.answerText(answer, answer.text())
		},
	}
	c.Flags().BoolVar(&opaque, "opaque-id", false, "choose an id that reveals nothing about the title")
	c.Flags().BoolVar(&dry, "dry-run", false, "show the result and the parts that cannot be stored, and write nothing")
	return c
}

// readSource reads a dialogue from a path. It does not open the store. A source that
// cannot become a dialogue is a usageError.
func readSource(ctx context.Context, path string, opaque bool) (*importer.Source, error) {
	src, err := readPath(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usage("there is no file or folder %s", path)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, blue.ErrTooLarge), errors.Is(err, blue.ErrInvalid):
		return nil, usage("%s: %s", path, err)
	case err != nil:
		return nil, unreadableInput(path, err)
	}
	first := src.Ops[0]
	if first.Dialogue == nil {
		return nil, usage("%s: the dialogue cannot be created: %v", path, first.Err)
	}
	if _, err := blue.SlugID(first.Dialogue.Title); err != nil && !opaque {
		return nil, usage("%s: %s", path, err)
	}
	return src, nil
}

func readPath(ctx context.Context, path string) (*importer.Source, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return importer.ReadFolder(os.DirFS(path))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: neither a file nor a folder", blue.ErrInvalid)
	}
	data, err := readInputFile(ctx, path)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", blue.ErrInvalid)
	}
	return importer.ReadOperations(data)
}

// importAnswer is the answer of import, schema blue-store/import@1.
type importAnswer struct {
	Schema     string `json:"schema"`
	Status     string `json:"status"` // imported, resumed, already imported, dry run
	DialogueID string `json:"dialogue_id"`
	Title      string `json:"title"`
	Source     string `json:"source"` // SHA-256, 64 hex digits
	// Operations is the number of operations in the source. Done is the number of
	// stored and refused operations.
	Operations int `json:"operations"`
	Done       int `json:"done"`
	// Found has the counts of the source, Stored the counts of the stored dialogue.
	Found   map[string]int       `json:"found"`
	Stored  map[string]int       `json:"stored,omitempty"`
	Version uint64               `json:"version,omitempty"`
	Refused []blue.ImportRefusal `json:"refused"`
	Notes   []importer.Note      `json:"notes"`
}

const (
	statusImported = "imported"
	statusResumed  = "resumed"
	statusAlready  = "already imported"
	statusDryRun   = "dry run"
)

func newImportAnswer(src *importer.Source, status string) *importAnswer {
	return &importAnswer{
		Schema: "blue-store/import@1", Status: status, Title: src.Title, Source: src.Digest,
		Operations: len(src.Ops), Found: src.Found,
		Refused: []blue.ImportRefusal{}, Notes: append([]importer.Note{}, src.Notes...),
	}
}

// dryRun returns the answer of a dry run. It applies no rules, because only the store
// does. So it lists only malformed operations as refused.
func dryRun(src *importer.Source, opaque bool) *importAnswer {
	answer := newImportAnswer(src, statusDryRun)
	for _, op := range src.Ops {
		if op.Err != nil {
			answer.Refused = append(answer.Refused, blue.ImportRefusal{Op: op.Index, Kind: op.Kind, Reason: op.Err.Error()})
		}
	}
	if id, err := blue.SlugID(src.Ops[0].Dialogue.Title); err == nil && !opaque {
		answer.DialogueID = string(id)
	}
	return answer
}

// importSource runs the import, and then loads and verifies the dialogue.
func (a *app) importSource(ctx context.Context, s *session, src *importer.Source, opaque bool) (*importAnswer, error) {
	p := a.progress()
	taken := 0
	opts := &importer.Options{Progress: func(done, total int, op importer.Op) {
		taken++
		p.step(done, total, op.Kind)
	}}
	if opaque {
		id, err := a.opaqueID(ctx, s, src.Digest)
		if err != nil {
			return nil, err
		}
		opts.ID = func(string) (blue.DialogueID, error) { return id, nil }
	}
	res, err := importer.Run(ctx, s.store, src, opts)
	p.end()
	if err != nil {
		if res != nil && res.Done > 0 {
			a.note("%d of %d operations are stored in %s", res.Done, len(src.Ops), res.Dialogue)
			err = withHint(err, "the same command resumes at this point")
		}
		return nil, err
	}
	snapshot, err := s.store.Load(ctx, res.Dialogue)
	if err != nil {
		return nil, fmt.Errorf("loading %s after the import: %w", res.Dialogue, err)
	}
	status := statusImported
	switch {
	case taken == 0:
		status = statusAlready
	case !res.Created:
		status = statusResumed
	}
	answer := newImportAnswer(src, status)
	answer.DialogueID, answer.Done, answer.Version = string(res.Dialogue), res.Done, snapshot.Version
	answer.Stored = importedCounts(snapshot)
	answer.Refused = append(answer.Refused, res.Refused...)
	a.note("%d of %d operations, %d refused", res.Done, len(src.Ops), len(res.Refused))
	return answer, nil
}

// opaqueForm matches the ids that --opaque-id chooses.
var opaqueForm = regexp.MustCompile(`^d-[0-9a-f]{32}$`)

// opaqueID returns the id of the dialogue with an opaque id that was imported from
// the source, or a new random id. The id is random, because a person with the
// source could compute an id that depends on it.
func (a *app) opaqueID(ctx context.Context, s *session, digest string) (blue.DialogueID, error) {
	rows, err := s.store.List(ctx)
	if err != nil {
		return "", err
	}
	for _, row := range rows {
		if !opaqueForm.MatchString(string(row.ID)) {
			continue
		}
		snapshot, err := s.store.Load(ctx, row.ID)
		switch {
		case errors.Is(err, blue.ErrTampered), errors.Is(err, blue.ErrSealed), errors.Is(err, blue.ErrErased), errors.Is(err, blue.ErrNotFound):
			a.note("searching for an earlier import: skipped %s: %s", row.ID, err)
			continue
		case err != nil:
			return "", err
		}
		if _, ok := snapshot.Dialogue.Imports[digest]; ok {
			return row.ID, nil
		}
	}
	var id [16]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	return blue.DialogueID("d-" + hex.EncodeToString(id[:])), nil
}

// importedCounts returns the counts of a dialogue by the names in
// importer.Source.Found.
func importedCounts(s *blue.Snapshot) map[string]int {
	signals, updates, scores := 0, 0, 0
	for _, r := range s.Rounds {
		signals += len(r.Signals)
	}
	for _, e := range s.Events {
		if e.Of.Kind == blue.KindTension {
			updates++
		}
	}
	for _, e := range s.Experts {
		scores += len(e.Scores)
	}
	counts := map[string]int{
		"rounds": len(s.Rounds), "experts": len(s.Experts), "references": len(s.Refs()), "moves": len(s.Moves), "events": len(s.Events),
		"convergence_signals": signals, "tension_events": updates, "expert_scores": scores, "verdicts": len(s.Verdicts),
	}
	for _, kind := range blue.NumberedKinds() {
		counts[kind.Plural()] = len(s.Numbered(kind))
	}
	return counts
}

// text returns the answer as text.
func (r *importAnswer) text() string {
	var b strings.Builder
	title := r.Title
	if r.DialogueID != "" {
		title += "  " + r.DialogueID
	}
	fmt.Fprintf(&b, "%s: %s\n", r.Status, title)
	counts := r.Stored
	if counts == nil {
		counts = r.Found // a dry run stores nothing
	}
	fmt.Fprintf(&b, "  %s\n", countLine(counts))
	if len(r.Refused) > 0 {
		fmt.Fprintf(&b, "\nrefused: %d of %d operations\n", len(r.Refused), r.Operations)
		for _, f := range r.Refused {
			fmt.Fprintf(&b, "  operation %d, %s: %s\n", f.Op, f.Kind, f.Reason)
		}
	}
	if len(r.Notes) > 0 {
		fmt.Fprintf(&b, "\nnotes: %d\n", len(r.Notes))
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "  %-13s %s\n", n.Kind, noteText(n))
		}
	}
	return b.String()
}

func noteText(n importer.Note) string {
	switch {
	case n.File == "":
		return n.Message
	case n.Line == 0:
		return n.File + ": " + n.Message
	}
	return fmt.Sprintf("%s:%d: %s", n.File, n.Line, n.Message)
}

// countLine returns "4 rounds · 12 experts · …". A count of 0 is left out.
func countLine(counts map[string]int) string {
	var parts []string
	add := func(one, name string) {
		if n := counts[name]; n == 1 {
			parts = append(parts, "1 "+one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	add("round", "rounds")
	add("expert", "experts")
	for _, kind := range blue.NumberedKinds() {
		add(string(kind), kind.Plural())
	}
	add("reference", "references")
	add("move", "moves")
	add("verdict", "verdicts")
	return cmp.Or(strings.Join(parts, " · "), "nothing yet")
}
