package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
)

// TestEraseOfKilled: a process that was killed when the dialogue was erased and
// nothing was signed yet leaves an erasure that the same command certifies.
func TestEraseOfKilled(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Which cache?")
	killed := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: m.env}
	ctx := killed.traced(t.Context())
	s, err := killed.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Erase(ctx, "which-cache"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.store.Close(), s.records.Close()); err != nil { // and not the log
		t.Fatal(err)
	}
	cert := filepath.Join(m.home, "which-cache.cert")
	m.must("erase", "which-cache", "--confirm", "which-cache", "--output", cert)
	m.must("erase", "verify", cert)
}

// TestEraseUserOfKilled: a process that was killed when the user was erased, and
// before anybody had the certificate, leaves an erasure that the same command
// does, and certifies, as a whole.
func TestEraseUserOfKilled(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Which cache?")
	m.must("keys", "grant", "which-cache", "ada")
	killed := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: m.env}
	ctx := killed.traced(t.Context())
	s, err := killed.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.store.EraseUser(ctx, "ada", each([]blue.DialogueID{"which-cache"}), audit.NewDirectory(s.records))
	if err != nil || len(done.Wraps) != 1 {
		t.Fatal(done.Wraps, err)
	}
	if err := errors.Join(s.store.Close(), s.records.Close()); err != nil { // and not the log
		t.Fatal(err)
	}
	cert := filepath.Join(m.home, "ada.cert")
	m.must("erase", "--user", "ada", "--confirm", "ada", "--output", cert)
	text, err := os.ReadFile(cert)
	if err != nil || !strings.Contains(string(text), done.Wraps[0]) || !strings.Contains(string(text), done.StartedAt) {
		t.Errorf("the certificate does not say what was done, %v: %s", err, text)
	}
	m.must("erase", "verify", cert)
	if o := m.run("erase", "--user", "ada", "--confirm", "ada"); o.code != exitNotFound {
		t.Errorf("once more: exit %d\n%s", o.code, o.stdout)
	}
}
