package envelope_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

// The vectors contain the tables of valid and invalid addresses and key ids. These
// tests check properties of all of them.

// ids draws dialogue ids as wide as the format allows.
func ids() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z0-9-]{1,24}`),
		rapid.StringMatching(`[^/#:\pC]{1,12}`),
	)
}

// sortKeys draws sort keys that have an address.
func sortKeys() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.Just("meta"),
		rapid.StringMatching(`(tension|move|event|x)#[a-z0-9#:/.-]{1,12}`),
		rapid.StringMatching(`[^/#:\pC]{1,6}#[^\pC]{1,12}`).Filter(func(s string) bool { return !strings.HasPrefix(s, "dialogue#") }),
	)
}

// TestAddressesAreInjective parses the address back, which shows that no two items
// have the same address.
func TestAddressesAreInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dialogue, sk := ids().Draw(t, "dialogue"), sortKeys().Draw(t, "sk")
		addr, err := envelope.ItemAddress(dialogue, sk)
		if err != nil {
			t.Fatal(err)
		}
		if gotID, gotSK := readAddress(string(addr)); gotID != dialogue || gotSK != sk {
			t.Fatalf("%q reads back as %q, %q", addr, gotID, gotSK)
		}
	})
}

// readAddress reverses ItemAddress.
func readAddress(addr string) (dialogue, sk string) {
	dialogue, rest, _ := strings.Cut(strings.TrimPrefix(addr, "dialogue:"), "/entity:")
	if rest == "dialogue/meta" {
		return dialogue, "meta"
	}
	kind, rest, _ := strings.Cut(rest, "/")
	return dialogue, kind + "#" + rest
}

func TestAddressRefusesInvalidUTF8(t *testing.T) {
	for _, at := range [][2]string{{"a\xff", "meta"}, {"a", "tension#\xff"}, {"a", "\xff#1"}} {
		if a, err := envelope.ItemAddress(at[0], at[1]); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("ItemAddress(%q, %q) = %q, %v; want ErrInvalid", at[0], at[1], a, err)
		}
	}
	if _, _, err := envelope.ParseKeyID("dek#a\xff#1"); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("ParseKeyID: %v, want ErrInvalid", err)
	}
}

func TestAADIsTheRawHash(t *testing.T) {
	a := addressOf(t, "nvidia-analysis", "perspective#01#02")
	if want := sha256.Sum256([]byte("dialogue:nvidia-analysis/entity:perspective/01#02")); a.AAD() != want {
		t.Errorf("AAD %x, want %x", a.AAD(), want)
	}
	aad := a.AAD()
	if got := unhex(t, a.Hash()); len(a.Hash()) != 64 || string(got) != string(aad[:]) {
		t.Errorf("Hash %q of %x", a.Hash(), aad)
	}
}

func FuzzItemAddress(f *testing.F) {
	f.Add("storage-choice", "meta")
	f.Add("storage-choice", "tension#00#01")
	f.Add("größe", "event#tension#T0001#2026-03-01T09:30:00.000000000Z")
	f.Add("a/b", "dialogue#meta")
	f.Fuzz(func(t *testing.T, dialogue, sk string) {
		addr, err := envelope.ItemAddress(dialogue, sk)
		if err != nil {
			if addr != "" || !errors.Is(err, blue.ErrInvalid) {
				t.Fatalf("%q, %v; want ErrInvalid", addr, err)
			}
			return
		}
		if gotID, gotSK := readAddress(string(addr)); gotID != dialogue || gotSK != sk {
			t.Fatalf("%q reads back as %q, %q", addr, gotID, gotSK)
		}
	})
}

func FuzzParseKeyID(f *testing.F) {
	for _, s := range []string{"dek#storage-choice#1", "dek#a#4294967295", "dek#a#01", "dek#a#4294967296", "dek##1", "dek#a#+1", ""} {
		f.Add(s)
	}
	secret := secretOf(f, 1)
	f.Fuzz(func(t *testing.T, s string) {
		dialogue, version, err := envelope.ParseKeyID(s)
		if err != nil {
			if dialogue != "" || version != 0 || !errors.Is(err, blue.ErrInvalid) {
				t.Fatalf("%q, %d, %v; want only ErrInvalid", dialogue, version, err)
			}
			return
		}
		k, err := envelope.DeriveKeys(secret, dialogue, version)
		if err != nil {
			t.Fatalf("%q parses, but has no keys: %v", s, err)
		}
		if k.ID() != s || k.Version() != version {
			t.Fatalf("%q reads back as %q, %d", s, k.ID(), k.Version())
		}
	})
}
