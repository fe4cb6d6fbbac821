package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/display"
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
			what += " " + display.Count(ev.Items, "item")
		}
		outcome := ev.Outcome
		if ev.ErrorClass != "" {
			outcome += " (" + ev.ErrorClass + ")"
		}
		fmt.Fprintf(t, "%.19sZ\t%s\t%s\t%s\t%s\t%.8s/%d\n", ev.Timestamp, display.OneLine(cmp.Or(ev.User, ev.Principal)), display.OneLine(ev.Operation), display.OneLine(outcome), display.OneLine(what), ev.Chain, ev.Seq)
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
		return usage("%s has %d pseudonyms; use one of those that audit list shows", clipArgument(user), len(found))
	}
	summary, err := auditor.Summarize(ctx, s.source, s.names, f)
	if err != nil {
		return err
	}
	answer := summaryAnswer{"blue-store/audit-report@1", s.config.name(), summary}
	return a.answer(answer, answer.text)
}

func (s summaryAnswer) text(w io.Writer) {
	fmt.Fprintf(w, "%s: %s in %s", display.OneLine(s.Store), display.Count(s.Events, "event"), display.Count(s.Chains, "chain"))
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
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d×\t%s\t%.19sZ – %.19sZ\n", display.OneLine(u.Principal), display.OneLine(u.Dialogue), display.OneLine(string(u.Operation)), display.OneLine(outcome), u.Times, display.Count(u.Items, "item"), u.First, u.Last)
		}
		t.Flush()
	}
	if s.Unclosed > 0 {
		fmt.Fprintf(w, "\nunclosed chains: %d (the process was killed, or is still running)\n", s.Unclosed)
	}
}

func auditWatchCommand(a *app) *cobra.Command {
	var hook string
	var keys []string
	c := &cobra.Command{
		Use:   "watch",
		Short: "For a daily job: verify the log, compare it with the last run, and raise an alarm",
		Long: "Verifies the log like audit verify and compares it with the log of the last run on this machine,\n" +
			"because a log never gets shorter. If it finds an error, it prints one line of JSON on standard\n" +
			"error, posts the finding to --webhook and exits with 7. It runs once. Start it from cron or a\n" +
			"timer.",
		Example: "  blue-store audit watch\n  blue-store audit watch --webhook https://alerts.example.org/blue",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkHook(hook); err != nil {
				return err
			}
			return a.withAudit(c.Context(), func(s *auditSession) error { return a.auditWatch(c.Context(), s, hook, keys) })
		},
	}
	c.Flags().StringVar(&hook, "webhook", "", "`URL` that receives the alarm by POST, as JSON")
	c.Flags().StringArrayVar(&keys, "key", nil, "a verifier `KEY` to trust; can be repeated")
	return c
}

// checkHook returns a usageError if the address is not a URL, or is plain http to
// another host.
func (a *app) checkHook(hook string) error {
	if hook == "" {
		return nil
	}
	u, err := url.Parse(hook)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return usage("--webhook must be a URL, for example https://alerts.example.org/blue")
	}
	if u.Scheme == "http" && !awsclient.IsLoopback(u.Hostname()) && !a.flags.insecureEndpoint {
		return &usageError{"the webhook uses plain http to another host", "use https, or --insecure-endpoint"}
	}
	return nil
}

// watchState is the size of the log in the last successful run of audit watch.
type watchState struct {
	Schema    string `json:"schema"` // blue-store/audit-watch-state@1
	Store     string `json:"store"`
	Chains    int    `json:"chains"`
	Events    uint64 `json:"events"`
	Commits   uint64 `json:"commits"`
	Dialogues int    `json:"dialogues"`
	First     string `json:"first"`
}

// watchAnswer is the answer of audit watch, schema blue-store/audit-watch@1. The
// webhook receives the same document.
type watchAnswer struct {
	Schema  string         `json:"schema"`
	Store   string         `json:"store"`
	Alarm   bool           `json:"alarm"`
	Breaks  []string       `json:"breaks"` // contradictions to the last run
	Verdict string         `json:"verdict"`
	Last    *watchState    `json:"last,omitempty"`
	Report  auditor.Report `json:"report"`
}

func (a *app) auditWatch(ctx context.Context, s *auditSession, hook string, keys []string) error {
	state := filepath.Join(s.config.home, "watch", filepath.Base(s.config.heads)+".json")
	last, err := readWatchState(state)
	if err != nil {
		return err
	}
	report, err := a.verifyLog(ctx, s, keys)
	if err != nil {
		return err
	}
	answer := watchAnswer{Schema: "blue-store/audit-watch@1", Store: s.config.name(), Breaks: last.contradictions(report), Verdict: report.Verdict(), Last: last, Report: report}
	answer.Alarm = len(answer.Breaks) > 0 || report.Err() != nil
	if !answer.Alarm {
		now := watchState{"blue-store/audit-watch-state@1", s.config.name(), report.Chains, report.Events, report.Commits, report.Dialogues, report.First}
		text, _ := json.MarshalIndent(now, "", "  ")
		return errors.Join(a.answer(answer, answer.text), replaceOutputFile(state, append(text, '\n')))
	}
	alarm := a.alarm(ctx, answer, hook)
	return errors.Join(alarm, a.answer(answer, answer.text), fmt.Errorf("%w: the audit log is not an extension of the log seen in the last run", blue.ErrTampered))
}

// readWatchState returns the state of the last run, nil if there was none.
func readWatchState(path string) (*watchState, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var s watchState
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("%w: reading the state of the last run: %s is damaged", blue.ErrTampered, path), "remove the file to start without a state")
	}
	return &s, nil
}

// contradictions lists how a log is shorter than in the last run. A log never
// gets shorter, so each entry is an error.
func (s *watchState) contradictions(now auditor.Report) []string {
	found := []string{}
	if s == nil {
		return found
	}
	for _, c := range []struct {
		what      string
		then, now uint64
	}{{"chains", uint64(s.Chains), uint64(now.Chains)}, {"events", s.Events, now.Events}, {"commits", s.Commits, now.Commits}, {"dialogues", uint64(s.Dialogues), uint64(now.Dialogues)}} {
		if c.now < c.then {
			found = append(found, fmt.Sprintf("%d %s, but %d in the last run", c.now, c.what, c.then))
		}
	}
	if s.First != "" && now.First != s.First && (now.First == "" || now.First > s.First) {
		found = append(found, "the first event was at "+s.First+" and is missing now")
	}
	return found
}

// alarm writes the alarm to standard error and posts it to the webhook.
func (a *app) alarm(ctx context.Context, answer watchAnswer, hook string) error {
	log := slog.New(slog.NewJSONHandler(a.err, nil))
	log.ErrorContext(ctx, "audit log is not continuous", "store", answer.Store, "verdict", answer.Verdict, "found", answer.Report.Found, "breaks", answer.Breaks, "trace_id", commandTraceID(ctx))
	if hook == "" {
		return nil
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, hook, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%w: calling the webhook: %w", blue.ErrInvalid, err)
	}
	post.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(post)
	if err != nil {
		return fmt.Errorf("%w: posting the alarm to the webhook: %w", blue.ErrUnavailable, err)
	}
	defer got.Body.Close()
	if got.StatusCode/100 != 2 {
		return fmt.Errorf("%w: the webhook answered %s to the alarm", blue.ErrUnavailable, got.Status)
	}
	return nil
}

func (w watchAnswer) text(out io.Writer) {
	if !w.Alarm {
		fmt.Fprintf(out, "✓ the log extends the log of the last run; %s, %s in %s\n",
			w.Verdict, display.Count(w.Report.Events, "event"), display.Count(w.Report.Chains, "chain"))
		return
	}
	for _, b := range w.Breaks {
		fmt.Fprintf(out, "✗ %s\n", b)
	}
	auditReport{"", w.Verdict, w.Report}.text(out)
}
