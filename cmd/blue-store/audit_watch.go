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
		Short: "For the daily job: verify, compare with the last run, and raise an alarm",
		Long: "Verifies the log as audit verify does and compares it with what the last run on this machine\n" +
			"saw: a log never gets shorter. Anything wrong is one line of JSON on standard error, exit code 7,\n" +
			"and a POST of the finding to --webhook. It runs once; let cron or a timer call it.",
		Example: "  blue-store audit watch\n  blue-store audit watch --webhook https://alerts.example.org/blue",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := a.checkHook(hook); err != nil {
				return err
			}
			return a.auditWatch(c.Context(), hook, keys)
		},
	}
	c.Flags().StringVar(&hook, "webhook", "", "`URL` that gets the alarm by POST, as JSON")
	c.Flags().StringArrayVar(&keys, "key", nil, "a verifier `KEY` to trust; may be repeated")
	return c
}

// checkHook refuses an address that is no URL, and plain http to another host.
func (a *app) checkHook(hook string) error {
	if hook == "" {
		return nil
	}
	u, err := url.Parse(hook)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return usage("--webhook is not an address like https://alerts.example.org/blue")
	}
	if u.Scheme == "http" && !awsclient.IsLoopback(u.Hostname()) && !a.flags.insecureEndpoint {
		return &usageError{"the webhook is plain http to another host", "use https, or --insecure-endpoint"}
	}
	return nil
}

// seen is what a run of audit watch remembers of the log.
type seen struct {
	Schema    string `json:"schema"` // blue-store/audit-watch-state@1
	Store     string `json:"store"`
	Chains    int    `json:"chains"`
	Events    uint64 `json:"events"`
	Commits   uint64 `json:"commits"`
	Dialogues int    `json:"dialogues"`
	First     string `json:"first"`
}

// watchAnswer is what audit watch says, schema blue-store/audit-watch@1; the
// webhook gets the same.
type watchAnswer struct {
	Schema  string         `json:"schema"`
	Store   string         `json:"store"`
	Alarm   bool           `json:"alarm"`
	Breaks  []string       `json:"breaks"` // what does not follow from the last run
	Verdict string         `json:"verdict"`
	Last    *seen          `json:"last,omitempty"`
	Report  auditor.Report `json:"report"`
}

func (a *app) auditWatch(ctx context.Context, hook string, keys []string) error {
	s, err := a.openAudit(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	state := filepath.Join(s.config.home, "watch", filepath.Base(s.config.heads)+".json")
	last, err := readSeen(state)
	if err != nil {
		return err
	}
	report, err := a.verifyLog(ctx, s, keys)
	if err != nil {
		return err
	}
	answer := watchAnswer{Schema: "blue-store/audit-watch@1", Store: s.config.name(), Breaks: last.breaks(report), Verdict: report.Verdict(), Last: last, Report: report}
	answer.Alarm = len(answer.Breaks) > 0 || report.Err() != nil
	if !answer.Alarm {
		now := seen{"blue-store/audit-watch-state@1", s.config.name(), report.Chains, report.Events, report.Commits, report.Dialogues, report.First}
		text, _ := json.MarshalIndent(now, "", "  ")
		return errors.Join(a.answer(answer, answer.text), replaceFile(state, append(text, '\n')))
	}
	alarm := a.alarm(ctx, answer, hook)
	return errors.Join(alarm, a.answer(answer, answer.text), fmt.Errorf("%w: the audit log does not go on from what was there", blue.ErrTampered))
}

func readSeen(path string) (*seen, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var s seen
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("%w: what the last run saw, %s, cannot be read", blue.ErrTampered, path), "remove the file to begin anew")
	}
	return &s, nil
}

// breaks says what a log cannot have lost since it was last seen.
func (s *seen) breaks(now auditor.Report) []string {
	found := []string{}
	if s == nil {
		return found
	}
	for _, c := range []struct {
		what      string
		then, now uint64
	}{{"chains", uint64(s.Chains), uint64(now.Chains)}, {"events", s.Events, now.Events}, {"commits", s.Commits, now.Commits}, {"dialogues", uint64(s.Dialogues), uint64(now.Dialogues)}} {
		if c.now < c.then {
			found = append(found, fmt.Sprintf("%d %s, the last run saw %d", c.now, c.what, c.then))
		}
	}
	if s.First != "" && now.First != s.First && (now.First == "" || now.First > s.First) {
		found = append(found, "the log began at "+s.First+" and now begins later")
	}
	return found
}

// alarm writes the log line and calls the webhook.
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
		return fmt.Errorf("%w: the webhook: %w", blue.ErrInvalid, err)
	}
	post.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(post)
	if err != nil {
		return fmt.Errorf("%w: the webhook did not get the alarm: %w", blue.ErrUnavailable, err)
	}
	defer got.Body.Close()
	if got.StatusCode/100 != 2 {
		return fmt.Errorf("%w: the webhook answered %s to the alarm", blue.ErrUnavailable, got.Status)
	}
	return nil
}

func (w watchAnswer) text(out io.Writer) error {
	if !w.Alarm {
		_, err := fmt.Fprintf(out, "✓ the log goes on from the last run; %s, %d events in %d chains\n", w.Verdict, w.Report.Events, w.Report.Chains)
		return err
	}
	for _, b := range w.Breaks {
		fmt.Fprintf(out, "✗ %s\n", b)
	}
	return auditReport{"", w.Verdict, w.Report}.text(out)
}
