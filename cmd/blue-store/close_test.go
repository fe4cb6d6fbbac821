package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// refusing is a store that refuses every commit after refuse is set.
type refusing struct {
	backend
	refuses bool
}

func (r *refusing) Commit(ctx context.Context, writes []record.Write) error {
	if r.refuses {
		return record.ErrBusy
	}
	return r.backend.Commit(ctx, writes)
}

// TestAuditClosed checks that the chain of a session ends with a close event,
// also after an interrupt. If the event cannot be stored, the exit code is 10
// even if the command succeeded.
func TestAuditClosed(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		home := t.TempDir()
		a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: func(name string) string {
			return map[string]string{"BLUE_HOME": home, "BLUE_USER": "tester"}[name]
		}}
		c, err := a.config()
		if err != nil {
			t.Fatal(err)
		}
		below, err := a.openRecords(t.Context(), c, false)
		if err != nil {
			t.Fatal(err)
		}
		records := &refusing{backend: below}
		ctx, interrupt := context.WithCancel(a.startTrace(t.Context()))
		s, err := a.seal(ctx, c, records)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.store.Create(ctx, "tea", blue.NewDialogue{Title: "Tea"}); err != nil {
			t.Fatal(err)
		}
		first, err := audit.ReadCommit(ctx, below, "tea", 1)
		if err != nil {
			t.Fatal(err)
		}
		interrupt()
		records.refuses = refuses
		if err := s.close(); errors.Is(err, blue.ErrAudit) != refuses {
			t.Errorf("close: %v, want ErrAudit: %v", err, refuses)
		}
		code, _ := classify(a.withLogError(nil))
		if failed := a.withLogError(nil) != nil; failed != refuses || failed && code != exitAudit {
			t.Errorf("%v is exit %d", a.withLogError(nil), code)
		}
		if closed := closedChain(t, a, c, first.Chain); closed == refuses {
			t.Errorf("the chain is closed: %v", closed)
		}
	}
}

// closedChain reports whether the last event of a chain is a close event.
func closedChain(t *testing.T, a *app, c config, chain string) bool {
	t.Helper()
	records, err := a.openRecords(t.Context(), c, true)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	events, err := records.Query(t.Context(), record.Query{Table: record.Audit, Partition: record.ChainPartition(chain)})
	if err != nil {
		t.Fatal(err)
	}
	return audit.DecodeEvent(events[len(events)-1]).Operation == audit.Close
}

// TestEnded checks the exit code for each combination of an error of the command
// and an error of its log.
func TestEnded(t *testing.T) {
	log := fmt.Errorf("%w: %w", blue.ErrAudit, blue.ErrUnavailable)
	for _, c := range []struct {
		command, log error
		code         int
	}{
		{nil, nil, exitOK}, {nil, log, exitAudit}, {blue.ErrRefused, log, exitAudit}, {blue.ErrRefused, nil, exitRefused},
		{blue.ErrUnavailable, log, exitUnavailable}, {blue.ErrTampered, log, exitIntegrity}, {context.Canceled, log, exitInterrupted},
	} {
		a := &app{}
		a.logClosed(c.log)
		err := a.withLogError(c.command)
		code := exitOK
		if err != nil {
			code, _ = classify(err)
		}
		if code != c.code {
			t.Errorf("%v and %v: exit %d, want %d", c.command, c.log, code, c.code)
		}
		if err != nil && strings.Contains(err.Error(), "\n\n") {
			t.Errorf("%q", err)
		}
	}
}
