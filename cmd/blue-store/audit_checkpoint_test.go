package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// TestAuditCheckpoint signs the ends of chains that killed processes left, more
// of them than a report lists. It skips a young chain.
func TestAuditCheckpoint(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Which cache?")
	records, err := sqlite.Open(t.Context(), filepath.Join(m.home, ".blue", "db", "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	const killed = 102
	for _, ago := range append(slices.Repeat([]time.Duration{10 * time.Minute}, killed), time.Second) {
		log := audit.NewLog(records, "killed", &audit.Options{Now: func() time.Time { return time.Now().Add(-ago) }})
		if err := log.Append(t.Context(), func(*audit.Event) {}, audit.Decrypt, "which-cache", "dek#which-cache#1", audit.Success); err != nil {
			t.Fatal(err)
		}
	}
	if err := records.Close(); err != nil {
		t.Fatal(err)
	}
	verdict := func(want ...string) {
		t.Helper()
		o := m.must("audit", "verify", "--text")
		for _, w := range want {
			if !strings.Contains(o.stdout, w) {
				t.Errorf("audit verify does not print %q:\n%s", w, o.stdout)
			}
		}
	}
	verdict("– unproven", "tail unproven after seq 0")
	o := m.must("audit", "checkpoint", "--text")
	if strings.Count(o.stdout, "signed: chain ") != killed || !strings.Contains(o.stdout, ", 2 events") || !strings.Contains(o.stdout, "skipped: 1 chain") {
		t.Errorf("audit checkpoint prints:\n%s", o.stdout)
	}
	again := m.must("audit", "checkpoint", "--text")
	if strings.Contains(again.stdout, "signed: ") {
		t.Errorf("signed twice:\n%s", again.stdout)
	}
}
