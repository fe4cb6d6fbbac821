package campaign

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/demo"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/importer"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// scanFigures are the figures of one scan.
type scanFigures struct {
	Dialogues  int            `json:"dialogues"`
	Texts      int            `json:"encrypted_texts"`
	Distinct   int            `json:"distinct_texts_of_8_bytes_or_more"`
	Spellings  int            `json:"spellings_looked_for"`
	Files      map[string]int `json:"bytes_of_each_file_while_open"`
	Closed     map[string]int `json:"bytes_of_each_file_when_closed"`
	Found      int            `json:"texts_found"`
	Exceptions map[string]int `json:"places_found_that_are_exceptions"`
}

// TestScan imports the dialogues and the demo and looks for every encrypted text
// in every byte of every file. It scans while a reader keeps the whole
// write-ahead log on the disk, and again after the store is closed.
func TestScan(t *testing.T) {
	for _, set := range sourceSets {
		t.Run(set.name, func(t *testing.T) { scan(t, set) })
	}
}

func scan(t *testing.T, set sourceSet) {
	src := set.sources(t)
	home := filepath.Join(t.TempDir(), "home")
	o := openStore(t, home, nil)
	release := holdLog(t, filepath.Join(home, "db", "blue.db"))
	all := importAll(t, o.store, src)
	p, known, f := collect(t, all)
	while := files(t, home)
	f.Files = sizes(while)
	wal := f.Files[filepath.Join("db", "blue.db-wal")]
	if wal < 1<<20 {
		t.Fatalf("the log has %d bytes: the scan needs the written pages", wal)
	}
	for _, name := range []string{"db/blue.db", "db/blue.db-shm", "db/blue.db.keys", "keys/umk.key"} {
		if f.Files[filepath.FromSlash(name)] == 0 {
			t.Errorf("%s was not scanned", name)
		}
	}
	f.judge(t, p, known, while)
	release()
	o.close()
	after := files(t, home)
	f.Closed = sizes(after)
	if f.Closed[filepath.Join("db", "blue.db")] < set.closed {
		t.Errorf("the closed database has %d bytes", f.Closed[filepath.Join("db", "blue.db")])
	}
	f.judge(t, p, known, after)
	set.report(t, "scan", f)
}

// holdLog opens a read transaction, during which SQLite keeps all written pages
// in the log. The returned function ends it.
func holdLog(t testing.TB, path string) func() {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM blue_dialogues").Scan(&n); err != nil || n != 0 {
		t.Fatal(n, err)
	}
	return func() { _, _ = tx.Rollback(), db.Close() }
}

func sizes(files map[string][]byte) map[string]int {
	n := map[string]int{}
	for name, text := range files {
		if strings.HasPrefix(name, "heads") {
			name = "heads"
		}
		n[name] += len(text)
	}
	return n
}

// collect returns the texts of the dialogues, each with the fields that contain
// it.
func collect(t testing.TB, all []*blue.Snapshot) (*patterns, map[string][]string, *scanFigures) {
	t.Helper()
	p, known := newPatterns(), map[string][]string{}
	f := &scanFigures{Dialogues: len(all), Exceptions: map[string]int{}}
	for _, s := range all {
		for _, x := range sealedTexts(t, s) {
			f.Texts++
			if len(x.text) < shortest {
				continue
			}
			if _, twice := known[x.text]; !twice {
				p.add(x.text)
			}
			if !slices.Contains(known[x.text], x.field) {
				known[x.text] = append(known[x.text], x.field)
			}
		}
	}
	f.Distinct, f.Spellings = len(known), p.count
	return p, known, f
}

// judge counts the places where a text occurs. It fails for each place that is
// not an exception, once for each text.
func (f *scanFigures) judge(t *testing.T, p *patterns, known map[string][]string, files map[string][]byte) {
	t.Helper()
	reported := map[string]bool{}
	for name, text := range files {
		for _, h := range p.find(name, text) {
			if i := slices.IndexFunc(exceptions, func(e exemption) bool { return e.fits(h, text[:h.at], known[h.text]) }); i >= 0 {
				f.Exceptions[exceptions[i].name]++
				continue
			}
			if reported[h.text] {
				continue
			}
			reported[h.text] = true
			f.Found++
			t.Errorf("%s contains %.80q as %s at %d, of the fields %v, after the bytes %q", name, h.text, h.form, h.at, known[h.text], text[max(0, h.at-24):h.at])
		}
	}
}

// exemption is a place where an encrypted text may occur in the clear.
type exemption struct {
	name string
	fits func(h hit, before []byte, fields []string) bool
}

// exceptions is the whole list. Words of the RFC's closed lists (statuses,
// tiers, kinds of references and moves) would be listed here. None of 8 bytes or
// more that is encrypted was found in the clear.
var exceptions = []exemption{{
	"the time of a signal (round.signals) as the updated_at of the same commit, or the index key made of it",
	func(_ hit, before []byte, fields []string) bool {
		return slices.Equal(fields, []string{"round.signals"}) && slices.ContainsFunc(
			[]string{`ed_at":"`, `1SK":"`, "status#open", "status#converging", "status#converged"},
			func(attr string) bool { return bytes.HasSuffix(before, []byte(attr)) })
	},
}}

// TestScanPlanted shows that the scan finds all texts of a store without a seal,
// and each spelling.
func TestScanPlanted(t *testing.T) {
	home := t.TempDir()
	records, err := sqlite.Open(t.Context(), filepath.Join(home, "plain.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	src, err := importer.ReadFolder(demo.FS())
	if err != nil {
		t.Fatal(err)
	}
	p, known, _ := collect(t, importAll(t, engine.New(records, nil), []*importer.Source{src}))
	found := map[string]bool{}
	for name, text := range files(t, home) {
		for _, h := range p.find(name, text) {
			found[h.text] = true
		}
	}
	// A short text can be cut in two by the end of a page.
	if len(found)*100 < len(known)*98 {
		t.Errorf("of %d texts of a store without a seal %d were found", len(known), len(found))
	}
	t.Logf("of %d texts of a store without a seal %d were found", len(known), len(found))
	const text = "Größe \"zählt\" nicht,\nsagt <sie> & sonst niemand weiß es genau"
	p = newPatterns()
	p.add(text)
	for form, b := range spellings(text) {
		for before := range 3 {
			planted := slices.Concat(make([]byte, before), b)
			if len(p.find("planted", planted)) == 0 {
				t.Errorf("%s after %d bytes was not found", form, before)
			}
		}
	}
	if hits := p.find("random", []byte(strings.Repeat("Größe zählt nicht. ", 1000))); len(hits) > 0 {
		t.Errorf("found a text that is absent: %+v", hits[0])
	}
}

// TestScanKeys shows that no key file contains a text, and that no other file
// contains the key.
func TestScanKeys(t *testing.T) {
	w := newMachine(t)
	w.must("demo", "--json")
	home := filepath.Join(w.home, "demo")
	key, err := os.ReadFile(filepath.Join(home, "keys", "umk.key"))
	if err != nil || len(key) != 32 {
		t.Fatal(len(key), err)
	}
	p := newPatterns()
	p.add(string(key))
	for _, form := range spellings(string(key)) {
		p.addSpelling(spelling{form, "key", "the master key"})
	}
	for name, text := range files(t, w.dir) {
		if strings.HasSuffix(name, "umk.key") {
			continue
		}
		if hits := p.find(name, text); len(hits) > 0 {
			t.Errorf("%s holds the master key as %s", name, hits[0].form)
		}
	}
}
