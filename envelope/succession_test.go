package envelope_test

import (
	"encoding/hex"
	"errors"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

// The key pairs and the signature for R = 00 01 … 1f at version 1 and R = 20 … 3f
// at version 2 of dialogue which-cache, made by the Python package cryptography
// (HKDF, Ed25519).
const (
	public1 = "137893daf01204856e17e7ca56f82d2023b066fd4023762408e7cd77d6a8df5a"
	public2 = "7819befc603d6a360302564f3e3faa106a0a9b0cb05b6c5c65cd53584f980432"
	link2   = "266c201c4d037434133abc3526de876c4232a215d27d2a5ddb5b7b3df32466a2f11739334bac90add634ca7943c1290789d8a8946ec892667ad757f83e5e5e09"
)

func successive(t *testing.T, first byte, version uint32) *envelope.Keys {
	t.Helper()
	var r [32]byte
	for i := range r {
		r[i] = first + byte(i)
	}
	k, err := envelope.DeriveKeys(newSecret(t, hex.EncodeToString(r[:])), "which-cache", version)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestEndorse(t *testing.T) {
	a, b := successive(t, 0, 1), successive(t, 32, 2)
	pa, errA := a.Public()
	pb, errB := b.Public()
	link, err := a.Endorse(pb)
	if err := errors.Join(errA, errB, err); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{{hex.EncodeToString(pa[:]), public1}, {hex.EncodeToString(pb[:]), public2}, {hex.EncodeToString(link[:]), link2}} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	if !envelope.IsEndorsed(pa, "which-cache", 2, pb, link[:]) {
		t.Error("a valid endorsement is refused")
	}
	bent := link
	bent[5] ^= 1
	for name, holds := range map[string]bool{
		"by another key":      envelope.IsEndorsed(pb, "which-cache", 2, pb, link[:]),
		"of another key":      envelope.IsEndorsed(pa, "which-cache", 2, pa, link[:]),
		"of another dialogue": envelope.IsEndorsed(pa, "which-cach", 2, pb, link[:]),
		"of another version":  envelope.IsEndorsed(pa, "which-cache", 3, pb, link[:]),
		"bent":                envelope.IsEndorsed(pa, "which-cache", 2, pb, bent[:]),
		"short":               envelope.IsEndorsed(pa, "which-cache", 2, pb, link[:63]),
		"none":                envelope.IsEndorsed(pa, "which-cache", 2, pb, nil),
	} {
		if holds {
			t.Errorf("an endorsement %s is accepted", name)
		}
	}
	a.Destroy()
	if _, err := a.Endorse(pb); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("destroyed keys endorse: %v", err)
	}
	if _, err := a.Public(); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("destroyed keys have a public key: %v", err)
	}
}
