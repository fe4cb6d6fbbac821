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
	"github.com/superviber/blue-encrypted-store/record"
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

// search names what of some bytes is anywhere in the files of a folder, and how
// many of them are.
func search(t *testing.T, dir string, secrets map[string][]byte) (found []string, distinct int) {
	t.Helper()
	all := files(t, dir)
	for _, what := range slices.Sorted(maps.Keys(secrets)) {
		before := len(found)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if bytes.Contains(all[name], secrets[what]) {
				found = append(found, name+" holds "+what)
			}
		}
		if len(found) > before {
			distinct++
		}
	}
	return found, distinct
}

// wraps are the wrapped keys that stand in a partition, by their sort keys.
func (h *house) wraps(pk record.Partition) map[string][]byte {
	h.t.Helper()
	all := map[string][]byte{}
	for _, r := range h.keysOf(pk) {
		if w := r.Attrs["wrapped"].Bin(); len(w) > 0 {
			all[r.Key.Item] = w
		}
	}
	return all
}

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
	h := newHouse(t, &smearing{Store: inner, t: t, path: filepath.Join(dir, "blue.db.keys"), copies: 64})
	h.fill(300, 700)
	must(t)(h.as("ada").Grant(t.Context(), tea, "bob"))
	secrets := h.wraps(record.DialoguePartition(string(tea)))
	must(t)(h.as("ada").Rotate(t.Context(), tea)) // pages move
	must(t)(h.as("ada").Create(t.Context(), "coffee", blue.NewDialogue{Title: "Coffee?"}))
	maps.Copy(secrets, h.wraps(record.DialoguePartition(string(tea))))
	if len(secrets) != 4 {
		t.Fatalf("%d wraps", len(secrets))
	}
	for sk, r := range h.items() {
		if b := r.Attrs["content_encrypted"].Bin(); len(b) > 0 {
			secrets[sk] = b[:16]
		}
		secrets["the MAC of "+sk] = r.Attrs["item_mac"].Bin()
	}
	if _, n := search(t, dir, secrets); n != len(secrets) {
		t.Fatalf("the search finds %d of %d", n, len(secrets))
	}
	must(t)(h.as("ada").Erase(t.Context(), tea))
	if found, _ := search(t, dir, secrets); len(found) > 0 {
		t.Errorf("%d are left: %v", len(found), found[:min(5, len(found))])
	}
	h.wantErased(300)
	if err := inner.Check(t.Context()); err != nil {
		t.Error(err)
	}
	must(t)(h.as("ada").Load(t.Context(), "coffee"))
	if len(files(t, dir)) > 6 {
		t.Errorf("files %v", slices.Sorted(maps.Keys(files(t, dir))))
	}
}

// TestRotateInFiles: the wrapped keys that a rotation retires are, in a file in
// which nothing was moved, nowhere any more once it ends, while the store is open
// and after. A file that was is written anew by an erasure.
func TestRotateInFiles(t *testing.T) {
	dir := t.TempDir()
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := newHouse(t, s)
	h.fill(12, 5)
	must(t)(h.as("ada").Grant(t.Context(), tea, "bob"))
	retired := h.wraps(record.DialoguePartition(string(tea)))
	if _, n := search(t, dir, retired); n != 2 {
		t.Fatalf("the search finds %d of %d", n, len(retired))
	}
	must(t)(h.as("ada").Rotate(t.Context(), tea))
	if found, _ := search(t, dir, retired); len(found) > 0 {
		t.Errorf("after the rotation: %v", found)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _ := search(t, dir, retired); len(found) > 0 {
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
