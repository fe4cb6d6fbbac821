package main

import (
	"context"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

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
			return a.auditProof(c.Context(), args[0], seq, output)
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

func (a *app) auditProof(ctx context.Context, chain string, seq uint64, output string) error {
	if !checkpoint.IsChain(chain) {
		return usage("%q is not a chain; a chain has 32 hexadecimal digits, as audit list --json shows", clip(chain))
	}
	s, err := a.openAudit(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	verifiers, err := a.verifiers(ctx, s.config, nil)
	if err != nil {
		return err
	}
	proof, err := auditor.Proof(ctx, s.source, chain, seq, verifiers)
	if err != nil {
		return err
	}
	if output != "" {
		return replaceFile(output, []byte(proof))
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
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(c, &output); err != nil {
				return err
			}
			return a.auditExport(c.Context(), output)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "the output `FILE`; default standard output")
	return c
}

func (a *app) auditExport(ctx context.Context, output string) error {
	s, err := a.openAudit(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if output == "" {
		return auditor.Export(ctx, s.source, a.out)
	}
	if err := writeFile(output, func(w io.Writer) error { return auditor.Export(ctx, s.source, w) }); err != nil {
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
		Args:    cobra.NoArgs,
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
