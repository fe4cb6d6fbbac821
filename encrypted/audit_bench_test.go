package encrypted_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/record"
)

// unaudited drops the writes to the audit table, to measure the cost of a store
// without an audit log. No such store exists outside this file.
type unaudited struct{ record.Store }

func (s unaudited) Commit(ctx context.Context, writes []record.Write) error {
	writes = slices.DeleteFunc(slices.Clone(writes), func(w record.Write) bool { return w.Table == record.Audit })
	if len(writes) == 0 {
		return nil
	}
	return s.Store.Commit(ctx, writes)
}

// BenchmarkAudit loads 120 items, and commits rounds of 20 writes, with the
// audit log and without it in turn, and reports how many times longer it takes
// with it: x-unaudited.
func BenchmarkAudit(b *testing.B) {
	for name, open := range map[string]func(testing.TB) record.Store{
		"sqlite":   func(t testing.TB) record.Store { return dialoguetest.OpenSQLite(t) },
		"dynamodb": func(t testing.TB) record.Store { return dynamotest.Store(t) },
	} {
		records := open(b)
		umk := filepath.Join(b.TempDir(), "umk.key")
		with, without := sealedtest.Open(umk, records, nil), sealedtest.Open(umk, unaudited{records}, nil)
		b.Run(name+"/load", func(b *testing.B) {
			id := blue.DialogueID(fmt.Sprintf("load-%d", time.Now().UnixNano()))
			fillAudit(b, with, id)
			compare(b, with, without, nil, func(s sealedStore, _ int) error {
				snapshot, err := s.Load(b.Context(), id)
				if err == nil && len(snapshot.Moves) != 117 {
					b.Fatalf("%d moves", len(snapshot.Moves))
				}
				return err
			})
		})
		b.Run(name+"/commit", func(b *testing.B) {
			at := map[sealedStore]blue.DialogueID{}
			compare(b, with, without, func(s sealedStore, n int) error {
				if n%roundsEach != 0 {
					return nil
				}
				at[s] = blue.DialogueID(fmt.Sprintf("commit-%d", time.Now().UnixNano()))
				_, err := s.Create(b.Context(), at[s], blue.NewDialogue{Title: "T"})
				return err
			}, func(s sealedStore, n int) error {
				_, err := s.RegisterRound(b.Context(), at[s], roundOf(blue.Round(n%roundsEach), 18))
				return err
			})
		})
	}
}

// roundsEach is the number of rounds of one dialogue of a benchmark. It is small,
// so that the cost of loading does not hide the cost of the commit.
const roundsEach = 4

// compare does the same on both stores in turn, and reports the ratio. It does
// not time prepare.
func compare(b *testing.B, with, without sealedStore, prepare, do func(s sealedStore, n int) error) {
	b.Helper()
	took := map[sealedStore]time.Duration{}
	run := func(s sealedStore, n int) {
		if prepare != nil {
			if err := prepare(s, n); err != nil {
				b.Fatal(err)
			}
		}
		start := time.Now()
		if err := do(s, n); err != nil {
			b.Fatal(err)
		}
		took[s] += time.Since(start)
	}
	n := 0
	for b.Loop() {
		run(with, n)
		run(without, n)
		n++
	}
	b.ReportMetric(float64(took[with])/float64(took[without]), "x-unaudited")
	b.ReportMetric(float64(took[with].Microseconds())/float64(n)/1000, "ms-audited")
}

// fillAudit makes a dialogue of 120 items: meta, two rounds and 117 moves.
func fillAudit(b *testing.B, s blue.DialogueStore, id blue.DialogueID) {
	b.Helper()
	_, err := s.Create(b.Context(), id, blue.NewDialogue{Title: "T"})
	for round, n := range []int{60, 57} {
		if err == nil {
			_, err = s.RegisterRound(b.Context(), id, roundOf(blue.Round(round), n))
		}
	}
	if err != nil {
		b.Fatal(err)
	}
}

func roundOf(round blue.Round, moves int) blue.RoundBatch {
	move := blue.MoveDraft{Expert: "Muffin", Type: "defend", Targets: []string{"P0001"}, Context: "because of the price of flour, which nobody had asked for"}
	return blue.RoundBatch{Round: round, Moves: slices.Repeat([]blue.MoveDraft{move}, moves)}
}
