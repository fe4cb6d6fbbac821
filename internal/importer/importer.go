// Package importer reads a recorded dialogue and replays it into a store, one
// commit per operation.
//
// What belongs here: the two source forms (an operations file, a Markdown
// folder), the list of operations they become, what was found in them that has
// no place, and the resumable run. What does not: Blue's JSON of one operation
// (package blue, Parse…), the SQLite database of Blue, rules and
// numbering (internal/engine).
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

import blue "github.com/superviber/blue-encrypted-store"

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
