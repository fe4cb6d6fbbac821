package bluestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/bluestore"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestOpen writes a dialogue by each kind of address and verifies it, and checks
// that Close ends the audit log.
func TestOpen(t *testing.T) {
	umk := filepath.Join(t.TempDir(), "umk.key")
	for name, c := range map[string]struct {
		address func(t *testing.T) string
		source  bluestore.KeySource
	}{
		"memory": {func(*testing.T) string { return "memory:" }, bluestore.Provider(sealedtest.Key(umk))},
		"SQLite": {func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "blue.db") }, bluestore.KeyFile(filepath.Join(t.TempDir(), "new.key"))},
		"DynamoDB": {func(t *testing.T) string {
			at := dynamotest.Config(t)
			return "dynamodb:?region=" + at.Region + "&prefix=" + at.Prefix + "&endpoint=" + at.Endpoint
		}, bluestore.KeyFile(filepath.Join(t.TempDir(), "new.key"))},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, opts := t.Context(), &bluestore.Options{}
			opts.Audit.Signer = bluestore.AuditKey(filepath.Join(t.TempDir(), "audit.key"))
			store, err := bluestore.Open(ctx, c.address(t), c.source, "ada", opts)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Create(ctx, "tea", blue.NewDialogue{Title: "Tea?"}); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Verify(ctx, "tea"); err != nil {
				t.Error(err)
			}
			for e, err := range auditor.Events(ctx, auditor.FromStore(store.Records()), auditor.Filter{}) {
				if err != nil || !strings.HasPrefix(e.Principal, "p-") {
					t.Errorf("the principal of an event is %q, %v", e.Principal, err)
				}
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
			if err := store.Log().Append(ctx, func(*audit.Event) {}, audit.Decrypt, "tea", "", audit.Success); !errors.Is(err, blue.ErrAudit) {
				t.Errorf("the log accepts an event after Close: %v", err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	key := bluestore.KeyFile(filepath.Join(t.TempDir(), "umk.key"))
	for _, address := range []string{
		"", "blue.db", "sqlite:", "memory", "memory:x", "dynamodb:table", "postgres:x",
		"dynamodb:?table=x", "dynamodb:?%zz", "dynamodb:?prefix=a/b&endpoint=http://127.0.0.1:8000&region=local", "dynamodb:?endpoint=http://example.com&region=local",
	} {
		store, err := bluestore.Open(t.Context(), address, key, "ada", nil)
		if !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", address, err)
		}
		if store != nil {
			t.Errorf("%q: a store with an error", address)
		}
	}
}

// TestSourceFails checks that the records are closed if the key source fails.
func TestSourceFails(t *testing.T) {
	broken := errors.New("no provider")
	var opened bluestore.Records
	_, err := bluestore.Open(t.Context(), "memory:", func(r bluestore.Records) (keys.Provider, error) {
		opened = r
		return nil, broken
	}, "ada", nil)
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := opened.Get(t.Context(), record.Dialogues, record.MetaKey("tea")); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("the records are still open: %v", err)
	}
}

// TestReadOnly opens files that must exist.
func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "blue.db")
	if r, err := bluestore.OpenRecords(t.Context(), "sqlite:"+path, &bluestore.Options{ReadOnly: true}); err == nil {
		r.Close()
		t.Error("files were made")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file exists")
	}
}

// TestParametersWin checks that the address overrides Options.DynamoDB.
func TestParametersWin(t *testing.T) {
	opts := &bluestore.Options{DynamoDB: dynamo.Config{Endpoint: "http://127.0.0.1:1", Region: "local", Prefix: "not/allowed"}}
	if _, err := bluestore.OpenRecords(t.Context(), "dynamodb:", opts); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("the options are not used: %v", err)
	}
	r, err := bluestore.OpenRecords(t.Context(), "dynamodb:?prefix=allowed", opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}
