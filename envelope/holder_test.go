package envelope_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

// TestHolderProof computes the proof by the formula of the format. The proof of
// another secret, user, dialogue or version must differ.
func TestHolderProof(t *testing.T) {
	secret, other := secretOf(t, 1), secretOf(t, 2)
	key, err := hkdf.Key(sha256.New, slices.Repeat([]byte{1}, 32), nil, "blue/1/holder/tea/7", 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{"blue/1/holder", "ada"} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	got, err := envelope.HolderProof(secret, "ada", "tea", 7)
	if err != nil || !slices.Equal(got[:], mac.Sum(nil)) {
		t.Fatalf("the proof differs from the formula: %v", err)
	}
	for name, p := range map[string]func() ([32]byte, error){
		"secret":   func() ([32]byte, error) { return envelope.HolderProof(other, "ada", "tea", 7) },
		"user":     func() ([32]byte, error) { return envelope.HolderProof(secret, "adam", "tea", 7) },
		"dialogue": func() ([32]byte, error) { return envelope.HolderProof(secret, "ada", "milk", 7) },
		"version":  func() ([32]byte, error) { return envelope.HolderProof(secret, "ada", "tea", 8) },
	} {
		if proof, err := p(); err != nil || proof == got {
			t.Errorf("another %s has the same proof: %v", name, err)
		}
	}
	if _, err := envelope.HolderProof(secret, "ada", "tea", 0); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("version 0: %v", err)
	}
	secret.Destroy()
	if _, err := envelope.HolderProof(secret, "ada", "tea", 7); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("a destroyed secret: %v", err)
	}
}
