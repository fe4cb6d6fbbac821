package envelope_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
)

// TestVectorsAreReproducible runs the Python generator and compares bytes.
func TestVectorsAreReproducible(t *testing.T) {
	dir := t.TempDir()
	if out, err := python(t, "cryptography", "generate_vectors.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"envelope_vectors.json", "envelope_vectors.json.sha256"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, fixture(t, name)) {
			t.Errorf("%s differs from the output of scripts/generate_vectors.py; run the script and compare", name)
		}
	}
}

func TestNISTFileIsReproducible(t *testing.T) {
	got, err := python(t, "cryptography_vectors", "extract_nist_kat.py").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, fixture(t, "nist_kat_aes_gcm.json")) {
		t.Error("nist_kat_aes_gcm.json differs from the output of scripts/extract_nist_kat.py")
	}
}

// rfcReader writes the data keys to a file and pipes items into read_item.py.
func rfcReader(t *testing.T, deks map[string]string, items any) (lines []string, stderr string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "deks.json")
	b, err := json.Marshal(deks)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	cmd := python(t, "cryptography", "read_item.py", file)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &errs
	err = cmd.Run()
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n"), errs.String(), err
}

// dekOf derives the data key of the RFC from a dialogue's secret.
func dekOf(t *testing.T, r *envelope.Secret, dialogue string, version uint32) string {
	t.Helper()
	dek, err := r.Derive(fmt.Sprintf("blue/1/dek/%s/%d", dialogue, version))
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(dek.InsecureBytes())
}

// TestRFCReaderOpensSealedItems opens sealed items with a reader that implements
// only the RFC: no item_mac, root, padding or derivation.
func TestRFCReaderOpensSealedItems(t *testing.T) {
	const dialogue = "größe-der-daten"
	k := keysOf(t, 7, dialogue, 3)
	type attr map[string]string
	var items []map[string]attr
	var want []string
	for i, sk := range []string{"meta", "expert#éclair", "round#00", "tension#00#01", "event#tension#T0001#2026-03-01T09:30:00.000000000Z-02"} {
		payload := fmt.Sprintf(`{"label": "number %d", "text": %q}`, i, strings.Repeat("ü", i*50))
		ciphertext, nonce, err := k.Seal(addressOf(t, dialogue, sk), []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, map[string]attr{
			"PK": {"S": "dialogue#" + dialogue}, "SK": {"S": sk}, "key_id": {"S": k.ID()},
			"content_encrypted": {"B": base64.StdEncoding.EncodeToString(ciphertext)},
			"content_nonce":     {"B": base64.StdEncoding.EncodeToString(nonce)},
		})
		want = append(want, fmt.Sprintf(`{"SK": %q, "payload": %s}`, sk, payload))
	}
	deks := map[string]string{k.ID(): dekOf(t, secretOf(t, 7), dialogue, 3)}
	got, stderr, err := rfcReader(t, deks, items)
	if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("read_item.py: %v %s\ngot\n%s\nwant\n%s", err, stderr, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	items[2]["SK"]["S"] = "round#01"
	got, stderr, err = rfcReader(t, deks, items)
	if err == nil || len(got) != 2 || !strings.Contains(stderr, "round#01") {
		t.Fatalf("a moved item: %v, %d lines, %q; want 2 lines and an error that names round#01", err, len(got), stderr)
	}
}
