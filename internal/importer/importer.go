// Package importer reads a recorded dialogue and replays it into a store, one
// commit per operation.
//
// What belongs here: the two source forms (an operations file, a Markdown
// folder), the list of operations they become, what was found in them that has
// no place, and the resumable run. What does not: Blue's JSON of one operation
// (package wire), the SQLite database of Blue, rules and numbering
// (internal/engine).
//
// A document is a Markdown file with its lines, sections and tables. A block is a
// marker with its text, and a board has the judge's numbers of a round. A reader
// turns the files into requests and notes, and names resolves the names of
// entities that a text uses.
//
// A source is read without a store, a clock or a network: the same bytes give
// the same Source. Nothing in it is corrected. The judge's numbers are stored
// as the judge gave them; where the text says otherwise, a Note has both.
//
// # The Markdown folder
//
//	background.md           what the panel was told
//	expert-pool.json        {question, experts: [{role, tier, relevance, focus}]}
//	scoreboard.md           the rounds' numbers and the experts' scores; also round-N/scoreboard.md
//	tensions.md             the state of the tensions
//	verdict.md              the decision; also CONVERGENCE.md
//	round-N.summary.md      the judge's synthesis; also round-N/context-brief.md
//	round-N/panel.json      {panel: [{name, role, tier, source, focus}]}, or agents and history
//	round-N/{expert}.md     what the expert wrote
//
// Other files are named in a note; *.prompt.md are left out, for they tend to
// hold paths and names of their machine.
//
// # Markers of an expert's file
//
// A marker stands alone on a line; the text below belongs to it.
//
//	[PERSPECTIVE P01: label]  [TENSION T01: label]  [RECOMMENDATION R01: label]
//	[EVIDENCE E01: label]     [CLAIM C01: label]
//	[REFINEMENT: label]       a claim that addresses the tensions its label names
//	[CONCESSION: label]       a claim and the move concede
//	[RESOLVED T01: label]     a claim that resolves the tensions it names
//	[MOVE:CONVERGE]           a signal and a move; also DEFEND, CHALLENGE, BRIDGE,
//	                          REQUEST and CONCEDE, as in [MOVE:CHALLENGE MUFFIN-P0001: why]
//	[RE:SUPPORT MUFFIN-P0001] a typed reference of the entity above it, on a line of
//	                          its own; several targets are parted by commas
//
// The types of references are those of RFC 0058. A name is one of
//
//	MUFFIN-P0101   Muffin's first perspective of round 1
//	MUFFIN R1-P01  the same
//	MUFFIN-P01     of the first round in which Muffin has a P01; "(R1)" after it says which
//	P01            the writer's own, of the latest round so far; else the scoreboard's number
//	P0101          a display id
//
// A perspective that mentions a tension by its expert's name addresses it, if
// no typed reference says more.
//
// The judge's files are kept whole: a round's summary is its summary file, then
// its brief, then its scoreboard; the folder's own scoreboard and tensions end
// the last round's, and the verdict's description is the verdict's file.
package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// The kinds of operations, as in an operations file.
const (
	opCreate       = "create"
	opExpert       = "expert-register"
	opExpertCreate = "expert-create" // an expert the judge made up for the panel
	opRound        = "round-register"
	opSignal       = "signal"
	opVerdict      = "verdict-register"
)

// Op is one operation of a source, in the order in which they are replayed.
// Exactly one of the five pointers is set, or Err.
type Op struct {
	Kind     string
	Index    int // from 0
	Dialogue *blue.NewDialogue
	Expert   *blue.NewExpert
	Round    *blue.RoundBatch
	Signal   *blue.Signal
	Verdict  *blue.NewVerdict
	Err      error // could not be parsed; counts as refused
}

// Source is a dialogue as it was found.
type Source struct {
	Title  string
	Digest string // SHA-256 of the source, 64 lower-case hex digits
	Ops    []Op
	Notes  []Note
	// Found counts what the operations hold: rounds, experts, perspectives,
	// tensions, recommendations, evidence, claims, references,
	// tension_updates, moves, convergence_signals, expert_scores, verdicts.
	Found map[string]int
}

// The kinds of notes.
const (
	noteUnplaced      = "unplaced"      // text that became nothing of its own
	noteContradiction = "contradiction" // the source says two things; both are in the message
	noteMissing       = "missing"       // a file or number that one would expect
	noteSkipped       = "skipped"       // left out on purpose
)

// Note says what a reader of the source should know. It is shown to the person
// who imports and not stored.
type Note struct {
	Kind    string `json:"kind"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1; 0 is the whole file
	Message string `json:"message"`
}

// add appends an operation and numbers it.
func (s *Source) add(op Op) {
	op.Index = len(s.Ops)
	s.Ops = append(s.Ops, op)
}

// count fills Found from the operations.
func (s *Source) count() {
	s.Found = map[string]int{}
	for _, op := range s.Ops {
		switch {
		case op.Expert != nil:
			s.Found["experts"]++
		case op.Signal != nil:
			s.Found["convergence_signals"]++
		case op.Verdict != nil:
			s.Found["verdicts"]++
		case op.Round != nil:
			s.Found["rounds"]++
			s.Found["tension_updates"] += len(op.Round.TensionUpdates)
			s.Found["moves"] += len(op.Round.Moves)
			s.Found["expert_scores"] += len(op.Round.ExpertScores)
			for kind, drafts := range op.Round.Drafts {
				s.Found[kind.Plural()] += len(drafts)
				for _, d := range drafts {
					s.Found["references"] += len(d.References)
				}
			}
		}
	}
}

// Options changes how a source is run; nil is the default.
type Options struct {
	// ID names the new dialogue. It must give the same id each time, or the
	// import cannot be resumed. Nil: the title's slug, then -2 to -99.
	ID func(title string) (blue.DialogueID, error)
	// Progress is called after each operation with the number done.
	Progress func(done, total int, op Op)
}

// Result says what an import has come to, over all its runs.
type Result struct {
	Dialogue blue.DialogueID
	Created  bool // by this run
	Done     int  // operations taken or refused
	Refused  []blue.ImportRefusal
	Counts   map[string]int // operations taken, by kind
	Notes    []Note
}

// importer is one run of one source.
type importer struct {
	store    blue.DialogueStore
	src      *Source
	opts     Options
	id       blue.DialogueID
	created  bool
	progress blue.ImportProgress
}

// Run replays a source into a store, each operation as one commit that also
// records how far the source has come. Run again, it resumes after the last
// one; run to its end, it changes nothing. Several runs of one source at once
// end with one dialogue.
//
// An operation that a rule refuses, that cannot be read, or that conflicts
// with what is there (an expert registered twice) is recorded as refused and
// the import continues. Any other error stops it: the result says how far it
// came, and running it again resumes. The source is not modified.
func Run(ctx context.Context, store blue.DialogueStore, src *Source, opts *Options) (*Result, error) {
	var first Op
	if len(src.Ops) > 0 {
		first = src.Ops[0]
	}
	if first.Dialogue == nil {
		return nil, fmt.Errorf("%w: the source does not begin with a dialogue", errors.Join(blue.ErrInvalid, first.Err))
	}
	im := &importer{store: store, src: src, opts: *cmp.Or(opts, new(Options))}
	if err := im.begin(ctx); err != nil {
		return im.result(), fmt.Errorf("importing the source %.12s: %w", src.Digest, err)
	}
	for im.progress.Done < len(src.Ops) {
		op := src.Ops[im.progress.Done]
		if err := im.step(ctx, op); err != nil {
			return im.result(), fmt.Errorf("importing operation %d (%s) into %s: %w", op.Index, op.Kind, im.id, err)
		}
		if im.opts.Progress != nil {
			im.opts.Progress(im.progress.Done, len(src.Ops), op)
		}
	}
	return im.result(), nil
}

// maxTries bounds how often the search for the dialogue starts again because
// another one took the id in between.
const maxTries = 100

// begin finds the dialogue that holds the source, or creates it.
func (im *importer) begin(ctx context.Context) error {
	for range maxTries {
		free, err := im.find(ctx)
		if err != nil || free == "" {
			return err
		}
		d := *im.src.Ops[0].Dialogue
		d.Step = im.stepOf(0)
		_, err = im.store.Create(ctx, free, d)
		if errors.Is(err, blue.ErrConflict) {
			continue // perhaps by another run of this source
		}
		if err != nil {
			return fmt.Errorf("creating %s: %w", free, err)
		}
		im.id, im.created, im.progress = free, true, blue.ImportProgress{Done: 1}
		if im.opts.Progress != nil {
			im.opts.Progress(1, len(im.src.Ops), im.src.Ops[0])
		}
		return nil
	}
	return fmt.Errorf("%w: the dialogue's id was taken %d times in between", blue.ErrBusy, maxTries)
}

// find looks through the ids that the dialogue may have. It sets id and
// progress if the source is there, else it returns the first free id.
func (im *importer) find(ctx context.Context) (free blue.DialogueID, err error) {
	ids, err := im.candidates()
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		s, err := im.store.Load(ctx, id)
		switch {
		case errors.Is(err, blue.ErrNotFound):
			return id, nil
		case errors.Is(err, blue.ErrErased):
			continue // never given again
		case err != nil:
			return "", fmt.Errorf("looking into %s: %w", id, err)
		}
		if progress, ok := s.Dialogue.Imports[im.src.Digest]; ok {
			im.id, im.progress = id, progress
			return "", nil
		}
	}
	return "", fmt.Errorf("%w: all %d ids from %s on are taken", blue.ErrConflict, len(ids), ids[0])
}

// candidates are the given id, or the title's slug and slug-2 to slug-99.
func (im *importer) candidates() ([]blue.DialogueID, error) {
	title := im.src.Ops[0].Dialogue.Title
	if im.opts.ID != nil {
		id, err := im.opts.ID(title)
		return []blue.DialogueID{id}, err
	}
	slug, err := blue.SlugID(title)
	return slug.Candidates(), err
}

func (im *importer) stepOf(op int) *blue.Step { return &blue.Step{Source: im.src.Digest, Op: op} }

// step takes one operation, or records that it is refused. Afterwards
// progress.Done is past it, further if another run was faster.
func (im *importer) step(ctx context.Context, op Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := op.Err
	if err == nil {
		err = im.apply(ctx, op)
	}
	switch {
	case err == nil:
		im.progress.Done = op.Index + 1
		return nil
	case op.Err != nil:
	case errors.Is(err, blue.ErrConflict):
		if moved, lerr := im.reload(ctx); moved || lerr != nil {
			return lerr
		}
	case !errors.Is(err, blue.ErrRefused) && !errors.Is(err, blue.ErrInvalid):
		return err
	}
	return im.refuse(ctx, op, err)
}

// reload reads how far the source has come and reports whether that is
// further than this run knew.
func (im *importer) reload(ctx context.Context) (moved bool, err error) {
	s, err := im.store.Load(ctx, im.id)
	if err != nil {
		return false, err
	}
	progress := s.Dialogue.Imports[im.src.Digest]
	moved = progress.Done > im.progress.Done
	if moved {
		im.progress = progress
	}
	return moved, nil
}

// refuse records an operation as refused. ErrConflict means that another run
// has it done.
func (im *importer) refuse(ctx context.Context, op Op, why error) error {
	refusal := blue.ImportRefusal{Op: op.Index, Kind: op.Kind, Reason: why.Error()}
	_, err := im.store.Amend(ctx, im.id, blue.Amendment{Refused: &refusal, Step: im.stepOf(op.Index)})
	if errors.Is(err, blue.ErrConflict) {
		moved, lerr := im.reload(ctx)
		if moved || lerr != nil {
			return lerr
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("recording the refusal: %w", err)
	}
	im.progress.Done = op.Index + 1
	im.progress.Refused = append(slices.Clone(im.progress.Refused), refusal)
	return nil
}

// apply sends a copy of the request with its step. A dialogue anywhere but at
// the front is a second one, which one source cannot make.
func (im *importer) apply(ctx context.Context, op Op) error {
	step := im.stepOf(op.Index)
	var err error
	switch {
	case op.Expert != nil:
		e := *op.Expert
		e.Step = step
		_, err = im.store.RegisterExpert(ctx, im.id, e)
	case op.Round != nil:
		b := *op.Round
		b.Step = step
		_, err = im.store.RegisterRound(ctx, im.id, b)
	case op.Signal != nil:
		s := *op.Signal
		s.Step = step
		_, err = im.store.RecordSignal(ctx, im.id, s)
	case op.Verdict != nil:
		v := *op.Verdict
		v.Step = step
		_, err = im.store.RegisterVerdict(ctx, im.id, v)
	default:
		err = fmt.Errorf("%w: a second dialogue in one source", blue.ErrInvalid)
	}
	return err
}

func (im *importer) result() *Result {
	res := &Result{
		Dialogue: im.id, Created: im.created, Done: im.progress.Done,
		Refused: slices.Clone(im.progress.Refused), Counts: map[string]int{}, Notes: im.src.Notes,
	}
	for _, op := range im.src.Ops[:min(im.progress.Done, len(im.src.Ops))] {
		if !slices.ContainsFunc(res.Refused, func(r blue.ImportRefusal) bool { return r.Op == op.Index }) {
			res.Counts[op.Kind]++
		}
	}
	return res
}
