package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

func auditReportCommand(a *app) *cobra.Command {
	var p eventFlags
	c := &cobra.Command{
		Use:   "report",
		Short: "Summarize for an auditor: reads and writes by user, refusals, erasures, unclosed chains",
		Long: "Summarizes the events by user, dialogue, operation and outcome. It does not verify the log. Use\n" +
			"audit verify for that.",
		Example: "  blue-store audit report\n  blue-store audit report --since 2026-01-01 --dialogue which-cache",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.auditReport(c.Context(), &p) },
	}
	p.add(c.Flags())
	c.Flags().MarkHidden("trace")
	return c
}

// summaryAnswer is the answer of audit report, schema blue-store/audit-report@1.
type summaryAnswer struct {
	Schema string `json:"schema"`
	Store  string `json:"store"`
	auditor.Summary
}

func (a *app) auditReport(ctx context.Context, p *eventFlags) error {
	f, err := p.filter(time.Now())
	if err != nil {
		return err
	}
	s, err := a.openAudit(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	f.Principal = p.user
	if found := pseudonymsOf(p.user, s.names); len(found) == 1 {
		f.Principal = found[0]
	} else if len(found) > 1 {
		return usage("%s has %d pseudonyms; use one of those that audit list shows", clip(p.user), len(found))
	}
	summary, err := auditor.Summarize(ctx, s.source, s.names, f)
	if err != nil {
		return err
	}
	answer := summaryAnswer{"blue-store/audit-report@1", s.config.name(), summary}
	return a.answer(answer, answer.text)
}

func (s summaryAnswer) text(w io.Writer) {
	fmt.Fprintf(w, "%s: %d events in %d chains", oneLine(s.Store), s.Events, s.Chains)
	if s.First != "" {
		fmt.Fprintf(w, ", from %.19sZ to %.19sZ", s.First, s.Last)
	}
	fmt.Fprintln(w)
	for _, part := range []struct {
		title string
		uses  []auditor.Use
	}{{"done", s.Uses}, {"refused", s.Refused}, {"erased", s.Erasures}} {
		if len(part.uses) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", part.title)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, u := range part.uses {
			outcome := string(u.Outcome)
			if u.Class != "" {
				outcome += " (" + u.Class + ")"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d×\t%d items\t%.19sZ – %.19sZ\n", oneLine(u.Principal), oneLine(u.Dialogue), oneLine(string(u.Operation)), oneLine(outcome), u.Times, u.Items, u.First, u.Last)
		}
		t.Flush()
	}
	if s.Unclosed > 0 {
		fmt.Fprintf(w, "\nunclosed chains: %d (the process was killed, or is still running)\n", s.Unclosed)
	}
}
