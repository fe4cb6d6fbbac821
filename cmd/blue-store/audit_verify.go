package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/internal/display"
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
		RunE: func(c *cobra.Command, _ []string) error {
			if file != "" {
				return a.auditVerifyFile(c.Context(), file, keys)
			}
			return a.withAudit(c.Context(), func(s *auditSession) error {
				report, err := a.verifyLog(c.Context(), s, keys)
				if err != nil {
					return err
				}
				return a.auditAnswer(report)
			})
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

// verifyLog verifies the log of the store with the trusted keys.
func (a *app) verifyLog(ctx context.Context, s *auditSession, keys []string) (auditor.Report, error) {
	opts, err := a.auditOptions(ctx, s.config, keys)
	if err != nil {
		return auditor.Report{}, err
	}
	return a.checkLog(ctx, s.source, opts)
}

// auditOptions returns the trusted keys and the anchors for the log of the store.
func (a *app) auditOptions(ctx context.Context, c config, keys []string) (opts auditor.Options, err error) {
	if opts.Verifiers, err = a.verifiers(ctx, c, keys); err == nil {
		opts.Anchors, err = a.knownAnchors(ctx, c)
	}
	return opts, err
}

func (a *app) auditVerifyFile(ctx context.Context, path string, keys []string) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return unreadableInput(path, err)
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
		return errors.Join(err, withHint(&shortError{found, fmt.Sprintf("%v: %s in the audit log: %v", blue.ErrTampered, display.Count(report.Found, "finding"), report.Findings[0])},
			"do not change the store and its anchors, and find out who could write to them"))
	}
	return err
}

func (r auditReport) text(w io.Writer) {
	mark := map[string]string{auditor.OK: "✓", auditor.Unproven: "–", auditor.Tampered: "✗"}[r.Verdict]
	fmt.Fprintf(w, "%s %s  %s in %s, %s, %s in %s\n", mark, r.Verdict,
		display.Count(r.Events, "event"), display.Count(r.Chains, "chain"), display.Count(r.Checkpoints, "checkpoint"),
		display.Count(r.Commits, "commit"), display.Count(r.Dialogues, "dialogue"))
	if r.First != "" {
		fmt.Fprintf(w, "  from %.19sZ to %.19sZ\n", r.First, r.Last)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "  ✗ %s\n", display.OneLine(f.String()))
	}
	if more := r.Found - len(r.Findings); more > 0 {
		fmt.Fprintf(w, "  … and %d more\n", more)
	}
	for _, t := range r.Tails {
		fmt.Fprintf(w, "  – %s\n", display.OneLine(t.String()))
	}
	if more := r.Unproven - len(r.Tails); more > 0 {
		fmt.Fprintf(w, "  … and %d more\n", more)
	}
}

func auditProofCommand(a *app) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "proof CHAIN SEQ",
		Short: "Prove with the public key alone that one event is in the log",
		Long: "Prints the inclusion proof of one event: the event's hash, the path from it to the root of its\n" +
			"chain, and the signed checkpoint. scripts/verify_audit_log.py checks a proof without the store.\n" +
			"docs/format.md describes the format for other tools.",
		Example: "  blue-store audit proof 4be1f1c0a7d24d0f9f0b8d3ce13f1a52 7 --output event.proof",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			seq, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil || seq == 0 {
				return usage("SEQ must be an integer from 1; audit list shows it after the chain")
			}
			if !checkpoint.IsChain(args[0]) {
				return usage("%q is not a chain; a chain has 32 hexadecimal digits, as audit list --json shows", clipArgument(args[0]))
			}
			return a.withAudit(c.Context(), func(s *auditSession) error { return a.auditProof(c.Context(), s, args[0], seq, output) })
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "the output `FILE`; default standard output")
	return c
}

// proofAnswer is the answer of audit proof, schema blue-store/audit-proof@1.
type proofAnswer struct {
	Schema string `json:"schema"`
	Chain  string `json:"chain"`
	Seq    uint64 `json:"seq"`
	Proof  string `json:"proof"`
}

func (a *app) auditProof(ctx context.Context, s *auditSession, chain string, seq uint64, output string) error {
	verifiers, err := a.verifiers(ctx, s.config, nil)
	if err != nil {
		return err
	}
	proof, err := auditor.Proof(ctx, s.source, chain, seq, verifiers)
	if err != nil {
		return err
	}
	if output != "" {
		return replaceOutputFile(output, []byte(proof))
	}
	return a.answerText(proofAnswer{"blue-store/audit-proof@1", chain, seq, proof}, proof)
}

func auditExportCommand(a *app) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the whole log as JSON Lines",
		Long: "Writes the log for other tools: events and checkpoints, then the pointers of each dialogue.\n" +
			"docs/format.md describes the format. The same log gives the same bytes. It contains no text of a\n" +
			"dialogue. scripts/verify_audit_log.py and audit verify --file verify it.",
		Example: "  blue-store audit export --output log.jsonl",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(c, &output); err != nil {
				return err
			}
			return a.withAudit(c.Context(), func(s *auditSession) error { return a.auditExport(c.Context(), s, output) })
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "the output `FILE`; default standard output")
	return c
}

func (a *app) auditExport(ctx context.Context, s *auditSession, output string) error {
	if output == "" {
		return auditor.Export(ctx, s.source, a.out)
	}
	if err := writeOutputFile(output, func(w io.Writer) error { return auditor.Export(ctx, s.source, w) }); err != nil {
		return err
	}
	a.note("Exported the audit log to %s", output)
	return nil
}

func auditKeyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Print the public key that verifies this client's checkpoints",
		Long: "Prints the verifier key of this client's signing key, which it creates if there is none. Store\n" +
			"the printed key where writers of the store cannot change it. Other users add it to the file in\n" +
			"BLUE_AUDIT_TRUST.",
		Example: "  blue-store audit key",
		RunE:    func(c *cobra.Command, _ []string) error { return a.auditKey(c.Context()) },
	}
}

// keyAnswer is the answer of audit key, schema blue-store/audit-key@1.
type keyAnswer struct {
	Schema string `json:"schema"`
	Key    string `json:"key"`
	File   string `json:"file"` // path of the signing key
}

func (a *app) auditKey(ctx context.Context) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	signer, err := c.audit.signer(ctx)
	if err != nil {
		return err
	}
	return a.answerText(keyAnswer{"blue-store/audit-key@1", signer.VerifierKey(), c.audit.key}, signer.VerifierKey()+"\n")
}
