package main

import (
	"bytes"
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
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

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
		Args:    cobra.NoArgs,
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
		return errors.Join(a.answer(answer, answer.text), replaceFile(state, append(text, '\n')))
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
	log.ErrorContext(ctx, "audit log is not continuous", "store", answer.Store, "verdict", answer.Verdict, "found", answer.Report.Found, "breaks", answer.Breaks, "trace_id", traceID(ctx))
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
		fmt.Fprintf(out, "✓ the log extends the log of the last run; %s, %d events in %d chains\n", w.Verdict, w.Report.Events, w.Report.Chains)
		return
	}
	for _, b := range w.Breaks {
		fmt.Fprintf(out, "✗ %s\n", b)
	}
	auditReport{"", w.Verdict, w.Report}.text(out)
}
