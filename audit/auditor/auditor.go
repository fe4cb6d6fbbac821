// Package auditor verifies a whole audit log: every chain, every checkpoint, and
// that each commit has its event and each event its commit. It needs only public
// keys. Its memory grows with the number of dialogues, not with the log.
//
// The package has the [Source] of a log (a store or an exported log), [Verify],
// [Export], [Proof] and summaries. Package audit defines the bytes and keys of
// events, audit/checkpoint defines trees and signed notes, encrypted verifies the
// roots and items of a dialogue with its key, and cmd prints reports.
//
// A verifier is one run. It walks along each chain, compares the checkpoints, and
// follows the pointers of each dialogue. A [File] is an exported log, line by
// line.
//
// # What a chain must be
//
// The first event is the genesis. The seqs are 1, 2, … without a gap. Each event
// has the hash of its fields, the chain and seq of its key, and the hash of the
// previous event. Every checkpoint of size n, in the table or in an anchor, has
// the RFC 6962 root over the first n events. A close is the last event.
//
// The first error of a chain is reported, with one [Class]. A writer of the store
// can cut or replace events that no checkpoint covers. A chain with such a tail
// is never OK, see [Tail].
//
// # What a dialogue must be
//
// The pointers are 1…n without a gap. Each leads to an event that wrote this
// dialogue and version, and each such event has a pointer. Meta has root_version
// n, and its root has the root_hash of the last event. If a dialogue was copied
// from another store, only the events of its commits are in the log, and a
// boundary event covers them.
package auditor

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// Options configure Verify. The zero value has no verifier, so every checkpoint
// is reported as bad.
type Options struct {
	Verifiers note.Verifiers // public keys, never taken from the log itself
	Anchors   []audit.Anchor // read for the newest checkpoint of each chain, and for all chains
	Progress  func(Progress) // called at intervals from the caller's goroutine, may be nil
	Tail      func(Tail)     // called for every unproven tail, may be nil. A Report has only the first 100
	// Now is the clock for Tail.Fresh, time.Now if nil.
	Now func() time.Time
}

// A Progress is the progress of Verify.
type Progress struct {
	Phase     string `json:"phase"` // "chains", "anchors" or "dialogues"
	Chains    int    `json:"chains"`
	Events    uint64 `json:"events"`
	Dialogues int    `json:"dialogues"`
}

// Verify reads a whole log and reports its errors as findings of a [Report]. It
// returns an error only if the log cannot be read. Other processes can commit
// during the run, and their new events are not findings. Verify may be called
// concurrently. opts may be nil.
func Verify(ctx context.Context, src Source, opts *Options) (Report, error) {
	v := newVerifier(src, cmp.Or(opts, new(Options)))
	for _, phase := range []struct {
		name string
		run  func(context.Context) error
	}{{"chains", v.chains}, {"anchors", v.anchored}, {"dialogues", v.dialogues}} {
		v.progress.Phase = phase.name
		if err := phase.run(ctx); err != nil {
			return v.report, fmt.Errorf("verifying the audit log (%s): %w", phase.name, err)
		}
		v.tell()
	}
	return v.report, nil
}

// verifier is one run.
type verifier struct {
	src       Source
	verifiers note.Verifiers
	anchors   []audit.Anchor
	now       time.Time
	show      func(Progress)
	tail      func(Tail)
	progress  Progress
	report    Report
	extra     map[string]bool // chains that the index does not name, verified all the same
	known     map[string]*dialogue
	secret    [32]byte // keys the sums of dialogue.go
}

func newVerifier(src Source, opts *Options) *verifier {
	v := &verifier{
		src: src, verifiers: opts.Verifiers, anchors: opts.Anchors, show: opts.Progress, tail: opts.Tail,
		extra: make(map[string]bool), known: make(map[string]*dialogue), now: time.Now(),
	}
	rand.Read(v.secret[:]) // never fails (crypto/rand)
	if v.verifiers == nil {
		v.verifiers = note.VerifierList()
	}
	if opts.Now != nil {
		v.now = opts.Now()
	}
	return v
}

func (v *verifier) tell() {
	if v.show != nil {
		v.progress.Chains, v.progress.Events = v.report.Chains, v.report.Events
		v.show(v.progress)
	}
}

// chains verifies every chain that the index names.
func (v *verifier) chains(ctx context.Context) error {
	for chain, err := range v.src.Chains(ctx) {
		if err != nil {
			return err
		}
		if err := v.chain(ctx, chain); err != nil {
			return err
		}
	}
	return nil
}

// anchored looks for chains that an anchor knows and the index does not.
func (v *verifier) anchored(ctx context.Context) error {
	for _, a := range v.anchors {
		for chain, err := range a.Chains(ctx) {
			if err != nil {
				return err
			}
			indexed, err := v.src.Indexed(ctx, chain)
			if err != nil {
				return err
			}
			if indexed {
				continue
			}
			if err := v.unindexed(ctx, chain, "an anchor"); err != nil {
				return err
			}
		}
	}
	return nil
}

// unindexed reports a chain that who knows and the index does not, and
// verifies what is there of it.
func (v *verifier) unindexed(ctx context.Context, chain, who string) error {
	if v.extra[chain] {
		return nil
	}
	v.extra[chain] = true
	_, err := v.src.Record(ctx, audit.EventKey(chain, 1))
	switch {
	case errors.Is(err, blue.ErrNotFound):
		v.report.found(Finding{Class: MissingChain, Chain: chain, Detail: who + " names it; it is gone"})
		return nil
	case err != nil:
		return err
	}
	v.report.found(Finding{Class: MissingChain, Chain: chain, Detail: who + " names it; the day index does not"})
	return v.chain(ctx, chain)
}

// A Filter selects events by their fields, which are not verified. An empty field
// selects all.
type Filter struct {
	From, To  time.Time // From ≤ timestamp < To
	Dialogue  string
	Principal string // the pseudonym or name in the event
	Operation audit.Operation
	Outcome   audit.Outcome
	TraceID   string
	Chain     string
}

const timestamp = record.TimeLayout

func (f Filter) picks(e *audit.Event) bool {
	return (f.From.IsZero() || e.Timestamp >= f.From.UTC().Format(timestamp)) &&
		(f.To.IsZero() || e.Timestamp < f.To.UTC().Format(timestamp)) &&
		(f.Dialogue == "" || f.Dialogue == e.Dialogue) &&
		(f.Principal == "" || f.Principal == e.Principal) &&
		(f.Operation == "" || f.Operation == e.Operation) &&
		(f.Outcome == "" || f.Outcome == e.Outcome) &&
		(f.TraceID == "" || f.TraceID == e.TraceID)
}

// Events yields the selected events of all chains as they are stored, chain by
// chain. An error is the last value.
func Events(ctx context.Context, src Source, f Filter) iter.Seq2[audit.Event, error] {
	return func(yield func(audit.Event, error) bool) {
		for chain, err := range src.Chains(ctx) {
			if err != nil {
				yield(audit.Event{}, err)
				return
			}
			if f.Chain != "" && f.Chain != chain {
				continue
			}
			for r, err := range src.Records(ctx, record.ChainPartition(chain), "") {
				if err != nil {
					yield(audit.Event{}, err)
					return
				}
				if e := audit.DecodeEvent(r); f.picks(&e) && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// A Use counts the events of one principal, dialogue, operation, outcome and
// error class.
type Use struct {
	Principal string          `json:"principal"` // the name if it is known, else the pseudonym
	Dialogue  string          `json:"dialogue,omitempty"`
	Operation audit.Operation `json:"operation"`
	Outcome   audit.Outcome   `json:"outcome"`
	Class     string          `json:"error_class,omitempty"`
	Times     uint64          `json:"times"` // number of events
	Items     int64           `json:"items"` // sum of the items that were read or written
	First     string          `json:"first"` // smallest timestamp
	Last      string          `json:"last"`  // largest timestamp
}

// A Summary counts the events of a log. It does not verify them, see [Verify].
type Summary struct {
	First    string   `json:"first,omitempty"`
	Last     string   `json:"last,omitempty"`
	Chains   int      `json:"chains"`
	Events   uint64   `json:"events"`
	Uses     []Use    `json:"uses"`                      // successes, sorted by principal, dialogue, operation, outcome and class
	Refused  []Use    `json:"refused,omitempty"`         // failures and denials
	Erasures []Use    `json:"erasures,omitempty"`        // erase and destroy_key with any outcome
	Unclosed int      `json:"unclosed"`                  // chains without a close
	Open     []string `json:"unclosed_chains,omitempty"` // the first 100 of these
}

// Summarize returns the summary of the selected events. names maps pseudonyms to
// names ([audit.Directory.Names]). A principal without a name is shown as in the
// event. The memory grows with the number of uses, not of events. Summarize
// returns the errors of src.
func Summarize(ctx context.Context, src Source, names map[string]string, f Filter) (Summary, error) {
	var s Summary
	uses := make(map[Use]*Use)
	for chain, err := range src.Chains(ctx) {
		if err != nil {
			return Summary{}, err
		}
		if f.Chain != "" && f.Chain != chain {
			continue
		}
		closed := false
		for r, err := range src.Records(ctx, record.ChainPartition(chain), "") {
			if err != nil {
				return Summary{}, err
			}
			e := audit.DecodeEvent(r)
			closed = e.Operation == audit.Close
			if f.picks(&e) {
				s.add(uses, e, names)
			}
		}
		if s.Chains++; closed {
			continue
		}
		if s.Unclosed++; len(s.Open) < listed {
			s.Open = append(s.Open, chain)
		}
	}
	s.sort(uses)
	return s, nil
}

func (s *Summary) add(uses map[Use]*Use, e audit.Event, names map[string]string) {
	s.Events++
	if s.First == "" || e.Timestamp < s.First {
		s.First = e.Timestamp
	}
	s.Last = max(s.Last, e.Timestamp)
	if e.Operation == audit.Genesis || e.Operation == audit.Close || e.Operation == audit.Void {
		return
	}
	key := Use{Principal: cmp.Or(names[e.Principal], e.Principal), Dialogue: e.Dialogue, Operation: e.Operation, Outcome: e.Outcome, Class: e.ErrorClass}
	u := uses[key]
	if u == nil {
		first := key
		first.First = e.Timestamp
		u = &first
		uses[key] = u
	}
	u.Times++
	u.Items += e.ItemCount
	u.First, u.Last = min(u.First, e.Timestamp), max(u.Last, e.Timestamp)
}

func (s *Summary) sort(uses map[Use]*Use) {
	for _, u := range uses {
		switch {
		case u.Operation == audit.Erase || u.Operation == audit.DestroyKey:
			s.Erasures = append(s.Erasures, *u)
		case u.Outcome == audit.Failure || u.Outcome == audit.Denied:
			s.Refused = append(s.Refused, *u)
		default:
			s.Uses = append(s.Uses, *u)
		}
	}
	for _, list := range [][]Use{s.Uses, s.Refused, s.Erasures} {
		slices.SortFunc(list, func(a, b Use) int {
			return cmp.Or(strings.Compare(a.Principal, b.Principal), strings.Compare(a.Dialogue, b.Dialogue),
				cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Outcome, b.Outcome), strings.Compare(a.Class, b.Class))
		})
	}
}
