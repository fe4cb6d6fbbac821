package envelope_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
)

// nistCase is one case of tests/fixtures/nist_kat_aes_gcm.json, all hex. A
// decrypt case without PT must fail.
type nistCase struct {
	ID, Key, IV, AAD, CT, Tag string
	PT                        *string
}

type nistFile struct{ Encrypt, Decrypt []nistCase }

func loadNIST(t *testing.T) nistFile {
	t.Helper()
	var file nistFile
	if err := json.Unmarshal(fixture(t, "nist_kat_aes_gcm.json"), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// openNIST runs a case through the path that Open takes.
func openNIST(t *testing.T, c nistCase) ([]byte, error) {
	t.Helper()
	ciphertext := append(unhex(t, c.CT), unhex(t, c.Tag)...)
	return envelope.OpenRaw([32]byte(unhex(t, c.Key)), unhex(t, c.IV), ciphertext, unhex(t, c.AAD))
}

func TestNISTEncrypt(t *testing.T) {
	cases := loadNIST(t).Encrypt
	if len(cases) != 375 {
		t.Fatalf("%d cases, want 375", len(cases))
	}
	for _, c := range cases {
		got, err := openNIST(t, c)
		if err != nil || !bytes.Equal(got, unhex(t, *c.PT)) {
			t.Errorf("%s: opened %x, %v", c.ID, got, err)
		}
	}
	t.Logf("NIST CAVP: %d encrypt cases opened through the envelope's path", len(cases))
}

func TestNISTEncryptForward(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("skipped: this direction chooses a nonce, which fips140=only forbids; TestNISTEncrypt runs the same cases with Open")
	}
	cases := loadNIST(t).Encrypt
	for _, c := range cases {
		block, err := aes.NewCipher(unhex(t, c.Key))
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		got := gcm.Seal(nil, unhex(t, c.IV), unhex(t, *c.PT), unhex(t, c.AAD))
		if hex.EncodeToString(got) != c.CT+c.Tag {
			t.Errorf("%s: sealed %x, want %s%s", c.ID, got, c.CT, c.Tag)
		}
	}
	t.Logf("NIST CAVP: %d encrypt cases ran forward", len(cases))
}

func TestNISTDecrypt(t *testing.T) {
	cases := loadNIST(t).Decrypt
	refused := 0
	for _, c := range cases {
		got, err := openNIST(t, c)
		if c.PT == nil {
			refused++
			if err == nil || !errors.Is(err, envelope.ErrOpen) || got != nil {
				t.Errorf("%s: opened %x, %v; it must fail", c.ID, got, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, unhex(t, *c.PT)) {
			t.Errorf("%s: opened %x, %v", c.ID, got, err)
		}
	}
	if len(cases) != 375 || refused != 191 {
		t.Fatalf("%d cases, %d of them must fail; want 375 and 191", len(cases), refused)
	}
	t.Logf("NIST CAVP: %d decrypt cases, %d refused as they must be", len(cases), refused)
}
