package auditor

import (
	"bytes"
	"testing"
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

// TestExportMeanwhile lets commits, with checkpoints, land before and after each
// part of the log is exported: the file is never called damaged.
func TestExportMeanwhile(t *testing.T) {
	n := 0
	if err := Export(t.Context(), meanwhile{Source: FromStore(busy(t).store()), before: func(string) { n++ }}, &bytes.Buffer{}); err != nil || n < 6 {
		t.Fatalf("%d parts are read, %v", n, err)
	}
	for _, late := range []bool{false, true} {
		for i := range n {
			for which := range 2 {
				f := busy(t)
				s := f.store()
				seen := 0
				land := func(string) {
					if seen == i {
						f.land(s, f.chains[which], "apple")
						f.land(s, f.chains[1-which], "apple")
						f.land(s, f.chains[which], "cherry")
					}
					seen++
				}
				m := meanwhile{Source: FromStore(s), before: land}
				if late {
					m = meanwhile{Source: FromStore(s), after: land}
				}
				var b bytes.Buffer
				if err := Export(t.Context(), m, &b); err != nil {
					t.Fatal(err)
				}
				file, err := NewFile(bytes.NewReader(b.Bytes()))
				if err != nil {
					t.Fatal(err)
				}
				if r := f.verify(file); r.Found > 0 {
					t.Errorf("part %d (late %v, chain %d): %v", i, late, which, r.Findings)
				}
			}
		}
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
