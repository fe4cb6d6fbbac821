package envelope_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// vector is one vector of tests/fixtures/envelope_vectors.json, which
// scripts/generate_vectors.py writes. Which fields are set depends on Op.
type vector struct {
	Name, Op, Expect string
	Want             map[string]any

	Secret  string // hex
	Table   string
	Item    map[string]dynamoValue
	SK      string
	KeyID   string `json:"key_id"`
	Info    string
	Lengths []int
	Add     []string
	Sub     []string

	Dialogue    string
	KeyVersion  uint32 `json:"key_version"`
	RootVersion string `json:"root_version"`
	RootSealed  []byte `json:"root_sealed"`
	KEK, User   string
	Wrapped     []byte
}

type vectorFile struct {
	Count    int
	MustFail int `json:"must_fail"`
	Reasons  map[string]string
	Vectors  []vector
}

// dynamoValue is a value in DynamoDB-JSON.
type dynamoValue struct {
	S    *string `json:",omitempty"`
	N    *string `json:",omitempty"`
	B    *[]byte `json:",omitempty"`
	BOOL *bool   `json:",omitempty"`
}

func (v dynamoValue) value(t testing.TB) record.Value {
	t.Helper()
	switch {
	case v.S != nil:
		return record.S(*v.S)
	case v.B != nil:
		return record.B(*v.B)
	case v.BOOL != nil:
		return record.T(*v.BOOL)
	}
	n, err := strconv.ParseInt(*v.N, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return record.N(n)
}

func recordOf(t testing.TB, item map[string]dynamoValue) record.Record {
	t.Helper()
	r := record.Record{Key: record.Key{Partition: record.Partition(*item["PK"].S), Item: *item["SK"].S}, Attrs: record.Attrs{}}
	for name, v := range item {
		if name != "PK" && name != "SK" {
			r.Attrs[name] = v.value(t)
		}
	}
	return r
}

func loadVectors(t testing.TB) vectorFile {
	t.Helper()
	var file vectorFile
	if err := json.Unmarshal(fixture(t, "envelope_vectors.json"), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestVectorFileIsTheCommittedOne(t *testing.T) {
	sum := sha256.Sum256(fixture(t, "envelope_vectors.json"))
	want := hex.EncodeToString(sum[:]) + "  envelope_vectors.json\n"
	if got := string(fixture(t, "envelope_vectors.json.sha256")); got != want {
		t.Errorf("the recorded hash of the vectors is %q, the vectors have %q", got, want)
	}
}

// refusal is the reason why a reader refuses a vector.
type refusal string

func (r refusal) Error() string { return string(r) }

func TestVectors(t *testing.T) {
	file := loadVectors(t)
	count := map[string]int{}
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			got, err := readVector(t, v)
			expect := "ok"
			if err != nil {
				reason, ok := errors.AsType[refusal](err)
				if !ok {
					t.Fatal(err)
				}
				expect = string(reason)
			}
			if expect != v.Expect {
				t.Fatalf("outcome %q, want %q", expect, v.Expect)
			}
			if got, want := asJSON(t, got), asJSON(t, v.Want); err == nil && got != want {
				t.Errorf("read\n%s\nwant\n%s", got, want)
			}
		})
		count[v.Op+" "+v.Expect]++
		if _, known := file.Reasons[v.Expect]; v.Expect != "ok" && !known {
			t.Errorf("%s: the reason %q is unknown", v.Name, v.Expect)
		}
	}
	var ok int
	for _, key := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%-20s %3d", key, count[key])
		if strings.HasSuffix(key, " ok") {
			ok += count[key]
		}
	}
	bad := len(file.Vectors) - ok
	t.Logf("%d vectors, %d must open, %d must fail", len(file.Vectors), ok, bad)
	if len(file.Vectors) != file.Count || bad != file.MustFail || file.Count < 60 || bad < 40 {
		t.Errorf("%d vectors, %d of them must fail; the file states %d and %d, and at least 60 and 40 are required", len(file.Vectors), bad, file.Count, file.MustFail)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readVector(t *testing.T, v vector) (map[string]any, error) {
	switch v.Op {
	case "item":
		return readItem(t, v)
	case "root":
		return readRoot(t, v)
	case "wrap":
		return readWrap(t, v)
	case "address":
		a, err := envelope.ItemAddress(v.Dialogue, v.SK)
		if err != nil {
			return nil, invalid(err, "address")
		}
		return map[string]any{"address": string(a), "aad_hash": a.Hash()}, nil
	case "key_id":
		dialogue, version, err := envelope.ParseKeyID(v.KeyID)
		if err != nil {
			return nil, invalid(err, "key_id")
		}
		return map[string]any{"dialogue": dialogue, "version": version}, nil
	case "padding":
		var padded []int
		for _, n := range v.Lengths {
			padded = append(padded, envelope.PaddedLen(n))
		}
		return map[string]any{"padded": padded}, nil
	case "sum":
		var sum envelope.Sum
		for _, e := range v.Add {
			sum.Add([32]byte(unhex(t, e)))
		}
		for _, e := range v.Sub {
			sum.Sub([32]byte(unhex(t, e)))
		}
		return map[string]any{"sum": hex.EncodeToString(sum[:])}, nil
	case "derive":
		return map[string]any{"key": derived(t, v.Secret, v.Info)}, nil
	}
	return nil, fmt.Errorf("unknown operation %q", v.Op)
}

// invalid returns the reason if the error is blue.ErrInvalid, and an error otherwise.
func invalid(err error, reason refusal) error {
	if !errors.Is(err, blue.ErrInvalid) {
		return fmt.Errorf("%w is not ErrInvalid", err)
	}
	return reason
}

func newSecret(t testing.TB, hexKey string) *envelope.Secret {
	t.Helper()
	s, err := envelope.NewSecret(unhex(t, hexKey))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func derived(t testing.TB, hexKey, info string) string {
	t.Helper()
	s, err := newSecret(t, hexKey).Derive(info)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(s.InsecureBytes())
}

func readItem(t *testing.T, v vector) (map[string]any, error) {
	r := recordOf(t, v.Item)
	id := strings.TrimPrefix(string(r.Key.Partition), "dialogue#")
	dialogue, version, err := envelope.ParseKeyID(r.Attrs["key_id"].Str())
	if err != nil {
		return nil, invalid(err, "key_id")
	}
	if dialogue != id {
		return nil, refusal("key_id")
	}
	addr, err := envelope.ItemAddress(id, r.Key.Item)
	if err != nil {
		return nil, invalid(err, "address")
	}
	k, err := envelope.DeriveKeys(newSecret(t, v.Secret), id, version)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Destroy()
	stored := r.Attrs["item_mac"].Bin()
	if len(stored) != 32 {
		return nil, refusal("mac_length")
	}
	if sum := k.ItemMAC(record.Table(v.Table), r); !hmac.Equal(sum[:], stored) {
		return nil, refusal("mac")
	}
	key := func(purpose string) string {
		return derived(t, v.Secret, fmt.Sprintf("blue/1/%s/%s/%d", purpose, id, version))
	}
	nonce, ciphertext, aad := r.Attrs["content_nonce"].Bin(), r.Attrs["content_encrypted"].Bin(), addr.AAD()
	payload, err := k.Open(addr, ciphertext, nonce)
	if err != nil {
		return nil, reasonOf(t, err, key("dek"), nonce, ciphertext, aad)
	}
	element, tag := k.Element(r.Key.Item, stored), k.Tag(r.Key.Item, stored)
	return map[string]any{
		"address": string(addr), "aad_hash": addr.Hash(),
		"dek": key("dek"), "k_item": key("item"), "k_root": key("root"), "k_seal": key("seal"),
		"item_mac": hex.EncodeToString(stored), "element": hex.EncodeToString(element[:]), "tag": hex.EncodeToString(tag[:]),
		"padded_len": len(ciphertext) - envelope.TagSize, "payload": string(payload),
	}, nil
}

// reasonOf returns the reason behind an ErrOpen. It opens the ciphertext without
// removing the padding.
func reasonOf(t *testing.T, err error, key string, nonce, ciphertext []byte, aad [32]byte) error {
	t.Helper()
	if err != envelope.ErrOpen { //nolint:errorlint // exactly ErrOpen, not wrapped
		t.Fatalf("refused with %v, not with ErrOpen", err)
	}
	if len(nonce) != envelope.NonceSize || len(ciphertext) < envelope.TagSize {
		return refusal("length")
	}
	if _, err := envelope.OpenRaw([32]byte(unhex(t, key)), nonce, ciphertext, aad[:]); err == nil {
		return refusal("padding")
	}
	return refusal("aead")
}

func readRoot(t *testing.T, v vector) (map[string]any, error) {
	k, err := envelope.DeriveKeys(newSecret(t, v.Secret), v.Dialogue, v.KeyVersion)
	if err != nil {
		t.Fatal(err)
	}
	version, err := strconv.ParseUint(v.RootVersion, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	addr := addressOf(t, v.Dialogue, "meta")
	aad := sha256.Sum256([]byte(string(addr) + "/root/" + v.RootVersion))
	payload, err := k.OpenRoot(addr, version, v.RootSealed)
	if err != nil {
		key := derived(t, v.Secret, fmt.Sprintf("blue/1/seal/%s/%d", v.Dialogue, v.KeyVersion))
		nonce := v.RootSealed[:min(envelope.NonceSize, len(v.RootSealed))]
		return nil, reasonOf(t, err, key, nonce, v.RootSealed[len(nonce):], aad)
	}
	return map[string]any{"aad": hex.EncodeToString(aad[:]), "payload": string(payload)}, nil
}

func readWrap(t *testing.T, v vector) (map[string]any, error) {
	r, err := envelope.UnwrapSecret(newSecret(t, v.KEK), v.User, v.Dialogue, v.KeyVersion, v.Wrapped)
	if err != nil {
		if err != envelope.ErrOpen { //nolint:errorlint // exactly ErrOpen, not wrapped
			t.Fatalf("refused with %v, not with ErrOpen", err)
		}
		if len(v.Wrapped) != envelope.WrapSize {
			return nil, refusal("length")
		}
		return nil, refusal("aead")
	}
	// The package does not return the associated data. The wrap opens, which proves it.
	return map[string]any{"aad": v.Want["aad"], "secret": hex.EncodeToString(r.InsecureBytes())}, nil
}

// TestRFCReaderReadsTheVectors checks that the reader of the RFC opens every item
// that must open, and refuses broken ciphertexts. It knows no MACs and no padding.
func TestRFCReaderReadsTheVectors(t *testing.T) {
	deks := map[string]string{}
	var good, broken []map[string]dynamoValue
	var want []string
	for _, v := range loadVectors(t).Vectors {
		if v.Op == "item" && v.Expect == "ok" {
			deks[*v.Item["key_id"].S] = v.Want["dek"].(string)
			good = append(good, v.Item)
			want = append(want, v.Want["payload"].(string))
		}
		switch v.Name {
		case "item/of-another-dialogue", "item/of-meta", "item/aad-in-hex", "item/tag-last-bit", "item/nonce-of-11-bytes", "item/ciphertext-empty":
			broken = append(broken, v.Item)
		}
	}
	lines, stderr, err := rfcReader(t, deks, good)
	if err != nil || len(lines) != len(good) {
		t.Fatalf("read_item.py: %v, %d lines for %d items\n%s", err, len(lines), len(good), stderr)
	}
	for i, line := range lines {
		var got struct{ SK, Payload any }
		var payload any
		if err := errors.Join(json.Unmarshal([]byte(line), &got), json.Unmarshal([]byte(want[i]), &payload)); err != nil {
			t.Fatal(err)
		}
		if got.SK != *good[i]["SK"].S || asJSON(t, got.Payload) != asJSON(t, payload) {
			t.Errorf("read %s, want %s of %s", line, want[i], *good[i]["SK"].S)
		}
	}
	if len(broken) != 6 {
		t.Fatalf("%d broken items, want 6", len(broken))
	}
	for _, item := range broken {
		lines, stderr, err := rfcReader(t, deks, []any{item})
		if err == nil || lines[0] != "" || !strings.Contains(stderr, *item["SK"].S) {
			t.Errorf("read_item.py returned %q, %q, %v for a broken ciphertext", lines, stderr, err)
		}
	}
	t.Logf("the RFC-only reader opened %d items and refused %d", len(lines), len(broken))
}
