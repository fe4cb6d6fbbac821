package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

func auditListCommand(a *app) *cobra.Command {
	var p eventFlags
	limit := 200
	c := &cobra.Command{
		Use:   "list",
		Short: "List events, the newest last",
		Long: "Lists the selected events in the order of their times. The times come from the clocks of the\n" +
			"writing processes. The order within a chain is proven (audit verify). The order between chains\n" +
			"is not.",
		Example: "  blue-store audit list --since 24h\n  blue-store audit list --user ada --outcome denied --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 {
				return usage("--limit must be at least 1")
			}
			f, err := p.filter(time.Now())
			if err != nil {
				return err
			}
			return a.withAudit(c.Context(), func(s *auditSession) error { return a.auditList(c.Context(), s, f, p.user, limit) })
		},
	}
	p.add(c.Flags())
	c.Flags().IntVar(&limit, "limit", limit, "at most the newest `N` events")
	return c
}

// eventsAnswer is the answer of audit list, schema blue-store/audit-list@1.
type eventsAnswer struct {
	Schema  string      `json:"schema"`
	Events  []eventJSON `json:"events"`
	Omitted int         `json:"omitted"` // older events beyond --limit
}

// eventJSON is one event in the answer of audit list.
type eventJSON struct {
	Timestamp   string `json:"timestamp"`
	Principal   string `json:"principal"`
	User        string `json:"user,omitempty"` // the name in the directory, if there is one
	Operation   string `json:"operation"`
	Outcome     string `json:"outcome"`
	Dialogue    string `json:"dialogue,omitempty"`
	RootVersion uint64 `json:"root_version,omitempty"`
	Items       int64  `json:"items,omitempty"`
	ErrorClass  string `json:"error_class,omitempty"`
	KeyID       string `json:"key_id,omitempty"`
	TraceID     string `json:"trace_id,omitempty"`
	EventID     string `json:"event_id"`
	Chain       string `json:"chain"`
	Seq         uint64 `json:"seq"`
	EventHash   string `json:"event_hash"`
}

func (a *app) auditList(ctx context.Context, s *auditSession, f auditor.Filter, name string, limit int) error {
	answer := eventsAnswer{Schema: "blue-store/audit-list@1", Events: []eventJSON{}}
	user := append(pseudonymsOf(name, s.names), name)
	for e, err := range auditor.Events(ctx, s.source, f) {
		if err != nil {
			return err
		}
		if name != "" && !slices.Contains(user, e.Principal) {
			continue
		}
		answer.Events = append(answer.Events, s.event(e))
		if len(answer.Events) >= 2*limit {
			answer.keepNewest(limit)
		}
	}
	answer.keepNewest(limit)
	return a.answer(answer, answer.text)
}

// keepNewest sorts the events and removes the oldest ones beyond limit.
func (e *eventsAnswer) keepNewest(limit int) {
	slices.SortStableFunc(e.Events, func(x, y eventJSON) int {
		return cmp.Or(cmp.Compare(x.Timestamp, y.Timestamp), cmp.Compare(x.Chain, y.Chain), cmp.Compare(x.Seq, y.Seq))
	})
	if over := len(e.Events) - limit; over > 0 {
		e.Events = slices.Delete(e.Events, 0, over)
		e.Omitted += over
	}
}

func (s *auditSession) event(e audit.Event) eventJSON {
	return eventJSON{
		Timestamp: e.Timestamp, Principal: e.Principal, User: s.names[e.Principal], Operation: string(e.Operation), Outcome: string(e.Outcome),
		Dialogue: e.Dialogue, RootVersion: e.RootVersion, Items: e.ItemCount, ErrorClass: e.ErrorClass, KeyID: e.KeyID,
		TraceID: e.TraceID, EventID: e.EventID, Chain: e.Chain, Seq: e.Seq, EventHash: e.EventHash,
	}
}

func (e eventsAnswer) text(w io.Writer) {
	if len(e.Events) == 0 {
		io.WriteString(w, "no event\n")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, ev := range e.Events {
		what := ev.Dialogue
		if ev.RootVersion > 0 {
			what += fmt.Sprintf(" v%d", ev.RootVersion)
		}
		if ev.Items > 0 {
			what += fmt.Sprintf(" %d items", ev.Items)
		}
		outcome := ev.Outcome
		if ev.ErrorClass != "" {
			outcome += " (" + ev.ErrorClass + ")"
		}
		fmt.Fprintf(t, "%.19sZ\t%s\t%s\t%s\t%s\t%.8s/%d\n", ev.Timestamp, oneLine(cmp.Or(ev.User, ev.Principal)), oneLine(ev.Operation), oneLine(outcome), oneLine(what), ev.Chain, ev.Seq)
	}
	if e.Omitted > 0 {
		fmt.Fprintf(t, "(%d older events are not shown; --limit)\n", e.Omitted)
	}
	t.Flush()
}

func auditReportCommand(a *app) *cobra.Command {
	var p eventFlags
	c := &cobra.Command{
		Use:   "report",
		Short: "Summarize for an auditor: reads and writes by user, refusals, erasures, unclosed chains",
		Long: "Summarizes the events by user, dialogue, operation and outcome. It does not verify the log. Use\n" +
			"audit verify for that.",
		Example: "  blue-store audit report\n  blue-store audit report --since 2026-01-01 --dialogue which-cache",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := p.filter(time.Now())
			if err != nil {
				return err
			}
			return a.withAudit(c.Context(), func(s *auditSession) error { return a.auditReport(c.Context(), s, f, p.user) })
		},
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

func (a *app) auditReport(ctx context.Context, s *auditSession, f auditor.Filter, user string) error {
	f.Principal = user
	if found := pseudonymsOf(user, s.names); len(found) == 1 {
		f.Principal = found[0]
	} else if len(found) > 1 {
		return usage("%s has %d pseudonyms; use one of those that audit list shows", clip(user), len(found))
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
