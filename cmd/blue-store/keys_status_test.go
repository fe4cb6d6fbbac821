package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKeysStatusAges checks that the age of a key file is the age of its last
// change, that derived keys have the same age, and that a lost key file has no
// age.
func TestKeysStatusAges(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Which cache?", "-q")
	path := filepath.Join(m.home, ".blue", "keys", "umk.key")
	says := func(words ...string) {
		t.Helper()
		text := m.must("keys", "status", "--text").stdout
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("it does not say %q:\n%s", w, text)
			}
		}
	}
	for old, want := range map[time.Duration]string{72 * time.Hour: "3 days old", 5 * time.Hour: "5 h old", 7 * time.Minute: "7 min old"} {
		at := time.Now().Add(-old)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		says("umk.key, ok, "+want+"\n", "KEK of tester  derived, "+want+"\n", "v1  1 item, less than a minute old\n")
		if text := m.must("keys", "status").stdout; strings.Count(text, at.UTC().Format("2006-01-02T15:04:05")) != 2 {
			t.Errorf("JSON does not give %s for both:\n%s", at.UTC(), text)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	says("is missing", ", of unknown age\n", "KEK of tester  derived, of unknown age\n")
}
