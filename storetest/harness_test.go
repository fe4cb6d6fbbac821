package storetest_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
	"github.com/superviber/blue-encrypted-store/storetest"
)

func inMemory(t *testing.T) record.Store {
	s := memory.New()
	t.Cleanup(func() { s.Close() })
	return s
}

func inSQLite(t *testing.T) record.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func inDynamoDB(t *testing.T) record.Store { return dynamotest.Store(t) }

func plain(records func(*testing.T) record.Store) storetest.Harness {
	return storetest.Harness{
		Records: records,
		Open: func(_ *testing.T, records record.Store, now func() time.Time) storetest.Store {
			return engine.New(records, &engine.Options{Now: now})
		},
	}
}

func sealed(t *testing.T, records func(*testing.T) record.Store) storetest.Harness {
	dir := t.TempDir()
	open := func(name string) func(*testing.T, record.Store, func() time.Time) storetest.Store {
		return func(_ *testing.T, records record.Store, now func() time.Time) storetest.Store {
			return openSealed(filepath.Join(dir, name), records, now)
		}
	}
	return storetest.Harness{Records: records, Open: open("umk.key"), Encrypted: true, Stranger: open("other.key")}
}

func localKey(umk string) *localfile.Provider {
	return localfile.Open(umk, &localfile.Options{MayCreate: func(context.Context) (bool, error) { return true, nil }})
}

func makeKey(t *testing.T, umk string) {
	t.Helper()
	key, err := localKey(umk).UMK(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key.Destroy()
}

func openSealed(umk string, records record.Store, now func() time.Time) storetest.Store {
	log := audit.NewLog(records, "muffin", &audit.Options{Now: now})
	return encrypted.New(records, localKey(umk), "muffin", log, &encrypted.Options{Now: now})
}

func harnesses(t *testing.T) map[string]storetest.Harness {
	return map[string]storetest.Harness{
		"memory":             plain(inMemory),
		"sqlite":             plain(inSQLite),
		"memory encrypted":   sealed(t, inMemory),
		"sqlite encrypted":   sealed(t, inSQLite),
		"dynamodb":           plain(inDynamoDB),
		"dynamodb encrypted": sealed(t, inDynamoDB),
	}
}
