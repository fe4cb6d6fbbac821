package checkpoint

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

// aProof returns the text of a proof of index 128 of 256.
func aProof(t testing.TB, v vectors) string {
	t.Helper()
	for _, c := range v.Inclusion {
		if c.Index == 128 && c.Size == 256 {
			return c.Text
		}
	}
	t.Fatal("no such vector")
	return ""
}

// withHashes returns the text of a proof with n hashes.
func withHashes(text string, n int) string {
	start, note, _ := strings.Cut(text, "\n\n")
	lines := strings.SplitAfter(start, "\n")
	return lines[0] + lines[1] + strings.Repeat(lines[2], n) + "\n" + note
}

// TestMostHashes parses a proof of 63 hashes, the most that a tree needs.
func TestMostHashes(t *testing.T) {
	p, err := ParseProof(withHashes(aProof(t, readVectors(t)), 63))
	if err != nil || len(p.Hashes) != 63 {
		t.Errorf("%d hashes, %v", len(p.Hashes), err)
	}
}

func TestMalformedProofs(t *testing.T) {
	v := readVectors(t)
	text := aProof(t, v)
	lines := strings.SplitAfter(text, "\n")
	first, index, hash := lines[0], lines[1], lines[2]
	for name, bent := range map[string]string{
		"nothing":                       "",
		"another version":               strings.Replace(text, "@v1", "@v2", 1),
		"no header":                     strings.TrimPrefix(text, first),
		"no index":                      strings.Replace(text, index, "", 1),
		"an index with a zero":          strings.Replace(text, "index 128", "index 0128", 1),
		"an index with a sign":          strings.Replace(text, "index 128", "index +128", 1),
		"an index below zero":           strings.Replace(text, "index 128", "index -1", 1),
		"an index of 2^64":              strings.Replace(text, "index 128", "index 18446744073709551616", 1),
		"an index and more":             strings.Replace(text, "index 128", "index 128 ", 1),
		"two indexes":                   strings.Replace(text, index, index+index, 1),
		"a short hash":                  strings.Replace(text, hash, hash[4:], 1),
		"a hash that is not base64":     strings.Replace(text, hash, "!"+hash[1:], 1),
		"a hash with a space":           strings.Replace(text, hash, " "+hash, 1),
		"64 hashes":                     withHashes(text, 64),
		"no empty line":                 strings.Replace(text, "\n\nblue", "\nblue", 1),
		"two empty lines":               strings.Replace(text, "\n\nblue", "\n\n\nblue", 1),
		"no note":                       text[:strings.Index(text, "\n\n")+2],
		"a note without a signature":    text[:strings.LastIndex(text, "\n\n")+2],
		"carriage returns":              strings.ReplaceAll(text, "\n", "\r\n"),
		"cut":                           text[:len(text)-1],
		"more":                          text + "more\n",
		"empty extra data":              strings.Replace(text, index, "extra \n"+index, 1),
		"extra data that is not base64": strings.Replace(text, index, "extra !!!!\n"+index, 1),
		"extra data with loose bits":    strings.Replace(text, index, "extra QR==\n"+index, 1),
		"extra data twice":              strings.Replace(text, index, "extra AAAA\nextra AAAA\n"+index, 1),
		"extra data after the index":    strings.Replace(text, index, index+"extra AAAA\n", 1),
		"extra data that is too long":   strings.Replace(text, index, "extra "+strings.Repeat("AAAA", maxExtra)+"\n"+index, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if bent == text {
				t.Fatal("the text was not changed")
			}
			if p, err := ParseProof(bent); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("got %+v, %v; want ErrTampered", p, err)
			}
		})
	}
}

func TestExtra(t *testing.T) {
	v := readVectors(t)
	p, err := ParseProof(aProof(t, v))
	if err != nil || p.Extra != nil {
		t.Fatalf("%q, %v", p.Extra, err)
	}
	p.Extra = []byte(`{"event_id": "…"}`)
	again, err := ParseProof(p.String())
	if err != nil || !bytes.Equal(again.Extra, p.Extra) || again.String() != p.String() {
		t.Fatalf("%+v, %v", again, err)
	}
	if _, err := again.Open(leaf(128), known(t, v.VKey)); err != nil {
		t.Error(err)
	}
}

func TestProofOpenRefuses(t *testing.T) {
	v := readVectors(t)
	p, err := ParseProof(aProof(t, v))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(leaf(129), known(t, v.VKey)); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("another event: %v; want ErrTampered", err)
	}
	if _, err := p.Open(leaf(128), known(t, v.OtherVKey)); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("another key: %v; want ErrTampered", err)
	}
	p.Index++
	if _, err := p.Open(leaf(128), known(t, v.VKey)); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("another index: %v; want ErrTampered", err)
	}
}

// TestPeek checks that Peek returns the checkpoint of every note that Open
// accepts, signed by any key, and refuses malformed notes.
func TestPeek(t *testing.T) {
	v := readVectors(t)
	read := 0
	for _, n := range v.Notes {
		want, opened := Open(string(n.Note), known(t, v.VKey))
		got, err := Peek(string(n.Note))
		if opened == nil && (err != nil || got != want) {
			t.Errorf("%s: %v, %v; want %v", n.Name, got, err, want)
		}
		if err == nil {
			read++
			if err := got.problem(); err != "" {
				t.Errorf("%s: %s", n.Name, err)
			}
		} else if !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: %v; want ErrTampered", n.Name, err)
		}
	}
	// 9 valid notes, and 8 with a wrong signature only.
	if read != 17 {
		t.Errorf("%d notes are well formed; want 17", read)
	}
	if _, err := Peek(v.Checkpoints[0].Note + strings.Repeat("x", maxNote)); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("a long note: %v; want ErrTampered", err)
	}
}

// FuzzOpen checks that every note that Open accepts is the note of a checkpoint
// that was signed.
func FuzzOpen(f *testing.F) {
	v := readVectors(f)
	for _, n := range v.Notes {
		f.Add(string(n.Note))
	}
	s, trusted := v.signer(f), known(f, v.VKey)
	signed := make(map[Checkpoint]bool)
	for _, n := range v.Notes {
		if c, err := Open(string(n.Note), trusted); err == nil {
			signed[c] = true
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		peeked, malformed := Peek(text)
		c, err := Open(text, trusted)
		if err != nil {
			if !errors.Is(err, blue.ErrTampered) || c != (Checkpoint{}) {
				t.Fatalf("%v, %v; want ErrTampered", c, err)
			}
			return
		}
		if malformed != nil || peeked != c || !signed[c] {
			t.Fatalf("opened %v; peeked %v, %v; it was signed: %v", c, peeked, malformed, signed[c])
		}
		again, err := s.Sign(c)
		if err != nil || !strings.HasPrefix(text, c.text()+"\n") || !strings.HasPrefix(again, c.text()+"\n") {
			t.Fatalf("%q is not the note of %v: %v", text, c, err)
		}
	})
}

// FuzzProof checks that String returns every text that ParseProof accepts, and
// that no proof opens for a leaf that is not in the tree.
func FuzzProof(f *testing.F) {
	v := readVectors(f)
	for i, c := range v.Inclusion {
		if i%7 == 0 {
			f.Add(c.Text)
			f.Add(strings.Replace(c.Text, "\nindex", "\nextra AAAA\nindex", 1))
		}
	}
	trusted := known(f, v.VKey)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProof(text)
		if err == nil && p.String() != text {
			t.Fatalf("read %q, printed %q", text, p.String())
		}
		if err != nil && !errors.Is(err, blue.ErrTampered) {
			t.Fatalf("%v; want ErrTampered", err)
		}
		if _, open := p.Open([]byte("no event"), trusted); open == nil {
			t.Fatalf("%q proves a leaf that is not in the tree", text)
		}
	})
}
