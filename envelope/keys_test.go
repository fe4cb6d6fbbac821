package envelope_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// payloads draws JSON objects, from empty to a few kilobytes.
func payloads() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		object := rapid.MapOfN(rapid.StringN(0, 8, -1), rapid.StringN(0, 400, -1), 0, 6).Draw(t, "object")
		b, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

func TestSealOpenRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dialogue := ids().Draw(rt, "dialogue")
		addr := addressOf(t, dialogue, sortKeys().Draw(rt, "sk"))
		k := keysOf(t, rapid.ByteRange(1, 255).Draw(rt, "key"), dialogue, rapid.Uint32Range(1, 1<<32-1).Draw(rt, "version"))
		payload := payloads().Draw(rt, "payload")
		ciphertext, nonce, err := k.Seal(addr, payload)
		if err != nil {
			rt.Fatal(err)
		}
		if len(nonce) != 12 || len(ciphertext) != envelope.PaddedLen(len(payload))+16 {
			rt.Fatalf("the nonce has %d bytes and the ciphertext %d for a payload of %d", len(nonce), len(ciphertext), len(payload))
		}
		was := slices.Concat(ciphertext, nonce)
		got, err := k.Open(addr, ciphertext, nonce)
		if err != nil || !bytes.Equal(got, payload) {
			rt.Fatalf("opened %q, %v; want %q", got, err, payload)
		}
		if !bytes.Equal(was, slices.Concat(ciphertext, nonce)) {
			rt.Fatal("Open changed its arguments")
		}
		version := rapid.Uint64().Draw(rt, "root version")
		sealed, err := k.SealRoot(addr, version, payload)
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := k.OpenRoot(addr, version, sealed); err != nil || !bytes.Equal(got, payload) {
			rt.Fatalf("opened the root %q, %v; want %q", got, err, payload)
		}
	})
}

// TestEverySingleBitCounts flips each bit of the ciphertext, nonce and associated
// data of an item, a root and a wrap. None of the results may open.
func TestEverySingleBitCounts(t *testing.T) {
	k, addr := keysOf(t, 1, "a", 1), addressOf(t, "a", "tension#00#01")
	ciphertext, nonce, err := k.Seal(addr, []byte(`{"label":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	refused := func(what string, err error) {
		tried++
		if err != envelope.ErrOpen { //nolint:errorlint // exactly ErrOpen, not wrapped
			t.Errorf("%s: %v, want ErrOpen", what, err)
		}
	}
	for bit := range len(ciphertext) * 8 {
		_, err := k.Open(addr, flip(ciphertext, bit), nonce)
		refused(fmt.Sprintf("ciphertext bit %d", bit), err)
	}
	for bit := range len(nonce) * 8 {
		_, err := k.Open(addr, ciphertext, flip(nonce, bit))
		refused(fmt.Sprintf("nonce bit %d", bit), err)
	}
	for bit := range len(addr) * 8 {
		_, err := k.Open(envelope.Address(flip([]byte(addr), bit)), ciphertext, nonce)
		refused(fmt.Sprintf("address bit %d", bit), err)
	}
	key, aad := [32]byte{1}, addr.AAD()
	ciphertext, nonce = envelope.SealRaw(key, []byte("plain"), aad[:])
	for bit := range len(aad) * 8 {
		_, err := envelope.OpenRaw(key, nonce, ciphertext, flip(aad[:], bit))
		refused(fmt.Sprintf("aad bit %d", bit), err)
	}
	for bit := range len(key) * 8 {
		_, err := envelope.OpenRaw([32]byte(flip(key[:], bit)), nonce, ciphertext, aad[:])
		refused(fmt.Sprintf("key bit %d", bit), err)
	}

	root, err := k.SealRoot(addr, 6, []byte(`{"version":6}`))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(root) * 8 {
		_, err := k.OpenRoot(addr, 6, flip(root, bit))
		refused(fmt.Sprintf("root bit %d", bit), err)
	}
	for bit := range 64 {
		_, err := k.OpenRoot(addr, 6^1<<bit, root)
		refused(fmt.Sprintf("root version bit %d", bit), err)
	}

	kek, r := secretOf(t, 2), secretOf(t, 3)
	wrapped, err := envelope.WrapSecret(kek, "ada", "a", 1, r)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(wrapped) * 8 {
		_, err := envelope.UnwrapSecret(kek, "ada", "a", 1, flip(wrapped, bit))
		refused(fmt.Sprintf("wrap bit %d", bit), err)
	}
	t.Logf("%d single-bit changes refused", tried)
}

func flip(b []byte, bit int) []byte {
	out := bytes.Clone(b)
	out[bit/8] ^= 1 << (bit % 8)
	return out
}

func TestAnyBitOfAnyItem(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		addr := addressOf(t, ids().Draw(rt, "dialogue"), sortKeys().Draw(rt, "sk"))
		k := keysOf(t, 1, "a", 1)
		ciphertext, nonce, err := k.Seal(addr, payloads().Draw(rt, "payload"))
		if err != nil {
			rt.Fatal(err)
		}
		joined := slices.Concat(nonce, ciphertext)
		joined = flip(joined, rapid.IntRange(0, len(joined)*8-1).Draw(rt, "bit"))
		if got, err := k.Open(addr, joined[12:], joined[:12]); !errors.Is(err, envelope.ErrOpen) || got != nil {
			rt.Fatalf("opened %q, %v", got, err)
		}
		other := addressOf(t, ids().Draw(rt, "other dialogue"), sortKeys().Draw(rt, "other sk"))
		if _, err := k.Open(other, ciphertext, nonce); other != addr && !errors.Is(err, envelope.ErrOpen) {
			rt.Fatalf("%s opened an item that was sealed for %s", other, addr)
		}
	})
}

func TestSealRefusesNonObjects(t *testing.T) {
	k, addr := keysOf(t, 1, "a", 1), addressOf(t, "a", "meta")
	for _, payload := range []string{"", "{", "}", "null", "[]", `"x"`, "{} ", " {}", "{}\n"} {
		if _, _, err := k.Seal(addr, []byte(payload)); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("Seal(%q): %v, want ErrInvalid", payload, err)
		}
		if _, err := k.SealRoot(addr, 1, []byte(payload)); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("SealRoot(%q): %v, want ErrInvalid", payload, err)
		}
	}
}

func TestNoncesDiffer(t *testing.T) {
	k, addr := keysOf(t, 1, "a", 1), addressOf(t, "a", "meta")
	seen := map[string]bool{}
	for range 1000 {
		_, nonce, err := k.Seal(addr, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		seen[string(nonce)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("1000 seals used %d nonces", len(seen))
	}
}

func TestImpossibleLengthsCostNoMemory(t *testing.T) {
	k, addr := keysOf(t, 1, "a", 1), addressOf(t, "a", "meta")
	long := make([]byte, 1<<20)
	for _, in := range [][2][]byte{{long, nil}, {long, long[:11]}, {long, long[:13]}, {long, long}, {nil, long[:12]}, {long[:15], long[:12]}} {
		if _, err := k.Open(addr, in[0], in[1]); err != envelope.ErrOpen { //nolint:errorlint // exactly ErrOpen
			t.Fatalf("ciphertext %d, nonce %d: %v", len(in[0]), len(in[1]), err)
		}
		if n := testing.AllocsPerRun(10, func() { _, _ = k.Open(addr, in[0], in[1]) }); n > 1 { // one for the address
			t.Errorf("ciphertext %d, nonce %d: %v allocations", len(in[0]), len(in[1]), n)
		}
	}
}

func TestDeriveKeysRefuses(t *testing.T) {
	r := secretOf(t, 1)
	for _, c := range []struct {
		dialogue string
		version  uint32
	}{{"", 1}, {"a/b", 1}, {"a#b", 1}, {"a:b", 1}, {"a\x00", 1}, {"a", 0}} {
		if _, err := envelope.DeriveKeys(r, c.dialogue, c.version); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("DeriveKeys(%q, %d): %v, want ErrInvalid", c.dialogue, c.version, err)
		}
	}
}

func TestDestroyedKeys(t *testing.T) {
	k, addr := keysOf(t, 1, "a", 1), addressOf(t, "a", "meta")
	ciphertext, nonce, err := k.Seal(addr, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	k.Destroy()
	k.Destroy()
	_, _, sealErr := k.Seal(addr, []byte("{}"))
	_, openErr := k.Open(addr, ciphertext, nonce)
	_, sealRootErr := k.SealRoot(addr, 1, []byte("{}"))
	_, openRootErr := k.OpenRoot(addr, 1, make([]byte, 92))
	for i, err := range []error{sealErr, openErr, sealRootErr, openRootErr} {
		if !errors.Is(err, blue.ErrSealed) {
			t.Errorf("use %d: %v, want ErrSealed", i, err)
		}
	}
	for name, use := range map[string]func(){
		"ItemMAC": func() { k.ItemMAC(record.Dialogues, record.Record{}) },
		"Element": func() { k.Element("meta", nil) },
		"Tag":     func() { k.Tag("meta", nil) },
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.HasPrefix(got, "envelope: ") {
					t.Errorf("%s of destroyed keys: panic %q", name, got)
				}
			}()
			use()
		}()
	}
}

// TestKeysAreSafeForConcurrentUse also serves the race detector.
func TestKeysAreSafeForConcurrentUse(t *testing.T) {
	k, addr := keysOf(t, 1, "a", 1), addressOf(t, "a", "meta")
	r := record.Record{Key: record.Key{Partition: "dialogue#a", Item: "meta"}, Attrs: record.Attrs{"status": record.S("open")}}
	item, element, tag := k.ItemMAC(record.Dialogues, r), k.Element("meta", []byte("m")), k.Tag("meta", []byte("m"))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				ciphertext, nonce, err := k.Seal(addr, []byte("{}"))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := k.Open(addr, ciphertext, nonce); err != nil {
					t.Error(err)
				}
				if k.ItemMAC(record.Dialogues, r) != item || k.Element("meta", []byte("m")) != element || k.Tag("meta", []byte("m")) != tag {
					t.Error("a MAC differs under concurrent use")
				}
			}
		})
	}
	group.Wait()
}

func FuzzOpen(f *testing.F) {
	// The genuine item comes from a vector, so that every fuzzing process has the same.
	vectors := loadVectors(f).Vectors
	v := vectors[slices.IndexFunc(vectors, func(v vector) bool { return v.Name == "item/tension" })]
	attrs := recordOf(f, v.Item).Attrs
	ciphertext, nonce := attrs["content_encrypted"].Bin(), attrs["content_nonce"].Bin()
	k, err := envelope.DeriveKeys(newSecret(f, v.Secret), "storage-choice", 1)
	if err != nil {
		f.Fatal(err)
	}
	addr := addressOf(f, "storage-choice", "tension#00#01")
	f.Add(ciphertext, nonce)
	f.Add(ciphertext[:15], nonce)
	f.Add([]byte{}, []byte{})
	f.Add(ciphertext[:60], nonce)
	kek := secretOf(f, 2)
	f.Fuzz(func(t *testing.T, c, n []byte) {
		_, err := k.Open(addr, c, n)
		genuine := bytes.Equal(c, ciphertext) && bytes.Equal(n, nonce)
		if (err == nil) != genuine || err != nil && err != envelope.ErrOpen { //nolint:errorlint // exactly ErrOpen
			t.Fatalf("Open: %v", err)
		}
		if _, err := k.OpenRoot(addr, 1, c); err != envelope.ErrOpen { //nolint:errorlint // exactly ErrOpen
			t.Fatalf("OpenRoot: %v", err)
		}
		if _, err := envelope.UnwrapSecret(kek, "ada", "a", 1, c); err != envelope.ErrOpen { //nolint:errorlint // exactly ErrOpen
			t.Fatalf("UnwrapSecret: %v", err)
		}
	})
}
