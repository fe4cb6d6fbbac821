package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

func auditVerifyCommand(a *app) *cobra.Command {
	var keys []string
	var file string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check every chain, checkpoint and commit of the log",
		Long: "Reads the whole log: chains without a gap, hashes and links, signed checkpoints in the store and\n" +
			"in its anchors, each dialogue's root against its last event, no write without its event and no\n" +
			"event without its write. What no checkpoint covers is reported as unproven, never as ok: a\n" +
			"process that was killed, or still runs, leaves such a tail.\n\n" +
			"Trusted are this client's own key (audit key), those in the file BLUE_AUDIT_TRUST, and --key.\n" +
			"The exit code is 7 if anything is wrong.",
		Example: "  blue-store audit verify\n  blue-store audit verify --file log.jsonl --key blue-audit+…",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if file != "" {
				return a.auditVerifyFile(c.Context(), file, keys)
			}
			return a.auditVerify(c.Context(), keys)
		},
	}
	c.Flags().StringArrayVar(&keys, "key", nil, "a verifier `KEY` to trust, as audit key prints it; may be repeated")
	c.Flags().StringVar(&file, "file", "", "verify an exported log (audit export) in place of the store")
	return c
}

// auditReport is what audit verify says, schema blue-store/audit-verify@1.
type auditReport struct {
	Schema  string `json:"schema"`
	Verdict string `json:"verdict"` // ok, unproven or tampered
	auditor.Report
}

func (a *app) auditVerify(ctx context.Context, keys []string) error {
	s, err := a.openAudit(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	report, err := a.verifyLog(ctx, s, keys)
	if err != nil {
		return err
	}
	return a.auditAnswer(report)
}

// verifyLog verifies the log of the store with the keys that are trusted.
func (a *app) verifyLog(ctx context.Context, s *auditSession, keys []string) (auditor.Report, error) {
	verifiers, err := a.verifiers(ctx, s.config, keys)
	if err != nil {
		return auditor.Report{}, err
	}
	anchors, err := a.knownAnchors(ctx, s.config)
	if err != nil {
		return auditor.Report{}, err
	}
	return a.checkLog(ctx, s.source, auditor.Options{Verifiers: verifiers, Anchors: anchors})
}

func (a *app) auditVerifyFile(ctx context.Context, path string, keys []string) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return unreadable(path, err)
	}
	defer f.Close()
	src, err := auditor.NewFile(f)
	if err != nil {
		return err
	}
	verifiers, err := a.verifiers(ctx, c, keys)
	if err != nil {
		return err
	}
	report, err := a.checkLog(ctx, src, auditor.Options{Verifiers: verifiers})
	if err != nil {
		return err
	}
	return a.auditAnswer(report)
}

func (a *app) auditAnswer(report auditor.Report) error {
	answer := auditReport{"blue-store/audit-verify@1", report.Verdict(), report}
	err := a.answer(answer, answer.text)
	if found := report.Err(); found != nil {
		return errors.Join(err, withHint(&shortened{found, fmt.Sprintf("%v: %d finding(s) in the audit log: %v", blue.ErrTampered, report.Found, report.Findings[0])},
			"keep the store and its anchors as they are, and find out who could write to them"))
	}
	return err
}

func (r auditReport) text(w io.Writer) error {
	mark := map[string]string{auditor.OK: "✓", auditor.Unproven: "–", auditor.Tampered: "✗"}[r.Verdict]
	fmt.Fprintf(w, "%s %s  %d events in %d chains, %d checkpoints, %d commits in %d dialogues\n", mark, r.Verdict, r.Events, r.Chains, r.Checkpoints, r.Commits, r.Dialogues)
	if r.First != "" {
		fmt.Fprintf(w, "  from %.19sZ to %.19sZ\n", r.First, r.Last)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "  ✗ %s\n", oneLine(f.String()))
	}
	if more := r.Found - len(r.Findings); more > 0 {
		fmt.Fprintf(w, "  … and %d more\n", more)
	}
	for _, t := range r.Tails {
		fmt.Fprintf(w, "  – %s\n", oneLine(t.String()))
	}
	if more := r.Unproven - len(r.Tails); more > 0 {
		fmt.Fprintf(w, "  … and %d more\n", more)
	}
	return nil
}
