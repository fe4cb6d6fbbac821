// Package auditor verifies a whole audit log: every chain, every checkpoint,
// and that commits and events stand for each other. It holds no key but public
// ones and streams: what it keeps grows with the number of dialogues, not with
// the log.
//
// What belongs here: the Source (a store, or an exported log), Verify, Export,
// Proof, and what a report sums up. What does not: an event's bytes and where
// they lie (audit), trees and signed notes (audit/checkpoint), the roots and
// items of a dialogue, which take its key (encrypted), printing (cmd).
//
// # What a chain must be
//
// Its first event is its genesis; seq 1, 2, … without a gap; each event has
// the hash of its fields, stands in its own place and names the hash of the one
// before; the RFC 6962 root over the first n events is that of every checkpoint
// of size n, in the table or in an anchor; a close is the last event.
//
// The first thing that is wrong with a chain is reported, with one Class. What
// no checkpoint covers can be cut or written anew by whoever holds the store:
// such a tail is never OK, see Tail.
//
// # What a dialogue must be
//
// Its pointers are 1…n without a gap; each leads to an event that wrote that
// dialogue and version, and from each such event a pointer leads back; meta
// says root_version n and its root has the hash that the last event names. Of
// events that came with a copy only those of its commits are here; a boundary
// event covers them.
package auditor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
)

// Options configure Verify. The zero value checks all but checkpoints: with no
// verifier every checkpoint there is counts as bad.
type Options struct {
	Verifiers note.Verifiers // public keys, never taken from the log itself
	Anchors   []audit.Anchor // asked for each chain's newest checkpoint, and for all chains
	Progress  func(Progress) // called now and then, from the caller's goroutine
	Tail      func(Tail)     // called for every unproven tail, of which a Report lists the first 100
	// Now is the clock by which a tail is called fresh; time.Now if nil.
	Now func() time.Time
}

// Progress is how far a run has come.
type Progress struct {
	Phase     string `json:"phase"` // "chains", "anchors", "dialogues"
	Chains    int    `json:"chains"`
	Events    uint64 `json:"events"`
	Dialogues int    `json:"dialogues"`
}

// Verify reads a whole log and reports what is wrong with it; see Report. An
// error means that it could not be read. Commits may land meanwhile: what they
// add is no finding. It may be called concurrently and changes nothing.
func Verify(ctx context.Context, src Source, opts *Options) (Report, error) {
	if opts == nil {
		opts = &Options{}
	}
	v := newVerifier(src, opts)
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
		extra: make(map[string]bool), known: make(map[string]*dialogue), secret: newSecret(),
	}
	if v.verifiers == nil {
		v.verifiers = note.VerifierList()
	}
	v.now = time.Now()
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
