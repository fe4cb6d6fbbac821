package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

// vectors is tests/fixtures/checkpoint_vectors.json. The file is written by
// scripts/checkpoint_vectors.py, which shares no code with this package.
type vectors struct {
	Seed, VKey, Chain string
	OtherVKey         string `json:"other_vkey"`
	Checkpoints       []struct {
		Size uint64
		Root string // hex
		Note string
	}
	Notes []struct {
		Name string
		Good bool
		Note []byte
	}
	Inclusion []struct {
		Index, Size uint64
		Text        string
	}
	Consistency []struct {
		Old, Size uint64
		Text      string
	}
}

const vectorsName = "checkpoint_vectors.json"

func readVectors(t testing.TB) vectors {
	t.Helper()
	var v vectors
	if err := json.Unmarshal(fixture(t), &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Checkpoints) < 17 || len(v.Notes) < 61 || len(v.Inclusion) < 87 || len(v.Consistency) < 87 {
		t.Fatalf("the file has fewer vectors than before: %d checkpoints, %d notes, %d and %d proofs", len(v.Checkpoints), len(v.Notes), len(v.Inclusion), len(v.Consistency))
	}
	return v
}

func fixture(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "tests", "fixtures", vectorsName))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (v vectors) signer(t testing.TB) *Signer {
	t.Helper()
	seed, err := hex.DecodeString(v.Seed)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func known(t testing.TB, vkeys ...string) note.Verifiers {
	t.Helper()
	verifiers, err := ParseVerifiers(vkeys)
	if err != nil {
		t.Fatal(err)
	}
	return verifiers
}

// leaf returns the raw hash of event i, from 0, as in the vectors.
func leaf(i uint64) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "event %d", i))
	return sum[:]
}

// treeOf returns the tree of the first n leaves.
func treeOf(n uint64) *Tree {
	var t Tree
	for i := range n {
		t.Append(leaf(i))
	}
	return &t
}

func TestVectorsAreReproducible(t *testing.T) {
	python := testrule.Python(t, "cryptography")
	dir := t.TempDir()
	cmd := exec.Command(python, "-B", filepath.Join("..", "..", "scripts", "checkpoint_vectors.py"), dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, vectorsName))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, fixture(t)) {
		t.Errorf("%s differs from the output of scripts/checkpoint_vectors.py. Run it, and look at the changes", vectorsName)
	}
}

// TestVectorCheckpoints compares verifier key, roots and notes with the values of the
// other implementation, byte for byte.
func TestVectorCheckpoints(t *testing.T) {
	v := readVectors(t)
	s := v.signer(t)
	if s.VerifierKey() != v.VKey {
		t.Fatalf("the verifier key is %s; want %s", s.VerifierKey(), v.VKey)
	}
	for _, c := range v.Checkpoints {
		want := Checkpoint{Origin: Origin(v.Chain), Size: c.Size, Root: treeOf(c.Size).Root()}
		if hex.EncodeToString(want.Root[:]) != c.Root {
			t.Errorf("size %d: the root is %x; want %s", c.Size, want.Root, c.Root)
		}
		text, err := s.Sign(want)
		if err != nil || text != c.Note {
			t.Errorf("size %d: signed, %v:\n%s\nwant\n%s", c.Size, err, text, c.Note)
		}
		got, err := Open(c.Note, known(t, v.VKey))
		if err != nil || got != want {
			t.Errorf("size %d: opened %v, %v; want %v", c.Size, got, err, want)
		}
	}
}

func TestVectorNotes(t *testing.T) {
	v := readVectors(t)
	for _, n := range v.Notes {
		t.Run(n.Name, func(t *testing.T) {
			c, err := Open(string(n.Note), known(t, v.VKey))
			if n.Good {
				if err != nil || c.Chain() != v.Chain {
					t.Errorf("got %v, %v; want it opened", c, err)
				}
				return
			}
			if !errors.Is(err, blue.ErrTampered) || c != (Checkpoint{}) {
				t.Errorf("got %v, %v; want ErrTampered", c, err)
			}
		})
	}
}

func TestVectorProofs(t *testing.T) {
	v := readVectors(t)
	trusted := known(t, v.VKey)
	for _, c := range v.Inclusion {
		p, err := ParseProof(c.Text)
		if err != nil || p.Index != c.Index || p.String() != c.Text {
			t.Fatalf("index %d of %d: %+v, %v", c.Index, c.Size, p, err)
		}
		if got, err := p.Open(leaf(c.Index), trusted); err != nil || got.Size != c.Size {
			t.Errorf("index %d of %d: %v, %v", c.Index, c.Size, got, err)
		}
		prover, err := NewInclusionProver(c.Index, c.Size)
		if err != nil {
			t.Fatal(err)
		}
		if mine := (Proof{Index: c.Index, Hashes: run(t, prover, c.Size), Note: p.Note}).String(); mine != c.Text {
			t.Errorf("index %d of %d: made\n%s\nwant\n%s", c.Index, c.Size, mine, c.Text)
		}
	}
}

// TestVectorConsistency checks the consistency proofs of the other implementation
// (RFC 6962, section 2.1.2) with package tlog. This package makes no such proof.
// But any witness of RFC 6962 trees can make one for the roots of Tree.
func TestVectorConsistency(t *testing.T) {
	for _, c := range readVectors(t).Consistency {
		lines := strings.Split(c.Text, "\n")
		if lines[0] != fmt.Sprintf("old %d", c.Old) {
			t.Fatalf("from %d to %d: the first line is %q", c.Old, c.Size, lines[0])
		}
		var proof tlog.TreeProof
		for _, line := range lines[1:slices.Index(lines, "")] {
			h, err := parseHash(line)
			if err != nil {
				t.Fatal(err)
			}
			proof = append(proof, h)
		}
		if err := tlog.CheckTree(proof, int64(c.Size), treeOf(c.Size).Root(), int64(c.Old), treeOf(c.Old).Root()); err != nil {
			t.Errorf("from %d to %d: %v", c.Old, c.Size, err)
		}
	}
}

// run adds n leaves to a prover, and three more, which it must ignore. It returns
// the hashes.
func run(t *testing.T, p *Prover, n uint64) []Hash {
	t.Helper()
	for i := range n {
		if _, err := p.Hashes(); !errors.Is(err, blue.ErrInvalid) {
			t.Fatalf("after %d of %d leaves: %v; want ErrInvalid", i, n, err)
		}
		p.Append(leaf(i))
	}
	for i := range uint64(3) {
		p.Append(leaf(n + i))
	}
	hashes, err := p.Hashes()
	if err != nil {
		t.Fatal(err)
	}
	return hashes
}
