package main

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestInspectEveryItem inspects one item of each kind. The stored form must
// contain no encrypted text, and the decrypted form no clear attribute.
func TestInspectEveryItem(t *testing.T) {
	b := newBench(t, demoFolder(t))
	for kind, sks := range b.byKind() {
		var in inspection
		if err := json.Unmarshal([]byte(mustCLI(t, b.home, "inspect", b.dialogue, sks[0])), &in); err != nil {
			t.Fatal(err)
		}
		if in.Item.SortKey != sks[0] || len(in.Item.Stored) != len(b.intact[sks[0]])+2 {
			t.Errorf("%s: shows %s with %d attributes", sks[0], in.Item.SortKey, len(in.Item.Stored))
		}
		if len(in.Item.Opened) == 0 && !strings.HasSuffix(kind, "_event") {
			t.Errorf("%s: nothing is opened", sks[0])
		}
		stored, err := json.Marshal(in.Item.Stored)
		if err != nil {
			t.Fatal(err)
		}
		readable, err := json.Marshal(in.Readable)
		if err != nil {
			t.Fatal(err)
		}
		b.silent(t, "stored side of "+sks[0], string(stored))
		b.silent(t, "readable side", string(readable))
		if in.Readable.Items != len(b.intact) {
			t.Errorf("%d items are readable; want %d", in.Readable.Items, len(b.intact))
		}
	}
}

// TestSortKeyOf finds the entity of every stored item.
func TestSortKeyOf(t *testing.T) {
	b := newBench(t, demoFolder(t))
	snapshot := b.load()
	found := map[string]bool{}
	for _, e := range inspectedEntities(snapshot) {
		found[engine.SortKey(e)] = true
	}
	for sk := range b.intact {
		if !found[sk] {
			t.Errorf("no entity has the sort key %s", sk)
		}
	}
	if len(found) != len(b.intact) || itemsOf(snapshot) != len(b.intact) {
		t.Errorf("%d sort keys, %d items; want %d", len(found), itemsOf(snapshot), len(b.intact))
	}
}

// TestSalvage shows and exports the valid items of a damaged dialogue and names
// the omitted ones. Without --salvage, standard output must be empty.
func TestSalvage(t *testing.T) {
	b := newBench(t, demoFolder(t))
	snapshot := b.load()
	lost := snapshot.Tensions()[0]
	sk := engine.SortKey(lost)
	attrs := maps.Clone(b.intact[sk])
	attrs["status"] = record.S("open")
	b.put(b.with(map[string]record.Attrs{sk: attrs}))
	for _, command := range []string{"show", "export"} {
		code, stdout, stderr := cli(t, b.home, command, b.dialogue)
		if code != exitIntegrity || stdout != "" || !strings.Contains(stderr, "--salvage") {
			t.Errorf("%s: exit code %d, %d bytes of output, %s", command, code, len(stdout), stderr)
		}
		code, stdout, stderr = cli(t, b.home, command, b.dialogue, "--salvage")
		if code != exitIntegrity || !strings.Contains(stderr, sk) {
			t.Errorf("%s --salvage: exit code %d, %s", command, code, stderr)
		}
		var shown struct{ Tensions []struct{ ID string } }
		if err := json.Unmarshal([]byte(stdout), &shown); err != nil {
			t.Fatal(err)
		}
		for _, tension := range shown.Tensions {
			if tension.ID == lost.ID.String() {
				t.Errorf("%s --salvage shows the damaged %s", command, tension.ID)
			}
		}
		if len(shown.Tensions) != len(snapshot.Tensions())-1 {
			t.Errorf("%s --salvage shows %d tensions of %d", command, len(shown.Tensions), len(snapshot.Tensions()))
		}
	}
	output := filepath.Join(t.TempDir(), "salvaged.json")
	code, stdout, _ := cli(t, b.home, "export", b.dialogue, "--salvage", "--output", output)
	if code != exitIntegrity || !strings.Contains(stdout, sk) {
		t.Errorf("export --output: exit code %d, %s", code, stdout)
	}
}
