package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

func auditCheckpointCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Verify the log, then sign what no checkpoint covers yet",
		Long: "Verifies the whole log and then signs the tails that are unproven, such as those of killed\n" +
			"processes: what is there now cannot be cut or changed unseen from then on. Whether something\n" +
			"was cut before, nobody can tell, so a chain that was never closed stays unproven after its end.\n" +
			"Tails younger than two minutes are left to their process.\n" +
			"Nothing is signed if anything is wrong.",
		Example: "  blue-store audit checkpoint",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.auditCheckpoint(c.Context()) },
	}
}

// checkpointAnswer is what audit checkpoint says, schema blue-store/audit-checkpoint@1.
type checkpointAnswer struct {
	Schema string       `json:"schema"`
	Signed []signedTail `json:"signed"`
	Fresh  int          `json:"fresh"` // left to their process
}

type signedTail struct {
	Chain string `json:"chain"`
	Size  uint64 `json:"size"`
	Note  string `json:"note"`
}

func (a *app) auditCheckpoint(ctx context.Context) error {
	s, err := a.openAudit(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	records, err := a.openRecords(ctx, s.config, false)
	if err != nil {
		return err
	}
	defer records.Close()
	tails, err := a.openTails(ctx, s.config, records)
	if err != nil {
		return err
	}
	report, unsigned, err := tails.unsigned(ctx)
	if err != nil {
		return err
	}
	if report.Err() != nil {
		return a.auditAnswer(report)
	}
	if tails.signer, err = s.config.audit.signer(ctx); err != nil {
		return err
	}
	answer := checkpointAnswer{Schema: "blue-store/audit-checkpoint@1", Signed: []signedTail{}}
	for _, t := range unsigned {
		if t.Fresh {
			answer.Fresh++
			continue
		}
		signed, err := tails.sign(ctx, t)
		if err != nil {
			return err
		}
		answer.Signed = append(answer.Signed, signed)
	}
	return a.answer(answer, answer.text)
}

// tails signs what no checkpoint covers.
type tails struct {
	app       *app
	records   record.Store
	source    auditor.Source
	signer    *checkpoint.Signer // for sign
	verifiers note.Verifiers
	anchors   []audit.Anchor
}

func (a *app) openTails(ctx context.Context, c config, records record.Store) (*tails, error) {
	verifiers, err := a.verifiers(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	anchors, err := a.knownAnchors(ctx, c)
	return &tails{a, records, auditor.FromStore(records), nil, verifiers, anchors}, err
}

// unsigned verifies the log and returns the tails that can be signed. One of a
// chain that is signed to its end and not closed stays unproven.
func (t *tails) unsigned(ctx context.Context) (report auditor.Report, all []auditor.Tail, err error) {
	report, err = t.app.checkLog(ctx, t.source, auditor.Options{
		Verifiers: t.verifiers, Anchors: t.anchors,
		Tail: func(tail auditor.Tail) {
			if tail.Proven < tail.Events {
				all = append(all, tail)
			}
		},
	})
	return report, all, err
}

// sign signs a tail that was verified just now, and puts the checkpoint where
// checkpoints are.
func (t *tails) sign(ctx context.Context, tail auditor.Tail) (signedTail, error) {
	var tree checkpoint.Tree
	for e, err := range auditor.Events(ctx, t.source, auditor.Filter{Chain: tail.Chain}) {
		if err != nil {
			return signedTail{}, err
		}
		hash, err := hex.DecodeString(e.EventHash)
		if err != nil || e.Seq != tree.Size()+1 {
			return signedTail{}, fmt.Errorf("%w: chain %s changed while it was signed", blue.ErrTampered, tail.Chain)
		}
		if tree.Append(hash); tree.Size() == tail.Events {
			break
		}
	}
	if tree.Size() != tail.Events {
		return signedTail{}, fmt.Errorf("%w: chain %s lost events while it was signed", blue.ErrTampered, tail.Chain)
	}
	text, err := t.signer.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(tail.Chain), Size: tree.Size(), Root: tree.Root()})
	if err != nil {
		return signedTail{}, err
	}
	return signedTail{tail.Chain, tree.Size(), text}, audit.PutCheckpoint(ctx, t.records, t.anchors, tail.Chain, tree.Size(), text)
}

// signErasure signs the chain in which a dialogue's erasure ended, where the
// process that erased it was killed before it could: the log is verified first.
func (t *tails) signErasure(ctx context.Context, dialogue blue.DialogueID) error {
	report, unsigned, err := t.unsigned(ctx)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return err
	}
	ended := auditor.Filter{Dialogue: string(dialogue), Operation: audit.Erase, Outcome: audit.Success}
	for e, err := range auditor.Events(ctx, t.source, ended) {
		if err != nil {
			return err
		}
		i := slices.IndexFunc(unsigned, func(tail auditor.Tail) bool { return tail.Chain == e.Chain })
		if i < 0 {
			continue
		}
		if _, err := t.sign(ctx, unsigned[i]); err != nil {
			return err
		}
		unsigned = slices.Delete(unsigned, i, i+1)
	}
	return nil
}

func (c checkpointAnswer) text(w io.Writer) error {
	for _, s := range c.Signed {
		fmt.Fprintf(w, "signed: chain %s, %d events\n", s.Chain, s.Size)
	}
	if c.Fresh > 0 {
		fmt.Fprintf(w, "left: %d chains whose process may be at work\n", c.Fresh)
	}
	if len(c.Signed)+c.Fresh == 0 {
		fmt.Fprintln(w, "every event is covered by a checkpoint")
	}
	return nil
}
