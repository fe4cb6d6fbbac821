package checkpoint_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// TestStatement opens a signed statement and refuses all other texts. A
// checkpoint must not open as a statement, or a statement as a checkpoint.
func TestStatement(t *testing.T) {
	s, err := checkpoint.NewSigner(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	known, err := checkpoint.ParseVerifiers([]string{s.VerifierKey()})
	if err != nil {
		t.Fatal(err)
	}
	const text = "{\n  \"format\": \"x\"\n}\n"
	signed, err := s.SignStatement(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := checkpoint.OpenStatement(signed, known); err != nil || got != text {
		t.Errorf("opened %q, %v", got, err)
	}
	note, err := s.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(strings.Repeat("ab", 16)), Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	other, err := checkpoint.NewSigner(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.SignStatement(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"edited": strings.Replace(signed, "x", "y", 1), "a checkpoint": note, "by another key": foreign, "none": "", "cut": signed[:len(signed)-2],
		"much": strings.Repeat("x", 5<<20),
	} {
		if _, err := checkpoint.OpenStatement(bad, known); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := checkpoint.OpenStatement(signed, nil); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("without a known key: %v", err)
	}
	if _, err := checkpoint.Open(signed, known); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("a statement opens as a checkpoint: %v", err)
	}
	for _, bad := range []string{"no newline", "an\n\nempty line\n", note[:strings.Index(note, "\n\n")+1], ""} {
		if _, err := s.SignStatement(bad); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("signed %q: %v", bad, err)
		}
	}
}
