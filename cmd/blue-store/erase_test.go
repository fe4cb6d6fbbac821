package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/erasure"
)

// noNotary stops a service between the erasure and its certificate.
func noNotary(context.Context) (*erasure.Notary, error) { return nil, errors.New("killed") }

// TestEraseOfKilled kills a process after it erased a dialogue and before it
// signed anything. The same command must then issue the certificate.
func TestEraseOfKilled(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Which cache?")
	killed := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: m.env}
	ctx := killed.startTrace(t.Context())
	s, err := killed.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	service := erasure.New(s.store, erasure.Options{Notary: noNotary})
	if _, err := service.Dialogue(ctx, "which-cache", nil); !errors.Is(err, erasure.ErrNoCertificate) {
		t.Fatal(err)
	}
	if err := errors.Join(s.store.Close(), s.records.Close()); err != nil { // and not the log
		t.Fatal(err)
	}
	cert := filepath.Join(m.home, "which-cache.cert")
	m.must("erase", "which-cache", "--confirm", "which-cache", "--output", cert)
	m.must("erase", "verify", cert)
}

// TestEraseUserOfKilled kills a process after it erased a user and before it
// delivered the certificate. The same command must then repeat and certify the
// whole erasure.
func TestEraseUserOfKilled(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Which cache?")
	m.must("keys", "grant", "which-cache", "ada")
	killed := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: m.env}
	ctx := killed.startTrace(t.Context())
	s, err := killed.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	result, err := erasure.New(s.store, erasure.Options{Notary: noNotary}).User(ctx, "ada", nil)
	done := result.User
	if !errors.Is(err, erasure.ErrNoCertificate) || len(done.Wraps) != 1 {
		t.Fatal(done.Wraps, err)
	}
	if err := errors.Join(s.store.Close(), s.records.Close()); err != nil { // and not the log
		t.Fatal(err)
	}
	cert := filepath.Join(m.home, "ada.cert")
	m.must("erase", "--user", "ada", "--confirm", "ada", "--output", cert)
	text, err := os.ReadFile(cert)
	if err != nil || !strings.Contains(string(text), done.Wraps[0]) || !strings.Contains(string(text), done.StartedAt) {
		t.Errorf("the certificate does not describe the erasure, %v: %s", err, text)
	}
	m.must("erase", "verify", cert)
	if o := m.run("erase", "--user", "ada", "--confirm", "ada"); o.code != exitNotFound {
		t.Errorf("second run: exit %d\n%s", o.code, o.stdout)
	}
}

// TestCertificateRefused checks that erase verify exits with 7 and the reason,
// even if the holder of the signing key signed a false certificate.
func TestCertificateRefused(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Which cache?")
	path := filepath.Join(m.home, "which-cache.cert")
	m.must("erase", "which-cache", "--confirm", "which-cache", "--output", path)
	m.must("erase", "verify", path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := os.ReadFile(filepath.Join(m.home, ".blue", "keys", "audit.key"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := checkpoint.NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	body, _, _ := strings.Cut(string(text), "\n\n")
	body += "\n"
	stranger, err := checkpoint.NewSigner(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	signBy := func(by *checkpoint.Signer, body string) string {
		t.Helper()
		signed, err := by.SignStatement(body)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	sign := func(body string) string { return signBy(signer, body) }
	dated := func(body string, at time.Time) string {
		issued := regexp.MustCompile(`"issued_at": "[^"]*"`)
		return issued.ReplaceAllString(body, `"issued_at": "`+at.UTC().Format("2006-01-02T15:04:05Z")+`"`)
	}
	final := strings.Replace(body, `"state": "pending"`, `"state": "final"`, 1)
	for name, c := range map[string]struct{ text, says string }{
		"edited, without the key":    {strings.Replace(string(text), `"items": 1,`, `"items": 2,`, 1), "invalid signature"},
		"edited, with the key":       {sign(strings.Replace(body, `"items": 1,`, `"items": 2,`, 1)), "its event counts 1 records"},
		"final before its date":      {sign(final), "it was made final before"},
		"final, with a date to come": {sign(dated(final, time.Now().Add(time.Hour))), "it is final, and must not be final before"},
		"of another dialogue":        {sign(strings.Replace(body, `"id": "which-cache"`, `"id": "which-tea"`, 1)), "another event is stored at its place in the log"},
		"with its copies left out":   {sign(regexp.MustCompile(`(?s)"copies": \[.*\]`).ReplaceAllString(final, `"copies": []`)), "final_not_before is"},
		"signed by a stranger":       {signBy(stranger, body), "no verifiable signatures"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.text == string(text) {
				t.Fatal("nothing was changed")
			}
			refused := filepath.Join(t.TempDir(), "refused.cert")
			if err := os.WriteFile(refused, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"erase", "verify", refused}, {"erase", "finalize", refused}} {
				if o := m.run(args...); o.code != exitIntegrity || !strings.Contains(unquoted(t, o.stderr), c.says) || o.stdout != "" {
					t.Errorf("%q: exit code %d, %s%s; want %q", args, o.code, o.stdout, o.stderr, c.says)
				}
			}
			if now, err := os.ReadFile(refused); err != nil || string(now) != c.text {
				t.Errorf("the certificate is not what it was: %v", err)
			}
		})
	}
	m.must("erase", "verify", path)
}
