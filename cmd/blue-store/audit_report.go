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
	var p picked
	c := &cobra.Command{
		Use:   "report",
		Short: "Sum up for an auditor: who read and wrote what, what was refused, erased, left unclosed",
		Long: "Sums the events up by user, dialogue, operation and outcome. It says what the log holds;\n" +
			"whether the log is whole, audit verify says.",
		Example: "  blue-store audit report\n  blue-store audit report --since 2026-01-01 --dialogue which-cache",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.auditReport(c.Context(), &p) },
	}
	p.flags(c)
	c.Flags().MarkHidden("trace")
	return c
}

// summaryAnswer is what audit report says, schema blue-store/audit-report@1.
type summaryAnswer struct {
	Schema string `json:"schema"`
	Store  string `json:"store"`
	auditor.Summary
}

func (a *app) auditReport(ctx context.Context, p *picked) error {
	f, err := p.filter(time.Now())
	if err != nil {
		return err
	}
	s, err := a.openAudit(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if p.user != "" {
		if f.Principal, err = s.principalOf(p.user); err != nil {
			return err
		}
	}
	summary, err := auditor.Summarize(ctx, s.source, s.names, f)
	if err != nil {
		return err
	}
	answer := summaryAnswer{"blue-store/audit-report@1", s.config.name(), summary}
	return a.answer(answer, answer.text)
}

// principalOf returns what events call a user. A name that nobody has is
// taken as what the events hold.
func (s *auditSession) principalOf(user string) (string, error) {
	var found []string
	for pseudonym, name := range s.names {
		if name == user || userOf(name) == user {
			found = append(found, pseudonym)
		}
	}
	switch len(found) {
	case 0:
		return user, nil
	case 1:
		return found[0], nil
	}
	return "", usage("%s wrote under %d identities; give one of them as audit list shows it", clipped(user), len(found))
}

func (s summaryAnswer) text(w io.Writer) error {
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
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if s.Unclosed > 0 {
		fmt.Fprintf(w, "\nunclosed chains: %d (a process that was killed, or still runs)\n", s.Unclosed)
	}
	return nil
}
