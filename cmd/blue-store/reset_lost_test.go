package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// TestRemains checks that a store is offered for removal only if none of its
// wrapped keys opens with the current key file or names it. Each case damages
// the wrapped keys of two dialogues, or the key file.
func TestRemains(t *testing.T) {
	const other = "umk:00000000000000ff"
	bytes := func(a record.Attrs) {
		b := append([]byte(nil), a["wrapped"].Bin()...)
		b[20] ^= 1
		a["wrapped"] = record.B(b)
	}
	named := func(a record.Attrs) { a["umk"] = record.S(other) }
	both := func(a record.Attrs) { bytes(a); named(a) }
	inKMS := func(a record.Attrs) { bytes(a); a["umk"] = record.S("arn:aws:kms:x:1:key/k") }
	for name, c := range map[string]struct {
		spoil  []func(record.Attrs) // of the first dialogues
		remove bool                 // the key file
		want   string               // beginning of the hint, "" if there is no offer
	}{
		"nothing":                      {nil, false, "other dialogues of the store use the current key file"},
		"one of two":                   {[]func(record.Attrs){both}, false, "other dialogues of the store use the current key file"},
		"both, that open all the same": {[]func(record.Attrs){named, named}, false, "other dialogues of the store use the current key file"},
		"both, that name the key":      {[]func(record.Attrs){bytes, bytes}, false, "other dialogues of the store use the current key file"},
		"both":                         {[]func(record.Attrs){both, both}, false, ""},
		"another user":                 {[]func(record.Attrs){both, func(a record.Attrs) { both(a); a["user"] = record.S("x") }}, false, "if the key file was lost or replaced"},
		"one without a name":           {[]func(record.Attrs){both, func(a record.Attrs) { both(a); delete(a, "umk") }}, false, "if the key file was lost or replaced"},
		"one of KMS":                   {[]func(record.Attrs){both, inKMS}, false, "set BLUE_KMS_KEY_ARN to the key that the store names: arn:aws:kms:x:1:key/k"},
		"the key file":                 {nil, true, ""},
		"the key file, one of KMS":     {[]func(record.Attrs){inKMS}, true, "set BLUE_KMS_KEY_ARN"},
		"the key file, one damaged":    {[]func(record.Attrs){func(a record.Attrs) { delete(a, "umk") }}, true, "if the key file was lost or replaced"},
		"the key file, one relabelled": {[]func(record.Attrs){func(a record.Attrs) { a["user"] = record.S("x") }}, true, "if the key file was lost or replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			for _, title := range []string{"A", "B"} {
				if code, _, stderr := cli(t, home, "dialogue", "create", title, "-q"); code != exitOK {
					t.Fatal(stderr)
				}
			}
			conf := config{database: filepath.Join(home, "db", "blue.db"), umk: filepath.Join(home, "keys", "umk.key")}
			spoilWraps(t, conf.database, c.spoil)
			if c.remove {
				if err := os.Remove(conf.umk); err != nil {
					t.Fatal(err)
				}
			}
			got := conf.resetObstacle(t.Context())
			if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("%q; want %q", got, c.want)
			}
			if _, err := os.Stat(conf.umk); (err == nil) == c.remove {
				t.Errorf("the key file: %v", err)
			}
		})
	}
}

// TestRemainsUnread checks that the program reports nothing about keys that it
// cannot read.
func TestRemainsUnread(t *testing.T) {
	home := t.TempDir()
	conf := config{database: filepath.Join(home, "blue.db"), umk: filepath.Join(home, "umk.key")}
	if err := os.WriteFile(conf.database, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := conf.resetObstacle(t.Context()); !strings.Contains(got, "keys of the store cannot be read") {
		t.Errorf("%q", got)
	}
}

func spoilWraps(t *testing.T, database string, spoil []func(record.Attrs)) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), database, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wraps, err := s.Wraps(t.Context())
	if err != nil || len(wraps) != 2 {
		t.Fatal(len(wraps), err)
	}
	for i, f := range spoil {
		w := wraps[i].Clone()
		f(w.Attrs)
		if err := s.Commit(t.Context(), []record.Write{{Table: record.Keys, Record: w, Prev: wraps[i].Attrs}}); err != nil {
			t.Fatal(err)
		}
	}
}
