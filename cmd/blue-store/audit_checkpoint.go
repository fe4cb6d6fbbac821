package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

func auditCheckpointCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint",
		Short: "Verify the log and sign the events that no checkpoint covers yet",
		Long: "Verifies the whole log and then signs the unproven ends of chains, for example the chain of a\n" +
			"killed process. After that, every change to the signed events is detected. Events that were\n" +
			"removed before cannot be detected, so a chain that was never closed stays unproven after its\n" +
			"end. Ends younger than two minutes are skipped, because their process can still sign them.\n" +
			"If the verification finds an error, nothing is signed.",
		Example: "  blue-store audit checkpoint",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.auditCheckpoint(c.Context()) },
	}
}

// checkpointAnswer is the answer of audit checkpoint, schema blue-store/audit-checkpoint@1.
type checkpointAnswer struct {
	Schema string       `json:"schema"`
	Signed []signedTail `json:"signed"`
	Fresh  int          `json:"fresh"` // skipped, because their process can sign them
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
	verifiers, err := a.verifiers(ctx, s.config, nil)
	if err != nil {
		return err
	}
	anchors, err := a.knownAnchors(ctx, s.config)
	if err != nil {
		return err
	}
	p := a.progress()
	defer p.end()
	report, tails, err := auditor.Unsigned(ctx, auditor.FromStore(records), auditor.Options{Verifiers: verifiers, Anchors: anchors, Progress: p.log})
	p.end()
	if err != nil {
		return err
	}
	if report.Err() != nil {
		return a.auditAnswer(report)
	}
	signer, err := s.config.audit.signer(ctx)
	if err != nil {
		return err
	}
	answer := checkpointAnswer{Schema: "blue-store/audit-checkpoint@1", Signed: []signedTail{}}
	for _, t := range tails {
		if t.Fresh {
			answer.Fresh++
			continue
		}
		text, err := auditor.SignTail(ctx, auditor.FromStore(records), t, signer)
		if err == nil {
			err = audit.PutCheckpoint(ctx, records, anchors, t.Chain, t.Events, text)
		}
		if err != nil {
			return err
		}
		answer.Signed = append(answer.Signed, signedTail{t.Chain, t.Events, text})
	}
	return a.answer(answer, answer.text)
}

func (c checkpointAnswer) text(w io.Writer) {
	for _, s := range c.Signed {
		fmt.Fprintf(w, "signed: chain %s, %d events\n", s.Chain, s.Size)
	}
	if c.Fresh > 0 {
		fmt.Fprintf(w, "skipped: %d chains whose process can still be running\n", c.Fresh)
	}
	if len(c.Signed)+c.Fresh == 0 {
		fmt.Fprintln(w, "every event is covered by a checkpoint")
	}
}
