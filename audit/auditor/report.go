package auditor

import (
	"fmt"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// Class is what is wrong, in one word.
type Class string

const (
	Changed           Class = "changed"             // the event's hash is not that of its fields
	Missing           Class = "missing"             // an event is gone, later ones stand
	Moved             Class = "moved"               // an intact event of another place stands there
	Inserted          Class = "inserted"            // a record stands between the events
	BrokenLink        Class = "broken_link"         // previous_hash is not the hash of the event before
	Rewritten         Class = "rewritten"           // a consistent chain, but not the one that was signed
	Cut               Class = "cut"                 // fewer events than a checkpoint covers
	NoGenesis         Class = "no_genesis"          // the chain does not begin with its genesis, or has two
	AfterClose        Class = "after_close"         // an event after the close
	BadCheckpoint     Class = "bad_checkpoint"      // malformed, of another place, or signed by nobody known
	MissingChain      Class = "missing_chain"       // the index, an anchor or a pointer names a chain that is not there
	WriteWithoutEvent Class = "write_without_event" // a dialogue's root or pointer without its event
	EventWithoutWrite Class = "event_without_write" // an event of a commit whose write or pointer is not there
)

// Finding is one thing that is wrong. Seq is of the first event concerned, 0
// for none; Want and Have are hashes where two were compared.
type Finding struct {
	Class    Class  `json:"class"`
	Chain    string `json:"chain,omitempty"`
	Seq      uint64 `json:"seq,omitempty"`
	Dialogue string `json:"dialogue,omitempty"`
	Version  uint64 `json:"version,omitempty"`
	Want     string `json:"want,omitempty"`
	Have     string `json:"have,omitempty"`
	Detail   string `json:"detail"`
}

// String returns the finding as one line.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(string(f.Class) + ":")
	if f.Chain != "" {
		fmt.Fprintf(&b, " chain %s", f.Chain)
	}
	if f.Seq > 0 {
		fmt.Fprintf(&b, " seq %d", f.Seq)
	}
	if f.Dialogue != "" {
		fmt.Fprintf(&b, " dialogue %s", f.Dialogue)
	}
	if f.Version > 0 {
		fmt.Fprintf(&b, " version %d", f.Version)
	}
	b.WriteString(": " + f.Detail)
	if f.Want != "" || f.Have != "" {
		fmt.Fprintf(&b, " (want %s, have %s)", f.Want, f.Have)
	}
	return b.String()
}

// Tail is a chain whose events after Proven no checkpoint covers: whoever
// holds the store can have cut or replaced them. A process that was killed or
// still runs leaves one.
type Tail struct {
	Chain  string `json:"chain"`
	Events uint64 `json:"events"`
	Proven uint64 `json:"proven"` // size of the newest good checkpoint, 0 for none
	Closed bool   `json:"closed"`
	Since  string `json:"since,omitempty"` // timestamp of the first event after Proven
	Fresh  bool   `json:"fresh"`           // Since is less than 120 s ago: its process may be at work
}

// String returns the tail as one line.
func (t Tail) String() string {
	state := "unclosed"
	if t.Closed {
		state = "closed"
	}
	return fmt.Sprintf("chain %s: %s, %d events, tail unproven after seq %d", t.Chain, state, t.Events, t.Proven)
}

// fresh is the age that Tail.Fresh is about: twice the interval of checkpoints.
const fresh = 120 * time.Second

// listed is how many findings, and how many tails, a Report holds; all are
// counted.
const listed = 100

// Report is what Verify found.
type Report struct {
	Chains      int       `json:"chains"`
	Events      uint64    `json:"events"`
	Checkpoints int       `json:"checkpoints"` // good ones, those of anchors included
	Dialogues   int       `json:"dialogues"`
	Commits     uint64    `json:"commits"` // pointers
	Copied      uint64    `json:"copied"`  // of these, events that came with a copy
	Skipped     int       `json:"skipped"` // dialogues that are being copied, or were written to while the log was exported
	First       string    `json:"first,omitempty"`
	Last        string    `json:"last,omitempty"` // least and greatest timestamp
	Found       int       `json:"found"`
	Findings    []Finding `json:"findings,omitempty"` // the first 100, chains first
	Unclosed    int       `json:"unclosed"`
	Unproven    int       `json:"unproven"`
	Tails       []Tail    `json:"tails,omitempty"` // the first 100 of the unproven
}

// The verdicts of a report.
const (
	OK       = "ok"       // nothing is wrong, and every event is covered by a checkpoint
	Unproven = "unproven" // nothing is wrong, but tails are unproven
	Tampered = "tampered"
)

// Verdict sums the report up in one word.
func (r *Report) Verdict() string {
	switch {
	case r.Found > 0:
		return Tampered
	case r.Unproven > 0:
		return Unproven
	}
	return OK
}

// Err returns the first finding as an error that is blue.ErrTampered, and nil
// where there is none, unproven tails or not.
func (r *Report) Err() error {
	if r.Found == 0 {
		return nil
	}
	return fmt.Errorf("%w: the audit log: %s (%d findings)", blue.ErrTampered, r.Findings[0], r.Found)
}

func (r *Report) found(f Finding) {
	r.Found++
	if len(r.Findings) < listed {
		r.Findings = append(r.Findings, f)
	}
}

func (r *Report) tail(t Tail) {
	r.Unproven++
	if len(r.Tails) < listed {
		r.Tails = append(r.Tails, t)
	}
}

// span widens First…Last. Timestamps have one form, so text order is time order.
func (r *Report) span(timestamp string) {
	if timestamp == "" {
		return
	}
	if r.First == "" || timestamp < r.First {
		r.First = timestamp
	}
	r.Last = max(r.Last, timestamp)
}
