package auditor

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestPythonAgreesOnRandomDamage damages logs of the corpus at random, up to
// twice each, and gives them to both verifiers. Neither may pass what the
// other does not. Where two things are wrong, the two may name either.
func TestPythonAgreesOnRandomDamage(t *testing.T) {
	x, files := corpus(t)
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(name string) bool { return x.Logs[name] == "malformed" })
	random := rand.New(rand.NewPCG(5, 8))
	dir := t.TempDir()
	args := []string{"--key", x.Verifier}
	var want []string
	for i := range campaigntest.Length(100, 600, 20_000) {
		d := damager{random, linesOf(t, files[names[random.IntN(len(names))]])}
		for range 1 + random.IntN(2) {
			d.damage()
		}
		text := encode(t, d.lines)
		if random.IntN(10) == 0 {
			text[random.IntN(len(text))] = "\"{}0a\n,:\\\x00\xc3"[random.IntN(11)]
		}
		path := filepath.Join(dir, fmt.Sprintf("%05d.jsonl", i))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		args, want = append(args, path), append(want, verdict(t, path))
	}
	out, _ := python(t, args...).Output() // its status says that some are bad
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines for %d logs:\n%s", len(lines), len(want), out)
	}
	same, words := 0, map[string]int{}
	for i, line := range lines {
		_, rest, _ := strings.Cut(line, ".jsonl: ")
		word, _, _ := strings.Cut(rest, ":")
		words[want[i]]++
		if word == want[i] {
			same++
		} else if passes(word) || passes(want[i]) {
			t.Errorf("%s, want %s", line, want[i])
		}
	}
	if same*100 < len(want)*98 || !campaigntest.IsShort() && (words[OK] == 0 || words[Unproven] == 0 || len(words) < 10) {
		t.Errorf("%d of %d words are the same; %v", same, len(want), words)
	}
	t.Logf("%d logs, %d words the same: %v", len(want), same, words)
}

// passes reports whether a word says that nothing is wrong, or that there is
// nothing to judge: in these both must say the same.
func passes(word string) bool { return word == OK || word == Unproven || word == "malformed" }

func linesOf(t testing.TB, text []byte) []record.Record {
	t.Helper()
	var lines []record.Record
	for line := range strings.Lines(string(text)) {
		r, err := decodeLine([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, r)
	}
	return lines
}

// damager changes lines of a log at random. At least one stays.
type damager struct {
	random *rand.Rand
	lines  []record.Record
}

func (d *damager) damage() {
	i, other := d.random.IntN(len(d.lines)), d.lines[d.random.IntN(len(d.lines))]
	switch d.random.IntN(8) {
	case 0:
		if len(d.lines) > 1 {
			d.lines = slices.Delete(d.lines, i, i+1)
		}
	case 1:
		d.lines = slices.Insert(d.lines, i, other)
	case 2:
		d.lines[i].Key.Item = []string{rootSK, audit.SequenceItem(uint64(d.random.IntN(6))), other.Key.Item, "x"}[d.random.IntN(4)]
	case 3:
		d.lines[i].Key.Partition = other.Key.Partition
	case 4, 5, 6:
		d.lines[i] = d.attribute(d.lines[i].Clone(), other)
	case 7:
		d.lines[i] = d.event(d.lines[i])
	}
}

// attribute changes one attribute.
func (d *damager) attribute(r, other record.Record) record.Record {
	names := r.Names()
	if len(names) == 0 {
		return r
	}
	name := names[d.random.IntN(len(names))]
	if text := []byte(r.Attrs[name].Str()); name == "note" && len(text) > 0 {
		text[d.random.IntN(len(text))] = "0aZ+/= \n\t~"[d.random.IntN(10)]
		r.Attrs[name] = record.S(strings.ToValidUTF8(string(text), "x"))
		return r
	}
	values := []record.Value{record.S("x"), record.S(""), record.N(int64(d.random.IntN(6))), record.N(-1), record.B(nil),
		record.B([]byte{1}), record.T(true), record.S(string(Erased)), record.S(string(Gone)), record.S(string(Moving)), other.Attrs[name]}
	v := values[d.random.IntN(len(values))]
	if r.Attrs[name] = v; v.Type() == 0 {
		delete(r.Attrs, name)
	}
	return r
}

// event changes an event and recomputes its hash.
func (d *damager) event(r record.Record) record.Record {
	e, intact := audit.ParseEvent(r)
	if !intact {
		return r
	}
	switch d.random.IntN(6) {
	case 0:
		e.RootVersion = uint64(d.random.IntN(4))
	case 1:
		e.Operation = audit.Erase
	case 2:
		e.Outcome = "intent"
	case 3:
		e.Dialogue = "cherry"
	case 4:
		e.RootHash = ""
	case 5:
		e.Seq++
	}
	e.Close(e.RootHash)
	return record.Record{Key: r.Key, Attrs: eventRecord(e).Attrs}
}
