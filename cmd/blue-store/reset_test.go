package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestResetUnderKMS checks that reset ignores the path of the key file if keys
// come from KMS. It does not read or move the file.
func TestResetUnderKMS(t *testing.T) {
	for name, content := range map[string][]byte{"a key": bytes.Repeat([]byte{7}, 32), "no key": []byte("x"), "perhaps a key": bytes.Repeat([]byte("0a"), 32)} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.must("dialogue", "create", "Which cache?", "-q")
			path := filepath.Join(m.home, ".blue", "keys", "umk.key")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			m.set = map[string]string{"BLUE_KMS_KEY_ARN": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:1"}
			opened := watchOpened(t, path)
			m.must("reset", "--confirm", "blue.db")
			if opened() {
				t.Error("the key file was read")
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
				t.Errorf("the key file is not what it was: %v", err)
			}
			if _, err := os.Stat(filepath.Join(m.home, ".blue", "db", "blue.db")); err == nil {
				t.Error("the store is there yet")
			}
		})
	}
}
