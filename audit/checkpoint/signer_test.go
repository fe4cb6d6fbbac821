package checkpoint

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

const testChain = "00112233445566778899aabbccddeeff"

func TestNewSigner(t *testing.T) {
	for _, seed := range [][]byte{nil, make([]byte, 31), make([]byte, 33), make([]byte, 64), make([]byte, 32)} {
		if s, err := NewSigner(seed); !errors.Is(err, blue.ErrSealed) || s != nil {
			t.Errorf("a seed of %d bytes: %v; want ErrSealed", len(seed), err)
		}
	}
	seed := bytes.Repeat([]byte{7}, 32)
	s, err := NewSigner(seed)
	if err != nil || (noteSigner{s}).Name() != "blue-audit" {
		t.Fatalf("%v, %v", s, err)
	}
	before, err := s.Sign(Checkpoint{Origin(testChain), 1, Hash{}})
	clear(seed)
	after, again := s.Sign(Checkpoint{Origin(testChain), 1, Hash{}})
	if err != nil || again != nil || before != after {
		t.Error("the seed was not copied")
	}
}

func TestSignRefuses(t *testing.T) {
	s := readVectors(t).signer(t)
	for name, c := range map[string]Checkpoint{
		"nothing":          {},
		"size 0":           {Origin: Origin(testChain)},
		"too large":        {Origin: Origin(testChain), Size: maxSize + 1},
		"no chain":         {Origin: Origin(""), Size: 1},
		"a chain's name":   {Origin: Origin("main"), Size: 1},
		"upper case":       {Origin: Origin(strings.ToUpper(testChain)), Size: 1},
		"another origin":   {Origin: "example.com/" + testChain, Size: 1},
		"a line more":      {Origin: Origin(testChain[:31] + "\n"), Size: 1},
		"no origin at all": {Origin: testChain, Size: 1},
	} {
		if text, err := s.Sign(c); !errors.Is(err, blue.ErrInvalid) || text != "" {
			t.Errorf("%s: %q, %v; want ErrInvalid", name, text, err)
		}
	}
}

func TestSignConcurrently(t *testing.T) {
	v := readVectors(t)
	s := v.signer(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, c := range v.Checkpoints {
				if text, err := s.Sign(Checkpoint{Origin(v.Chain), c.Size, Hash(unhex(t, c.Root))}); err != nil || text != c.Note {
					t.Errorf("size %d: %v", c.Size, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestParseVerifiers(t *testing.T) {
	v := readVectors(t)
	text := v.Checkpoints[0].Note
	for name, vkeys := range map[string][]string{
		"one": {v.VKey}, "twice": {v.VKey, v.VKey}, "before another": {v.VKey, v.OtherVKey}, "after another": {v.OtherVKey, v.VKey},
	} {
		if _, err := Open(text, known(t, vkeys...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, vkeys := range map[string][]string{"none": nil, "another": {v.OtherVKey}} {
		if _, err := Open(text, known(t, vkeys...)); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: %v; want ErrTampered", name, err)
		}
	}
	if _, err := Open(text, nil); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("nil verifiers: %v; want ErrTampered", err)
	}
	name, rest, _ := strings.Cut(v.VKey, "+")
	hash, key, _ := strings.Cut(rest, "+")
	short := base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 31)...))
	for _, vkey := range []string{
		"", "+", "++", name, name + "+" + hash, name + "+00000000+" + key, "other+" + hash + "+" + key, name + "+" + hash + "+" + key[:20],
		name + "+" + hash + "+!" + key[1:], " " + v.VKey, v.VKey + "\n", v.VKey[:60] + "\n" + v.VKey[60:], name + "+" + strings.ToUpper(hash) + "+" + key, "PRIVATE+KEY+" + v.VKey, name + "+" + hash + "+" + short,
	} {
		if _, err := ParseVerifiers([]string{v.VKey, vkey}); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("%q: %v; want ErrInvalid", vkey, err)
		}
	}
}

// TestNothingPrintsTheKey checks that no way of printing shows the seed or the
// private key, which contains it.
func TestNothingPrintsTheKey(t *testing.T) {
	seed := bytes.Repeat([]byte{0xab, 0xcd, 0xef, 0x12}, 8)
	s, err := NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	type box struct {
		Signer *Signer
		Value  Signer
	}
	var out []string
	for _, v := range []any{s, *s, box{s, *s}, &box{s, *s}, []*Signer{s}, map[string]Signer{"k": *s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p"} {
			out = append(out, fmt.Sprintf(verb, v))
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "signer", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "signer", v)
		out = append(out, log.String())
	}
	shown := strings.ToLower(strings.Join(out, "\n"))
	for _, spelling := range []string{"abcdef12", "ab cd ef", "0xab, 0xcd", "171 205 239", "171,205,239", "q83v", string(seed[:4])} {
		if strings.Contains(shown, spelling) {
			t.Errorf("the key is shown as %q", spelling)
		}
	}
	if !strings.Contains(shown, "[redacted]") {
		t.Error("nothing was printed")
	}
}

// TestFIPS checks that notes and proofs work in FIPS 140-3 mode.
func TestFIPS(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^(TestVectorCheckpoints|TestVectorNotes|TestVectorProofs)$", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Count(out, []byte("\n--- PASS: Test")) != 3 {
		t.Fatalf("%v\n%s", err, out)
	}
}
