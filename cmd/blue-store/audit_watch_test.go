package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWatchWebhook restores an older store and receives the alarm. If the
// webhook fails, the error reports that, and the exit code is still the one of
// the log.
func TestWatchWebhook(t *testing.T) {
	var posted [][]byte
	status := http.StatusNoContent
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/json" {
			posted = append(posted, body)
		}
		w.WriteHeader(status)
	}))
	defer hook.Close()
	m := newMachine(t)
	m.must("dialogue", "create", "Which cache?")
	database := filepath.Join(m.home, ".blue", "db", "blue.db")
	old, err := os.ReadFile(database)
	if err != nil {
		t.Fatal(err)
	}
	m.must("show", "which-cache")
	m.must("audit", "watch", "--webhook", hook.URL)
	if len(posted) > 0 {
		t.Errorf("an alarm without a finding: %s", posted)
	}
	for _, end := range []string{"-wal", "-shm"} {
		os.Remove(database + end)
	}
	if err := os.WriteFile(database, old, 0o600); err != nil {
		t.Fatal(err)
	}
	o := m.run("audit", "watch", "--webhook", hook.URL)
	var alarm struct {
		Alarm   bool
		Verdict string
		Breaks  []string
	}
	if o.code != exitIntegrity || len(posted) != 1 || json.Unmarshal(posted[0], &alarm) != nil || !alarm.Alarm || alarm.Verdict != "tampered" || len(alarm.Breaks) == 0 {
		t.Errorf("exit %d, posted %s\n%s", o.code, posted, o.stderr)
	}
	status = http.StatusInternalServerError
	if o := m.run("audit", "watch", "--webhook", hook.URL); o.code != exitIntegrity || !strings.Contains(o.stderr, "the webhook answered 500") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}
