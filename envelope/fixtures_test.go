package envelope_test

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
)

// fixture reads a file of tests/fixtures.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "tests", "fixtures", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

// secretOf returns a secret of 32 equal bytes.
func secretOf(t testing.TB, b byte) *envelope.Secret {
	t.Helper()
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = b
	}
	s, err := envelope.NewSecret(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keysOf derives keys of a secret of 32 equal bytes.
func keysOf(t testing.TB, b byte, dialogue string, version uint32) *envelope.Keys {
	t.Helper()
	k, err := envelope.DeriveKeys(secretOf(t, b), dialogue, version)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func addressOf(t testing.TB, dialogue, sk string) envelope.Address {
	t.Helper()
	a, err := envelope.ItemAddress(dialogue, sk)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// python returns a command for a script of this repository. It skips the test if
// there is no Python 3 with the module that the script needs.
func python(t *testing.T, module, script string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.Command(testrule.Python(t, module), append([]string{"-B", filepath.Join("..", "scripts", script)}, args...)...)
}
