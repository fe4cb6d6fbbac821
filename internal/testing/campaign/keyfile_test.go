package campaign

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestKeyLost removes the key file of a store that is not empty, or replaces it
// by another one. The exit code is 6, no key is created, and nothing changes.
func TestKeyLost(t *testing.T) {
	for name, c := range map[string]struct {
		do     func(w *machine) error
		stderr string
	}{
		"missing": {func(w *machine) error { return os.Remove(w.umk()) }, "No new key was made"},
		"another": {func(w *machine) error { return os.WriteFile(w.umk(), bytes.Repeat([]byte{7}, 32), 0o600) }, "wrapped by umk:"},
		"zero":    {func(w *machine) error { return os.WriteFile(w.umk(), make([]byte, 32), 0o600) }, "32 zero bytes"},
		"short":   {func(w *machine) error { return os.WriteFile(w.umk(), make([]byte, 31), 0o600) }, "31 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newMachine(t)
			w.must("dialogue", "create", "One two")
			if err := c.do(w); err != nil {
				t.Fatal(err)
			}
			key, _ := os.ReadFile(w.umk())
			for _, args := range [][]string{
				{"show", "one-two"}, {"verify"}, {"dialogue", "round-register", "--dialogue-id", "one-two", "--round", "0", "--data", `{"score":1}`},
			} {
				if r := w.run(args...); r.code != 6 || !strings.Contains(r.stderr, c.stderr) {
					t.Errorf("%v: exit code %d: %s", args, r.code, r.stderr)
				}
			}
			if after, _ := os.ReadFile(w.umk()); !bytes.Equal(after, key) {
				t.Error("the key file changed")
			}
		})
	}
}
