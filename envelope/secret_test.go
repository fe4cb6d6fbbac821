package envelope_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
)

// containsKey reports whether text contains the first bytes of a key in a form
// that a printer uses: raw, hexadecimal, hexadecimal with spaces, or decimal.
func containsKey(text string, key []byte) bool {
	head := key[:4]
	for _, spelling := range []string{string(head), fmt.Sprintf("%x", head), fmt.Sprintf("% x", head), fmt.Sprintf("%#v", head)[7:], strings.Trim(fmt.Sprint(head), "[]")} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(strings.Trim(spelling, "{}"))) {
			return true
		}
	}
	return false
}

func TestNothingPrintsKeys(t *testing.T) {
	raw := bytes.Repeat([]byte{0xab, 0xcd, 0xef, 0x12}, 8)
	secret, err := envelope.NewSecret(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !containsKey(fmt.Sprintf("%x", raw), raw) || !containsKey(fmt.Sprint(raw), raw) || !containsKey(fmt.Sprintf("%v", [32]byte(raw)), raw) {
		t.Fatal("containsKey does not find a key")
	}
	keys, err := envelope.DeriveKeys(secret, "a", 1)
	if err != nil {
		t.Fatal(err)
	}
	subkeys := [][]byte{raw}
	for _, purpose := range []string{"dek", "item", "root", "seal"} {
		subkeys = append(subkeys, unhex(t, derived(t, hex.EncodeToString(raw), "blue/1/"+purpose+"/a/1")))
	}
	hidden := struct {
		s *envelope.Secret
		k *envelope.Keys
	}{secret, keys}
	check := func(how, text string, exact bool) {
		t.Helper()
		for _, key := range subkeys {
			if containsKey(text, key) {
				t.Errorf("%s shows a key: %s", how, text)
			}
		}
		if exact && text != "[redacted]" {
			t.Errorf("%s prints %q", how, text)
		}
	}
	for verb := rune('!'); verb <= '~'; verb++ {
		for _, flags := range []string{"", "+", "#", "0", " ", "-", "40", ".3"} {
			format := "%" + flags + string(verb)
			// Package fmt handles %p, %T and a misplaced %w without calling Format. It prints
			// an address, a type, and the fields, where the key is behind a pointer.
			// %% and digits are not verbs.
			own := !strings.ContainsRune(`pTw%*[.+-#0123456789 `, verb)
			check(format, fmt.Sprintf(format, secret), own)
			check(format, fmt.Sprintf(format, keys), own)
			check(format, fmt.Sprintf(format, hidden), false)
			check(format, fmt.Sprintf(format, &hidden), false)
			check(format, fmt.Sprintf(format, []any{secret, keys}), false)
		}
	}
	check("Sprint", fmt.Sprint(secret), true)
	check("Sprintln", fmt.Sprintln(keys), false)
	check("String", secret.String(), true)
	check("GoString", keys.GoString(), true)
	for _, v := range []any{secret, keys} {
		b, err := json.Marshal(v)
		if err != nil || string(b) != `"[redacted]"` {
			t.Errorf("JSON %s, %v", b, err)
		}
		b, err = json.Marshal(map[string]any{"k": v})
		if err != nil || string(b) != `{"k":"[redacted]"}` {
			t.Errorf("JSON %s, %v", b, err)
		}
		b, err = xml.Marshal(v)
		if err != nil || !strings.Contains(string(b), ">[redacted]<") {
			t.Errorf("XML %s, %v", b, err)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "k", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "k", v)
		check("slog", log.String(), false)
		if strings.Count(log.String(), "[redacted]") != 2 {
			t.Errorf("slog prints %s", log.String())
		}
		if got := v.(slog.LogValuer).LogValue(); !got.Equal(slog.StringValue("[redacted]")) {
			t.Errorf("LogValue %v", got)
		}
		check("an error", fmt.Errorf("with %v", v).Error(), false)
	}
}

func TestNewSecretRefuses(t *testing.T) {
	for _, n := range []int{0, 1, 16, 31, 33, 44, 64} {
		if _, err := envelope.NewSecret(bytes.Repeat([]byte{7}, n)); !errors.Is(err, blue.ErrSealed) {
			t.Errorf("%d bytes: %v, want ErrSealed", n, err)
		}
	}
	if _, err := envelope.NewSecret(make([]byte, 32)); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("zeros: %v, want ErrSealed", err)
	}
}

func TestSecretCopiesInAndOut(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, 32)
	s, err := envelope.NewSecret(raw)
	if err != nil {
		t.Fatal(err)
	}
	clear(raw)
	out := s.InsecureBytes()
	if !bytes.Equal(out, bytes.Repeat([]byte{7}, 32)) {
		t.Fatalf("the secret changed with its source: %x", out)
	}
	clear(out)
	if !bytes.Equal(s.InsecureBytes(), bytes.Repeat([]byte{7}, 32)) {
		t.Fatal("the secret changed with its copy")
	}
}

func TestDestroyedSecret(t *testing.T) {
	s, kek := envelope.GenerateSecret(), envelope.GenerateSecret()
	if bytes.Equal(s.InsecureBytes(), kek.InsecureBytes()) {
		t.Fatal("two generated secrets are the same")
	}
	s.Destroy()
	s.Destroy()
	if b := s.InsecureBytes(); b != nil {
		t.Errorf("%d bytes remain", len(b))
	}
	_, deriveErr := s.Derive("x")
	_, keysErr := envelope.DeriveKeys(s, "a", 1)
	_, wrapErr := envelope.WrapSecret(kek, "ada", "a", 1, s)
	_, underErr := envelope.WrapSecret(s, "ada", "a", 1, kek)
	_, unwrapErr := envelope.UnwrapSecret(s, "ada", "a", 1, make([]byte, 60))
	for i, err := range []error{deriveErr, keysErr, wrapErr, underErr, unwrapErr} {
		if !errors.Is(err, blue.ErrSealed) {
			t.Errorf("use %d: %v, want ErrSealed", i, err)
		}
	}
}

// TestDestroyWaits destroys a secret during derivations. A derivation must return
// the correct key or an error, and never a key of a partly overwritten secret.
func TestDestroyWaits(t *testing.T) {
	want := derived(t, strings.Repeat("07", 32), "x")
	for range 200 {
		s := secretOf(t, 7)
		var group sync.WaitGroup
		group.Go(s.Destroy)
		group.Go(func() {
			d, err := s.Derive("x")
			if err == nil && hex.EncodeToString(d.InsecureBytes()) != want {
				t.Error("a key was derived from an overwritten secret")
			}
		})
		group.Wait()
	}
}

func TestWrapBindsItsNames(t *testing.T) {
	kek, r := secretOf(t, 1), secretOf(t, 2)
	wrapped, err := envelope.WrapSecret(kek, "ada", "a", 1, r)
	if err != nil || len(wrapped) != envelope.WrapSize {
		t.Fatalf("%d bytes, %v", len(wrapped), err)
	}
	got, err := envelope.UnwrapSecret(kek, "ada", "a", 1, wrapped)
	if err != nil || !bytes.Equal(got.InsecureBytes(), r.InsecureBytes()) {
		t.Fatalf("unwrapped %v, %v", got, err)
	}
	for _, c := range []struct {
		kek            *envelope.Secret
		user, dialogue string
		version        uint32
		wrapped        []byte
		want           error
	}{
		{secretOf(t, 3), "ada", "a", 1, wrapped, envelope.ErrOpen},
		{kek, "bob", "a", 1, wrapped, envelope.ErrOpen},
		{kek, "ada", "b", 1, wrapped, envelope.ErrOpen},
		{kek, "ada", "a", 2, wrapped, envelope.ErrOpen},
		{kek, "adaa", "a", 1, wrapped, envelope.ErrOpen},
		{kek, "ada", "a", 1, wrapped[:59], envelope.ErrOpen},
		{kek, "ada", "a", 1, nil, envelope.ErrOpen},
		{kek, "", "a", 1, wrapped, blue.ErrInvalid},
		{kek, "ada", "a/b", 1, wrapped, blue.ErrInvalid},
		{kek, "ada", "a", 0, wrapped, blue.ErrInvalid},
	} {
		if _, err := envelope.UnwrapSecret(c.kek, c.user, c.dialogue, c.version, c.wrapped); !errors.Is(err, c.want) {
			t.Errorf("%s %s %d, %d bytes: %v, want %v", c.user, c.dialogue, c.version, len(c.wrapped), err, c.want)
		}
	}
	if errors.Is(envelope.ErrOpen, blue.ErrTampered) {
		t.Error("the message of ErrOpen depends on the cause")
	}
}
