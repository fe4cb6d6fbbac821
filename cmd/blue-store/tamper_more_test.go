package main

import (
	"context"
	"database/sql"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestTamperedRow damages a row so that the store cannot read it as an item.
func TestTamperedRow(t *testing.T) {
	b := newBench(t, demoFolder(t))
	for _, sk := range []string{record.Meta, "tension#00#01"} {
		for _, set := range []string{`attrs = '[]'`, `attrs = '{"status":null}'`, `blobs = x'00'`, `attrs = '{}', blobs = x''`} {
			b.sql(`UPDATE blue_dialogues SET `+set+` WHERE PK = ? AND SK = ?`, "dialogue#"+b.dialogue, sk)
			b.seen(t, set+" of "+sk, []suspect{{sk, record.DamageMalformed}}, true)
			b.put(b.intact)
		}
	}
	mustCLI(t, b.home, "verify", b.dialogue)
}

func (b *bench) sql(query string, args ...any) {
	b.t.Helper()
	path := filepath.Join(b.home, "db", "blue.db")
	if strings.Contains(query, string(record.Keys)) {
		path += ".keys"
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		b.t.Fatal(err)
	}
}

// TestTamperedKeys replaces the wrapped key of one dialogue by the key of
// another, and flips its bits.
func TestTamperedKeys(t *testing.T) {
	b := newBench(t, demoFolder(t))
	keys := func(dialogue string) map[string]record.Attrs {
		return rowsOf(t, b.records, record.Keys, record.DialoguePartition(dialogue))
	}
	own := keys(b.dialogue)
	wrap := slices.Max(slices.Collect(maps.Keys(own)))
	flip := maps.Clone(own[wrap])
	flip["wrapped"] = flipped(flip["wrapped"], -1)
	for name, attrs := range map[string]record.Attrs{"of another dialogue": keys("other")[wrap], "with a bit flipped": flip} {
		b.putRows(record.Keys, record.DialoguePartition(b.dialogue), map[string]record.Attrs{"head": own["head"], wrap: attrs})
		b.seen(t, "wrapped key "+name, []suspect{{wrap, record.DamageChanged}}, true)
		b.putRows(record.Keys, record.DialoguePartition(b.dialogue), own)
	}
	mustCLI(t, b.home, "verify", b.dialogue)
}

// TestTamperedAll checks that verify finds every damaged or missing dialogue and
// still checks the others.
func TestTamperedAll(t *testing.T) {
	b := newBench(t, demoFolder(t))
	attrs := maps.Clone(b.intact["tension#00#01"])
	attrs["status"] = record.S("open")
	b.put(b.with(map[string]record.Attrs{"tension#00#01": attrs}))
	b.putRows(record.Dialogues, "dialogue#other", nil)
	b.store(func(ctx context.Context, s *session) error {
		_, err := s.store.Create(ctx, "third", blue.NewDialogue{Title: "Third"})
		return err
	})
	code, stdout, _ := cli(t, b.home, "verify", "--salvage")
	if code != exitIntegrity {
		t.Errorf("exit code %d", code)
	}
	var got []string
	for _, v := range verifyAnswerOf(t, stdout).Dialogues {
		line := v.DialogueID
		if v.OK {
			line += " ok"
		}
		for _, d := range v.Damage {
			line += " " + d.Item + " " + d.Class
		}
		if v.Salvaged != nil && *v.Salvaged == len(b.intact)-1 {
			line += ", all others salvaged"
		}
		got = append(got, line)
	}
	want := []string{"other meta missing", b.dialogue + " tension#00#01 changed, all others salvaged", "third ok"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("verify finds %q; want %q", got, want)
	}
}

// TestUndamaged commits and verifies in turn. The verification of an undamaged
// store must never fail.
func TestUndamaged(t *testing.T) {
	t.Parallel()
	b := newBench(t, demoFolder(t))
	for i := range 50 {
		b.store(func(ctx context.Context, s *session) error {
			_, err := s.store.RecordSignal(ctx, blue.DialogueID(b.dialogue), blue.Signal{Round: blue.Round(i % 3), Expert: "Muffin"})
			return err
		})
		answer := verifyAnswerOf(t, mustCLI(t, b.home, "verify"))
		if len(answer.Dialogues) != 2 || !answer.OK {
			t.Fatalf("verify %d: %+v", i, answer)
		}
	}
}
