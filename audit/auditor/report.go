package auditor

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
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
	m, err := coveringCheckpoint(ctx, src, chain, seq)
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

// coveringCheckpoint returns the first checkpoint that covers an event.
func coveringCheckpoint(ctx context.Context, src Source, chain string, seq uint64) (mark, error) {
	if seq == 0 {
		return mark{}, fmt.Errorf("%w: events have numbers from 1", blue.ErrInvalid)
	}
	for r, err := range src.Records(ctx, record.CheckpointPartition(chain), afterSeq(seq-1)) {
		if err != nil {
			return mark{}, err
		}
		if m := markOf(r); m.size >= seq {
			return m, nil
		}
	}
	return mark{}, fmt.Errorf("%w: no checkpoint covers event %d of chain %s", blue.ErrNotFound, seq, chain)
}

// A Source is a log to read: a record store ([FromStore]) or a [File]. Iterators
// stream, and an error is their last value. Methods may be called concurrently,
// and while other processes write.
type Source interface {
	// Chains yields the chains that the day index names, ascending, each once.
	Chains(ctx context.Context) iter.Seq2[string, error]
	// Indexed reports whether the day index names a chain.
	Indexed(ctx context.Context, chain string) (bool, error)
	// Records yields the records of a partition of blue_audit whose sort key
	// is greater than after, ascending.
	Records(ctx context.Context, pk record.Partition, after string) iter.Seq2[record.Record, error]
	// Record returns one record of blue_audit, or ErrNotFound.
	Record(ctx context.Context, key record.Key) (record.Record, error)
	// Dialogues yields the dialogues that the source can list. Other dialogues
	// are found by their events.
	Dialogues(ctx context.Context) iter.Seq2[string, error]
	// Root returns the plaintext part of a dialogue's root.
	Root(ctx context.Context, dialogue string) (Root, error)
}

// A Root is the plaintext part of a dialogue's root.
type Root struct {
	State   State
	Version uint64 // root_version
	Hash    string // SHA-256 of root_sealed, 64 hex digits
}

// A State is the state of a dialogue in the store.
type State string

// The states of a dialogue.
const (
	Stored  State = "stored"  // the dialogue has a root
	Gone    State = "gone"    // the dialogue does not exist
	Copying State = "copying" // record.Unfinished: the dialogue has no root yet
	Moving  State = "moving"  // in an exported log: the dialogue changed during the export, and its pointers are left out
	Erased  State = "erased"  // record.Erased: an erasure record replaces the root
)

// page is how many records are read at once.
const page = 500

// FromStore returns a record store as a Source.
func FromStore(store record.Store) Source { return storeSource{store} }

type storeSource struct{ store record.Store }

func (s storeSource) Records(ctx context.Context, pk record.Partition, after string) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		for {
			records, err := s.store.Query(ctx, record.Query{Table: record.Audit, Partition: pk, After: after, Limit: page})
			if err != nil {
				yield(record.Record{}, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
			if len(records) < page {
				return
			}
			after = records[len(records)-1].Key.Item
		}
	}
}

func (s storeSource) Record(ctx context.Context, key record.Key) (record.Record, error) {
	return s.store.Get(ctx, record.Audit, key)
}

// Chains holds the names of a sixteenth of all chains at a time.
func (s storeSource) Chains(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, digit := range "0123456789abcdef" {
			var chains []string
			for r, err := range s.Records(ctx, record.IndexPartition(string(digit)), "") {
				if err != nil {
					yield("", err)
					return
				}
				if chain, ok := chainOfIndex(r.Key.Item); ok {
					chains = append(chains, strings.Clone(chain))
				}
			}
			slices.Sort(chains)
			for _, chain := range slices.Compact(chains) {
				if !yield(chain, nil) {
					return
				}
			}
		}
	}
}

// Indexed looks for the entry that was put with the genesis, whose day it has,
// and where that is not there, for any.
func (s storeSource) Indexed(ctx context.Context, chain string) (bool, error) {
	if chain == "" {
		return false, nil
	}
	pk := record.IndexPartition(chain)
	r, err := s.Record(ctx, audit.EventKey(chain, 1))
	if err == nil {
		day, _, _ := strings.Cut(audit.DecodeEvent(r).Timestamp, "T")
		_, err = s.Record(ctx, record.Key{Partition: pk, Item: day + "#" + chain})
	}
	if !errors.Is(err, blue.ErrNotFound) {
		return err == nil, err
	}
	for r, err := range s.Records(ctx, pk, "") {
		if err != nil {
			return false, err
		}
		if named, _ := chainOfIndex(r.Key.Item); named == chain {
			return true, nil
		}
	}
	return false, nil
}

func (s storeSource) Dialogues(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, status := range blue.KindDialogue.Statuses() {
			records, err := s.store.Index(ctx, record.ByStatus, "status#"+string(status))
			if err != nil {
				yield("", err)
				return
			}
			for _, r := range records {
				if id, ok := r.Key.Partition.Dialogue(); ok && !yield(id, nil) {
					return
				}
			}
		}
	}
}

func (s storeSource) Root(ctx context.Context, dialogue string) (Root, error) {
	meta, err := s.store.Get(ctx, record.Dialogues, record.MetaKey(dialogue))
	switch {
	case errors.Is(err, blue.ErrNotFound):
		return Root{State: Gone}, nil
	case err != nil:
		return Root{}, err
	case record.IsUnfinished(meta):
		return Root{State: Copying}, nil
	case record.IsErased(meta):
		return Root{State: Erased}, nil
	}
	return Root{Stored, uint64(meta.Attrs["root_version"].Int()), audit.RootHash(meta.Attrs["root_sealed"].Bin())}, nil
}
