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
		Long: "Verifies the whole log. It checks that chains have no gaps, and that hashes, links and signed\n" +
			"checkpoints in the store and its anchors are valid. It compares each dialogue's root with the\n" +
			"dialogue's last event, each write with its event and each event with its write. Events that no\n" +
			"checkpoint covers are reported as unproven, never as ok. The chain of a process that was killed\n" +
			"or is still running ends with such events.\n\n" +
			"The trusted keys are the key of this client (audit key), the keys in the file BLUE_AUDIT_TRUST\n" +
			"and --key. If an error is found, the exit code is 7.",
		Example: "  blue-store audit verify\n  blue-store audit verify --file log.jsonl --key blue-audit+…",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if file != "" {
				return a.auditVerifyFile(c.Context(), file, keys)
			}
			return a.auditVerify(c.Context(), keys)
		},
	}
	c.Flags().StringArrayVar(&keys, "key", nil, "a verifier `KEY` to trust, in the form that audit key prints; can be repeated")
	c.Flags().StringVar(&file, "file", "", "verify an exported log (audit export) instead of the store")
	return c
}

// auditReport is the answer of audit verify, schema blue-store/audit-verify@1.
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

// verifyLog verifies the log of the store with the trusted keys.
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

// auditAnswer prints a report. It returns an error if the report has findings.
func (a *app) auditAnswer(report auditor.Report) error {
	answer := auditReport{"blue-store/audit-verify@1", report.Verdict(), report}
	err := a.answer(answer, answer.text)
	if found := report.Err(); found != nil {
		return errors.Join(err, withHint(&shortError{found, fmt.Sprintf("%v: %d finding(s) in the audit log: %v", blue.ErrTampered, report.Found, report.Findings[0])},
			"do not change the store and its anchors, and find out who could write to them"))
	}
	return err
}

func (r auditReport) text(w io.Writer) {
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
}
