package encrypted_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// files copies every file of a folder.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = text
	}
	return all
}

// TestEraseInFiles: after the erasure neither the wrapped keys nor the sealed
// items are anywhere in the files of a store that is still open; before it they
// are, which shows that the search finds them.
func TestEraseInFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "blue.db")
	s, err := sqlite.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := newHouse(t, s)
	h.fill(300, 700)
	must(t)(h.as("ada").Grant(t.Context(), tea, "bob"))
	must(t)(h.as("ada").Rotate(t.Context(), tea)) // pages move, and older wraps were there
	must(t)(h.as("ada").Create(t.Context(), "coffee", blue.NewDialogue{Title: "Coffee?"}))
	secrets := map[string][]byte{}
	for _, r := range h.keysOf("dialogue#" + string(tea)) {
		if w := r.Attrs["wrapped"].Bin(); len(w) > 0 {
			secrets[r.Key.SK] = w
		}
	}
	if len(secrets) != 2 {
		t.Fatalf("%d wraps", len(secrets))
	}
	for sk, r := range h.items() {
		if b := r.Attrs["content_encrypted"].Bin(); len(b) > 0 {
			secrets[sk] = b[:16]
		}
		secrets["the MAC of "+sk] = r.Attrs["item_mac"].Bin()
	}
	find := func() (found []string) {
		for name, text := range files(t, dir) {
			for what, b := range secrets {
				if bytes.Contains(text, b) {
					found = append(found, name+" holds "+what)
				}
			}
		}
		return found
	}
	if n := len(find()); n < len(secrets) {
		t.Fatalf("the search finds %d of %d", n, len(secrets))
	}
	must(t)(h.as("ada").Erase(t.Context(), tea))
	if found := find(); len(found) > 0 {
		t.Errorf("%d are left: %v", len(found), found[:min(5, len(found))])
	}
	h.wantErased(300)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	must(t)(h.as("ada").Load(t.Context(), "coffee"))
	if len(files(t, dir)) > 6 {
		t.Errorf("files %v", slices.Sorted(maps.Keys(files(t, dir))))
	}
}

// TestEraseRestored: an older copy of the data alone does not open, and replay
// erases it again; an older copy of data and keys opens, which is why the
// certificate lists copies.
func TestEraseRestored(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	path := filepath.Join(dir, "blue.db")
	umk := filepath.Join(t.TempDir(), "umk.key")
	during := func(work func(h *house)) {
		t.Helper()
		s, err := sqlite.Open(ctx, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		work(&house{t: t, records: s, umk: umk})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	said := ""
	during(func(h *house) { h.fill(120, 20); said = says(t, h.as("ada")) })
	before := files(t, dir)
	during(func(h *house) { must(t)(h.as("ada").Erase(ctx, tea)) })
	put := func(names ...string) {
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), before[name], 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}

	put("blue.db")
	during(func(h *house) {
		if len(h.items()) != 120 {
			t.Fatalf("%d items came back", len(h.items()))
		}
		h.sealedOff(h.as("ada"))
		done, err := h.as("ada").ReplayErasures(ctx)
		if err != nil || len(done) != 1 || done[0].Already || done[0].Items != 120 {
			t.Errorf("replay: %+v, %v", done, err)
		}
		h.wantErased(120)
		done, err = h.as("ada").ReplayErasures(ctx)
		if err != nil || len(done) != 1 || !done[0].Already {
			t.Errorf("replay again: %+v, %v", done, err)
		}
	})

	put("blue.db", "blue.db.keys")
	during(func(h *house) {
		if says(t, h.as("ada")) != said {
			t.Error("an older copy of data and keys is another dialogue")
		}
	})
}

// sealedOff is refuses for data that came back: lists show it until the replay.
func (h *house) sealedOff(s sealedStore) {
	h.t.Helper()
	for name, use := range map[string]func() error{
		"load":   func() error { _, err := s.Load(h.t.Context(), tea); return err },
		"get":    func() error { _, err := s.Get(h.t.Context(), tea, (&blue.Dialogue{}).EntityKey()); return err },
		"create": func() error { _, err := s.Create(h.t.Context(), tea, blue.NewDialogue{Title: "T"}); return err },
		"write":  func() error { _, err := s.RegisterRound(h.t.Context(), tea, movesOf(77, 1, 1)); return err },
	} {
		if err := use(); !errors.Is(err, blue.ErrErased) {
			h.t.Errorf("%s of what was put back: %v", name, err)
		}
	}
}
