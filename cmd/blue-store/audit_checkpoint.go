package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

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
	report, err := a.verifyLog(ctx, s, nil)
	if err != nil {
		return err
	}
	if report.Err() != nil {
		return a.auditAnswer(report)
	}
	records, err := a.openRecords(ctx, s.config, false)
	if err != nil {
		return err
	}
	defer records.Close()
	answer := checkpointAnswer{Schema: "blue-store/audit-checkpoint@1", Signed: []signedTail{}}
	for _, t := range report.Tails {
		if t.Proven == t.Events {
			continue // signed to its end, and not closed: that stays unproven
		}
		if t.Fresh {
			answer.Fresh++
			continue
		}
		signed, err := a.putTail(ctx, s, records, t)
		if err != nil {
			return err
		}
		answer.Signed = append(answer.Signed, signed)
	}
	return a.answer(answer, answer.text)
}

// putTail signs a tail and puts the checkpoint where checkpoints are.
func (a *app) putTail(ctx context.Context, s *auditSession, records record.Store, t auditor.Tail) (signedTail, error) {
	signer, err := s.config.audit.signer(ctx)
	if err != nil {
		return signedTail{}, err
	}
	anchors, err := a.auditAnchors(ctx, s.config)
	if err != nil {
		return signedTail{}, err
	}
	signed, err := signTail(ctx, s.source, signer, t)
	if err != nil {
		return signedTail{}, err
	}
	return signed, audit.PutCheckpoint(ctx, records, anchors, signed.Chain, signed.Size, signed.Note)
}

// signErasure signs the chain in which a dialogue's erasure ended, where the
// process that erased it was killed before it could: the log is verified first.
func (a *app) signErasure(ctx context.Context, s *session, dialogue blue.DialogueID) error {
	log := &auditSession{config: s.config, records: s.records, source: auditor.FromStore(s.records)}
	report, err := a.verifyLog(ctx, log, nil)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return err
	}
	ended := auditor.Filter{Dialogue: string(dialogue), Operation: audit.Erase, Outcome: audit.Success}
	for e, err := range auditor.Events(ctx, log.source, ended) {
		if err != nil {
			return err
		}
		for _, t := range report.Tails {
			if t.Chain != e.Chain || t.Proven == t.Events {
				continue
			}
			if _, err := a.putTail(ctx, log, s.records, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// signTail signs the events of a chain that were verified just now.
func signTail(ctx context.Context, src auditor.Source, signer *checkpoint.Signer, t auditor.Tail) (signedTail, error) {
	var tree checkpoint.Tree
	for e, err := range auditor.Events(ctx, src, auditor.Filter{Chain: t.Chain}) {
		if err != nil {
			return signedTail{}, err
		}
		hash, err := hex.DecodeString(e.EventHash)
		if err != nil || e.Seq != tree.Size()+1 {
			return signedTail{}, fmt.Errorf("%w: chain %s changed while it was signed", blue.ErrTampered, t.Chain)
		}
		if tree.Append(hash); tree.Size() == t.Events {
			break
		}
	}
	if tree.Size() != t.Events {
		return signedTail{}, fmt.Errorf("%w: chain %s lost events while it was signed", blue.ErrTampered, t.Chain)
	}
	text, err := signer.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(t.Chain), Size: tree.Size(), Root: tree.Root()})
	return signedTail{t.Chain, tree.Size(), text}, err
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
