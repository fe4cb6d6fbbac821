package erasure_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// TestEraseInFiles: after the erasure neither the wrapped keys, be they retired
// by a rotation before, nor the sealed items are anywhere in the files of a store
// that is still open; before it they are, which shows that the search finds them.
func TestEraseInFiles(t *testing.T) {
	dir := t.TempDir()
	inner, err := sqlite.Open(t.Context(), filepath.Join(dir, "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	h := newFixture(t, &smearing{Store: inner, t: t, path: filepath.Join(dir, "blue.db.keys"), copies: 64})
	h.Fill(300, 700)
	dialoguetest.Must(t)(h.As("ada").Grant(t.Context(), tea, "bob"))
	secrets := h.Wraps(record.DialoguePartition(string(tea)))
	dialoguetest.Must(t)(h.As("ada").Rotate(t.Context(), tea)) // pages move
	dialoguetest.Must(t)(h.As("ada").Create(t.Context(), "coffee", blue.NewDialogue{Title: "Coffee?"}))
	maps.Copy(secrets, h.Wraps(record.DialoguePartition(string(tea))))
	if len(secrets) != 4 {
		t.Fatalf("%d wraps", len(secrets))
	}
	for sk, r := range h.Items() {
		if b := r.Attrs["content_encrypted"].Bin(); len(b) > 0 {
			secrets[sk] = b[:16]
		}
		secrets["the MAC of "+sk] = r.Attrs["item_mac"].Bin()
	}
	if _, n := dialoguetest.Search(t, dir, secrets); n != len(secrets) {
		t.Fatalf("the search finds %d of %d", n, len(secrets))
	}
	dialoguetest.Must(t)(h.As("ada").Erase(t.Context(), tea))
	if found, _ := dialoguetest.Search(t, dir, secrets); len(found) > 0 {
		t.Errorf("%d are left: %v", len(found), found[:min(5, len(found))])
	}
	h.wantErased(300)
	if err := inner.Check(t.Context()); err != nil {
		t.Error(err)
	}
	dialoguetest.Must(t)(h.As("ada").Load(t.Context(), "coffee"))
	if len(dialoguetest.Files(t, dir)) > 6 {
		t.Errorf("files %v", slices.Sorted(maps.Keys(dialoguetest.Files(t, dir))))
	}
}

// TestRotateInFiles: once a rotation ends, the wrapped keys that it retired are
// not in the files any more, while the store is open and after. This holds for a
// file in which no rows were moved. An erasure rewrites the other files.
func TestRotateInFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := newFixture(t, s)
	h.Fill(12, 5)
	dialoguetest.Must(t)(h.As("ada").Grant(t.Context(), tea, "bob"))
	retired := h.Wraps(record.DialoguePartition(string(tea)))
	if _, n := dialoguetest.Search(t, dir, retired); n != 2 {
		t.Fatalf("the search finds %d of %d", n, len(retired))
	}
	dialoguetest.Must(t)(h.As("ada").Rotate(t.Context(), tea))
	if found, _ := dialoguetest.Search(t, dir, retired); len(found) > 0 {
		t.Errorf("after the rotation: %v", found)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _ := dialoguetest.Search(t, dir, retired); len(found) > 0 {
		t.Errorf("closed: %v", found)
	}
}

// TestEraseRestored: an older copy of the data alone does not open, and replay
// erases it again; an older copy of data and keys opens, which is why the
// certificate lists copies.
func TestEraseRestored(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	path := filepath.Join(dir, "blue.db")
	umk := filepath.Join(t.TempDir(), "umk.key")
	during := func(work func(h *fixture)) {
		t.Helper()
		s, err := sqlite.Open(ctx, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		work(&fixture{&dialoguetest.Fixture{T: t, Records: s, UMK: umk}})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	said := ""
	during(func(h *fixture) { h.Fill(120, 20); said = dialoguetest.TextOf(t, h.As("ada")) })
	before := dialoguetest.Files(t, dir)
	during(func(h *fixture) { dialoguetest.Must(t)(h.As("ada").Erase(ctx, tea)) })
	put := func(names ...string) {
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), before[name], 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}

	put("blue.db")
	during(func(h *fixture) {
		if len(h.Items()) != 120 {
			t.Fatalf("%d items came back", len(h.Items()))
		}
		h.sealedOff(h.As("ada"))
		done, err := h.As("ada").ReplayErasures(ctx)
		if err != nil || len(done) != 1 || done[0].Already || done[0].Items != 120 {
			t.Errorf("replay: %+v, %v", done, err)
		}
		h.wantErased(120)
		done, err = h.As("ada").ReplayErasures(ctx)
		if err != nil || len(done) != 1 || !done[0].Already {
			t.Errorf("replay again: %+v, %v", done, err)
		}
	})

	put("blue.db", "blue.db.keys")
	during(func(h *fixture) {
		if dialoguetest.TextOf(t, h.As("ada")) != said {
			t.Error("an older copy of data and keys is another dialogue")
		}
	})
}

// sealedOff is refuses for data that came back: lists show it until the replay.
func (h *fixture) sealedOff(s sealedStore) {
	h.T.Helper()
	for name, use := range map[string]func() error{
		"load":   func() error { _, err := s.Load(h.T.Context(), tea); return err },
		"get":    func() error { _, err := s.Get(h.T.Context(), tea, (&blue.Dialogue{}).EntityKey()); return err },
		"create": func() error { _, err := s.Create(h.T.Context(), tea, blue.NewDialogue{Title: "T"}); return err },
		"write": func() error {
			_, err := s.RegisterRound(h.T.Context(), tea, dialoguetest.MovesOf(77, 1, 1))
			return err
		},
	} {
		if err := use(); !errors.Is(err, blue.ErrErased) {
			h.T.Errorf("%s of what was put back: %v", name, err)
		}
	}
}
