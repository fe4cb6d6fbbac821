package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
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
