package auditor

import (
	"bytes"
	"testing"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestExport: two exports of a log are byte-equal, from the store and from the
// file that was exported, and are what the format says.
func TestExport(t *testing.T) {
	for name, base := range map[string]func(testing.TB) *forge{"ordinary": ordinary, "copied": copied, "busy": busy, "erased": erasedLog, "nothing": func(t testing.TB) *forge { return newForge(t) }} {
		f := base(t)
		want := encode(t, f.lines())
		store := FromStore(f.store())
		for _, src := range []Source{store, store, FromStore(f.store()), fileOf(t, f.lines())} {
			var b bytes.Buffer
			if err := Export(t.Context(), src, &b); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("%s: exported\n%s\nwant\n%s", name, &b, want)
			}
		}
	}
}

// TestExportMeanwhile: the file is never called damaged.
func TestExportMeanwhile(t *testing.T) {
	commitsMeanwhile(t, func(f *forge, src Source) Report {
		var b bytes.Buffer
		if err := Export(t.Context(), src, &b); err != nil {
			t.Fatal(err)
		}
		file, err := NewFile(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		return f.verify(file)
	})
}

// TestExportOfDamage: the file of a damaged store says the same as the store.
func TestExportOfDamage(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(f *forge, s record.Store)
		want   Class
	}{
		"event gone":     {func(f *forge, s record.Store) { remove(t, s, audit.EventKey(f.chains[0].id, 3)) }, Missing},
		"tail cut":       {func(f *forge, s record.Store) { remove(t, s, audit.EventKey(f.chains[0].id, 6)) }, Cut},
		"pointer gone":   {func(_ *forge, s record.Store) { remove(t, s, pointer(2)) }, WriteWithoutEvent},
		"root behind":    {func(f *forge, s record.Store) { f.stands(s, "apple", 2) }, EventWithoutWrite},
		"root ahead":     {func(f *forge, s record.Store) { f.stands(s, "apple", 4) }, WriteWithoutEvent},
		"dialogue gone":  {func(f *forge, s record.Store) { f.stands(s, "apple", 0) }, EventWithoutWrite},
		"pointers apart": {func(_ *forge, s record.Store) { remove(t, s, pointer(1), pointer(2), pointer(3)) }, WriteWithoutEvent},
	} {
		t.Run(name, func(t *testing.T) {
			f := ordinary(t)
			s := f.store()
			c.damage(f, s)
			var b bytes.Buffer
			if err := Export(t.Context(), FromStore(s), &b); err != nil {
				t.Fatal(err)
			}
			file, err := NewFile(bytes.NewReader(b.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			for where, src := range map[string]Source{"store": FromStore(s), "file": file} {
				if r := f.verify(src); r.Found == 0 || r.Findings[0].Class != c.want {
					t.Errorf("%s: %v, want %s", where, r.Findings, c.want)
				}
			}
		})
	}
}

// stands puts another version of a dialogue's root into the store, 0 for none.
func (f *forge) stands(s record.Store, dialogue string, version uint64) {
	f.t.Helper()
	w := record.Write{Table: record.Dialogues, Record: metaOf(dialogue, version), Prev: record.Attrs{}}
	if version == 0 {
		w.Record.Attrs = nil
	}
	if err := s.Commit(f.t.Context(), []record.Write{w}); err != nil {
		f.t.Fatal(err)
	}
}

// TestOneSpelling: what another reader could read otherwise is refused.
func TestOneSpelling(t *testing.T) {
	good := encode(t, one(t).lines())
	for name, c := range map[string]struct{ from, to string }{
		"a name in lower case":   {`"principal":{"S":"muffin"}`, `"principal":{"s":"muffin"}`},
		"a name twice":           {`"principal":{"S":"muffin"}`, `"principal":{"S":"nobody"},"principal":{"S":"muffin"}`},
		"a type twice":           {`"principal":{"S":"muffin"}`, `"principal":{"S":"nobody","S":"muffin"}`},
		"a space":                {`"principal":{"S":"muffin"}`, `"principal": {"S":"muffin"}`},
		"an escape":              {`"principal":{"S":"muffin"}`, `"principal":{"S":"muff\u0069n"}`},
		"half a surrogate":       {`"principal":{"S":"muffin"}`, `"principal":{"S":"\ud800"}`},
		"not UTF-8":              {`"principal":{"S":"muffin"}`, "\"principal\":{\"S\":\"\xff\"}"},
		"names in another order": {`"operation":{"S":"genesis"},"outcome":{"S":"success"}`, `"outcome":{"S":"success"},"operation":{"S":"genesis"}`},
		"text after the record":  {"}}\n", "}}}\n"},
		"carriage returns":       {"}}\n", "}}\r\n"},
		"a newline in base64":    {`==`, `=\n=`},
		"loose bits":             {`CQk="`, `CQl="`},
	} {
		text := bytes.Replace(good, []byte(c.from), []byte(c.to), 1)
		if bytes.Equal(text, good) {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := NewFile(bytes.NewReader(text)); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}
