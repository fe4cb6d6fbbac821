package auditor

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Class is a kind of error in a log (docs/format.md §7).
type Class string

// The classes of findings.
const (
	Changed           Class = "changed"             // the hash of an event does not match its fields
	Missing           Class = "missing"             // an event is missing, and later events exist
	Moved             Class = "moved"               // an intact event is stored at the key of another event
	Inserted          Class = "inserted"            // a record between the events is not an event
	BrokenLink        Class = "broken_link"         // previous_hash is not the hash of the previous event
	Rewritten         Class = "rewritten"           // the chain is consistent, but differs from a checkpoint
	Cut               Class = "cut"                 // the chain has fewer events than a checkpoint covers
	NoGenesis         Class = "no_genesis"          // the chain does not begin with its genesis, or has two
	AfterClose        Class = "after_close"         // an event follows the close
	BadCheckpoint     Class = "bad_checkpoint"      // a checkpoint is malformed, of another chain or size, or signed by no known key
	MissingChain      Class = "missing_chain"       // the index, an anchor or a pointer names a chain that does not exist
	WriteWithoutEvent Class = "write_without_event" // a dialogue has a root or pointer without its event
	EventWithoutWrite Class = "event_without_write" // the write or pointer of an event is missing
)

// A Finding is one error in a log.
type Finding struct {
	Class    Class  `json:"class"`
	Chain    string `json:"chain,omitempty"`
	Seq      uint64 `json:"seq,omitempty"` // of the first affected event, 0 for none
	Dialogue string `json:"dialogue,omitempty"`
	Version  uint64 `json:"version,omitempty"` // of the dialogue, 0 for none
	Want     string `json:"want,omitempty"`    // the expected hash, if hashes differ
	Have     string `json:"have,omitempty"`    // the stored hash
	Detail   string `json:"detail"`            // a sentence for people
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

// A Tail is a chain with events that no checkpoint covers. A writer of the store
// can have cut or replaced them. The chain of a process that runs or was killed
// has a tail.
type Tail struct {
	Chain  string `json:"chain"`
	Events uint64 `json:"events"` // number of events of the chain
	Proven uint64 `json:"proven"` // size of the newest valid checkpoint, 0 for none
	Closed bool   `json:"closed"`
	Since  string `json:"since,omitempty"` // timestamp of the first event after Proven
	Fresh  bool   `json:"fresh"`           // Since is less than 120 s ago, so the process can be running
}

// String returns the tail as one line.
func (t Tail) String() string {
	state := "unclosed"
	if t.Closed {
		state = "closed"
	}
	return fmt.Sprintf("chain %s: %s, %d events, tail unproven after seq %d", t.Chain, state, t.Events, t.Proven)
}

// fresh is the age limit of Tail.Fresh: twice the interval of checkpoints.
const fresh = 120 * time.Second

// listed is the maximum number of findings and of tails in a Report. All are
// counted.
const listed = 100

// A Report is the result of Verify.
type Report struct {
	Chains      int       `json:"chains"`
	Events      uint64    `json:"events"`
	Checkpoints int       `json:"checkpoints"` // number of valid ones, anchors included
	Dialogues   int       `json:"dialogues"`
	Commits     uint64    `json:"commits"` // pointers
	Copied      uint64    `json:"copied"`  // the number of commits that were copied from another store
	Skipped     int       `json:"skipped"` // dialogues that are being copied, or were changed during the export
	First       string    `json:"first,omitempty"`
	Last        string    `json:"last,omitempty"`     // smallest and largest timestamp
	Found       int       `json:"found"`              // number of findings
	Findings    []Finding `json:"findings,omitempty"` // the first 100, chains first
	Unclosed    int       `json:"unclosed"`           // number of chains without a close
	Unproven    int       `json:"unproven"`           // number of tails
	Tails       []Tail    `json:"tails,omitempty"`    // the first 100 of the unproven
}

// The verdicts of a report.
const (
	OK       = "ok"       // no findings, and checkpoints cover all events
	Unproven = "unproven" // no findings, but tails
	Tampered = "tampered" // findings
)

// Verdict returns OK, Unproven or Tampered.
func (r *Report) Verdict() string {
	switch {
	case r.Found > 0:
		return Tampered
	case r.Unproven > 0:
		return Unproven
	}
	return OK
}

// Err returns the first finding as an ErrTampered, or nil if there is none. Tails
// are not errors.
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

// Proof returns the text of a [checkpoint.Proof] for one event. With it, the event
// and the public key, a verifier checks offline that the event is in the chain.
// The extra data is the event's hash in hex. Proof returns ErrNotFound if no
// checkpoint covers the event, ErrTampered if the chain up to the checkpoint
// differs from it, ErrInvalid for seq 0, and errors of src.
func Proof(ctx context.Context, src Source, chain string, seq uint64, verifiers note.Verifiers) (string, error) {
	m, err := covering(ctx, src, chain, seq)
	if err != nil {
		return "", err
	}
	prover, err := checkpoint.NewInclusionProver(seq-1, m.size)
	if err != nil {
		return "", err
	}
	if verifiers == nil {
		verifiers = note.VerifierList()
	}
	w := newWalk(chain, verifiers)
	var hash string
	for r, err := range src.Records(ctx, record.ChainPartition(chain), "") {
		if err != nil {
			return "", err
		}
		w.event(r)
		if w.finding != nil {
			break
		}
		leaf, _ := hex.DecodeString(w.last)
		prover.Append(leaf)
		if w.seq == seq {
			hash = w.last
		}
		if w.seq == m.size {
			break
		}
	}
	if w.check(m); w.finding != nil {
		return "", fmt.Errorf("%w: proof of event %d of chain %s: %s", blue.ErrTampered, seq, chain, w.finding)
	}
	hashes, err := prover.Hashes()
	if err != nil {
		return "", err
	}
	return checkpoint.Proof{Extra: []byte(hash), Index: seq - 1, Hashes: hashes, Note: m.note}.String(), nil
}

// covering returns the first checkpoint that covers an event.
func covering(ctx context.Context, src Source, chain string, seq uint64) (mark, error) {
	if seq == 0 {
		return mark{}, fmt.Errorf("%w: events have numbers from 1", blue.ErrInvalid)
	}
	for r, err := range src.Records(ctx, record.CheckpointPartition(chain), after(seq-1)) {
		if err != nil {
			return mark{}, err
		}
		if m := markOf(r); m.size >= seq {
			return m, nil
		}
	}
	return mark{}, fmt.Errorf("%w: no checkpoint covers event %d of chain %s", blue.ErrNotFound, seq, chain)
}
