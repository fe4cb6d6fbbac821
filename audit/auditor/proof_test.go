package auditor

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// signedAt is a log of one chain whose checkpoints have these sizes.
func signedAt(t testing.TB, sizes ...int) *forge {
	f := newForge(t)
	c := f.chain(0x11)
	for _, size := range sizes {
		for len(c.events) < size {
			c.add(audit.Decrypt, "apple", read)
		}
		c.sign()
	}
	return f
}

func TestProof(t *testing.T) {
	f := signedAt(t, 1, 2, 7, 21)
	c := f.chains[0]
	c.add(audit.Decrypt, "apple", read)
	for name, src := range map[string]Source{"store": FromStore(f.store()), "file": fileOf(t, f.lines())} {
		for _, e := range c.events[:21] {
			text, err := Proof(t.Context(), src, c.id, e.Seq, f.verifiers())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			p, err := checkpoint.ParseProof(text)
			if err != nil || p.Index != e.Seq-1 || string(p.Extra) != e.EventHash {
				t.Fatalf("%s: event %d: %v, index %d of %s", name, e.Seq, err, p.Index, p.Extra)
			}
			leaf, _ := hex.DecodeString(e.EventHash)
			if got, err := p.Open(leaf, f.verifiers()); err != nil || got.Chain() != c.id {
				t.Errorf("%s: event %d: %v", name, e.Seq, err)
			}
		}
		for _, seq := range []uint64{22, 23, 1 << 60} {
			if _, err := Proof(t.Context(), src, c.id, seq, f.verifiers()); !errors.Is(err, blue.ErrNotFound) {
				t.Errorf("%s: a proof of event %d, which no checkpoint covers: %v", name, seq, err)
			}
		}
		if _, err := Proof(t.Context(), src, c.id, 0, f.verifiers()); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Proof(t.Context(), src, c.id, 1, nil); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: a proof nobody signed: %v", name, err)
		}
	}
}

// TestNoProofOfDamage: what is not as it was signed is not proven, before or
// after the event that is asked for.
func TestNoProofOfDamage(t *testing.T) {
	for _, damaged := range []uint64{1, 5, 9, 12} {
		f := signedAt(t, 12)
		e := newEditor(t, func(testing.TB) *forge { return f })
		e.rehash(damaged, func(x *audit.Event) { x.Principal = "nobody" })
		if _, err := Proof(t.Context(), fileOf(t, e.lines), e.a.id, 5, f.verifiers()); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("event %d rewritten: %v", damaged, err)
		}
	}
}

// TestPythonProves gives proofs to scripts/verify_audit_log.py: of every event
// of trees of every shape up to 33, and broken ones.
func TestPythonProves(t *testing.T) {
	f := newForge(t)
	dir := t.TempDir()
	args := []string{"--key", f.signer.VerifierKey(), "--proof"}
	var want []string
	write := func(text, word string) {
		path := filepath.Join(dir, fmt.Sprintf("%d.tlog-proof", len(want)))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args, want = append(args, path), append(want, word)
	}
	for _, size := range []int{1, 2, 3, 4, 5, 7, 8, 11, 16, 31, 32, 33} {
		l := signedAt(t, size)
		src, c := fileOf(t, l.lines()), l.chains[0]
		for seq := 1; seq <= size; seq++ {
			text, err := Proof(t.Context(), src, c.id, uint64(seq), f.verifiers())
			if err != nil {
				t.Fatal(err)
			}
			write(text, fmt.Sprintf("ok: %s is event %d of the %d that are signed of chain %s", c.events[seq-1].EventHash, seq, size, c.id))
		}
	}
	good := len(want)
	l := signedAt(t, 11)
	text, err := Proof(t.Context(), fileOf(t, l.lines()), l.chains[0].id, 7, f.verifiers())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(text, "\n")
	extra := func(hash string) string {
		return strings.Replace(text, lines[1], "extra "+base64.StdEncoding.EncodeToString([]byte(hash)), 1)
	}
	write(extra(l.chains[0].events[5].EventHash), "bad_proof")
	write(strings.Replace(text, "index 6", "index 5", 1), "bad_proof")
	write(strings.Replace(text, "index 6", "index 11", 1), "bad_proof")
	write(strings.Replace(text, lines[3]+"\n", "", 1), "bad_proof")
	write(strings.Replace(text, lines[3]+"\n", lines[3]+"\n"+lines[3]+"\n", 1), "bad_proof")
	write(strings.Replace(text, lines[3]+"\n"+lines[4], lines[4]+"\n"+lines[3], 1), "bad_proof")
	write(strings.Replace(text, "\n11\n", "\n12\n", 1), "bad_checkpoint")
	write(strings.Replace(text, l.chains[0].id, strings.Repeat("0", 32), 1), "bad_checkpoint")
	stranger := f.note(signerOf(t, 8), checkpoint.Checkpoint{Origin: checkpoint.Origin(l.chains[0].id), Size: 11, Root: l.chains[0].tree.Root()})
	write(text[:strings.Index(text, "\n\n")+2]+stranger, "bad_checkpoint")
	write(strings.Replace(text, "@v1", "@v2", 1), "malformed")
	write(strings.Replace(text, "index 6", "index 06", 1), "malformed")
	write(extra(strings.ToUpper(l.chains[0].events[6].EventHash)), "malformed")
	write("", "malformed")

	out, _ := python(t, args...).Output() // its status says that some are bad
	said := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(said) != len(want) {
		t.Fatalf("%d lines for %d proofs:\n%s", len(said), len(want), out)
	}
	for i, line := range said {
		_, rest, _ := strings.Cut(line, ".tlog-proof: ")
		if word, _, _ := strings.Cut(rest, ":"); rest != want[i] && (i < good || word != want[i]) {
			t.Errorf("%s, want %s", line, want[i])
		}
	}
	t.Logf("%d proofs, %d of them bad", len(want), len(want)-good)
}
