package checkpoint

import (
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	blue "github.com/superviber/blue-encrypted-store"
)

// Reference vectors of the certificate-transparency project (merkle_tree_test):
// eight leaves, and the roots of the first 0 … 8 of them.
var (
	referenceLeaves = []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	referenceRoots  = []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	referencePaths = []struct {
		index, size uint64
		path        []string
	}{
		{0, 1, nil},
		{0, 8, []string{
			"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
		{5, 8, []string{
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
			"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
			"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
		{2, 3, []string{"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
		{1, 5, []string{
			"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
	}
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hashesOf(t *testing.T, texts []string) []Hash {
	t.Helper()
	hashes := make([]Hash, len(texts))
	for i, text := range texts {
		hashes[i] = Hash(unhex(t, text))
	}
	return hashes
}

func TestReferenceRoots(t *testing.T) {
	var tree Tree
	for n, want := range referenceRoots {
		if got := tree.Root(); tree.Size() != uint64(n) || hex.EncodeToString(got[:]) != want {
			t.Errorf("%d leaves: %x; want %s", n, got, want)
		}
		if n < len(referenceLeaves) {
			tree.Append(unhex(t, referenceLeaves[n]))
		}
	}
}

func TestReferenceProofs(t *testing.T) {
	prove := func(p *Prover, err error) []Hash {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range referenceLeaves {
			p.Append(unhex(t, l))
		}
		hashes, err := p.Hashes()
		if err != nil {
			t.Fatal(err)
		}
		return hashes
	}
	root := func(n uint64) Hash { return Hash(unhex(t, referenceRoots[n])) }
	for _, c := range referencePaths {
		want := hashesOf(t, c.path)
		if got := prove(NewInclusionProver(c.index, c.size)); !slices.Equal(got, want) {
			t.Errorf("index %d of %d: %v; want %v", c.index, c.size, got, want)
		}
		if err := checkInclusion(want, c.size, root(c.size), c.index, unhex(t, referenceLeaves[c.index])); err != nil {
			t.Error(err)
		}
	}
}

// stored keeps every hash of a tree in the order of package tlog.
type stored []tlog.Hash

func (s *stored) add(t testing.TB, n int64, data []byte) {
	hashes, err := tlog.StoredHashes(n, data, s)
	if err != nil {
		t.Fatal(err)
	}
	*s = append(*s, hashes...)
}

func (s *stored) ReadHashes(at []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(at))
	for i, n := range at {
		hashes[i] = (*s)[n]
	}
	return hashes, nil
}

// TestAgainstTlog compares trees and proofs of all sizes up to 300 with package
// tlog.
func TestAgainstTlog(t *testing.T) {
	var all stored
	var tree Tree
	for n := range int64(300) {
		all.add(t, n, leaf(uint64(n)))
		tree.Append(leaf(uint64(n)))
		if want, err := tlog.TreeHash(n+1, &all); err != nil || tree.Root() != want {
			t.Fatalf("%d leaves: %v; want %v, %v", n+1, tree.Root(), want, err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.Uint64Range(1, 300).Draw(r, "size")
		at := rapid.Uint64Range(1, size).Draw(r, "at")
		in, err := NewInclusionProver(at-1, size)
		if err != nil {
			r.Fatal(err)
		}
		for i := range size {
			in.Append(leaf(i))
		}
		inclusion, _ := in.Hashes()
		want, err := tlog.ProveRecord(int64(size), int64(at-1), &all)
		if err != nil || !slices.Equal(inclusion, want) {
			r.Errorf("%d of %d: %v; want %v, %v", at, size, inclusion, want, err)
		}
	})
}

func TestTreeClone(t *testing.T) {
	for n := range uint64(40) {
		tree := treeOf(n)
		clone := tree.Clone()
		clone.Append([]byte("another"))
		tree.Append(leaf(n))
		clone.Append([]byte("another"))
		if tree.Root() != treeOf(n+1).Root() || clone.Root() == tree.Root() || clone.Size() != n+2 {
			t.Fatalf("the trees of %d leaves and one more are not independent", n)
		}
	}
}

// TestTreeIsSmall checks that a tree keeps one hash for each bit of its size.
func TestTreeIsSmall(t *testing.T) {
	tree := treeOf(1<<17 - 1)
	if len(tree.full) != 17 || cap(tree.full) > 64 {
		t.Errorf("%d hashes, room for %d; want 17, at most 64", len(tree.full), cap(tree.full))
	}
}

func TestProversRefuse(t *testing.T) {
	for _, c := range [][2]uint64{{0, 0}, {1, 1}, {2, 1}, {0, maxSize + 1}, {1 << 63, 1 << 63}} {
		if _, err := NewInclusionProver(c[0], c[1]); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("index %d of %d: %v; want ErrInvalid", c[0], c[1], err)
		}
	}
}

// TestWrongProofs changes each part of a proof. None of the changed proofs must
// be accepted.
func TestWrongProofs(t *testing.T) {
	const size = 21
	root := treeOf(size).Root()
	for index := range uint64(size) {
		p, err := NewInclusionProver(index, size)
		if err != nil {
			t.Fatal(err)
		}
		hashes := run(t, p, size)
		if err := checkInclusion(hashes, size, root, index, leaf(index)); err != nil {
			t.Fatal(err)
		}
		refused := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, blue.ErrTampered) {
				t.Errorf("index %d, %s: %v; want ErrTampered", index, what, err)
			}
		}
		refused("another leaf", checkInclusion(hashes, size, root, index, leaf(index+1)))
		refused("no leaf", checkInclusion(hashes, size, root, index, nil))
		refused("another root", checkInclusion(hashes, size, treeOf(size+1).Root(), index, leaf(index)))
		refused("outside", checkInclusion(hashes, size, root, size+index, leaf(index)))
		refused("a size out of range", checkInclusion(hashes, 1<<63+size, root, index, leaf(index)))
		refused("a hash more", checkInclusion(append(slices.Clone(hashes), root), size, root, index, leaf(index)))
		refused("a hash less", checkInclusion(hashes[:len(hashes)-1], size, root, index, leaf(index)))
		for i := range hashes {
			bent := slices.Clone(hashes)
			bent[i][31] ^= 1
			refused("a bent hash", checkInclusion(bent, size, root, index, leaf(index)))
		}
		for other := range uint64(size) {
			if other != index {
				refused("another index", checkInclusion(hashes, size, root, other, leaf(index)))
			}
		}
	}
}
