package encrypted_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/dynamotest"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
	"github.com/superviber/blue-encrypted-store/storetest"
)

type sealedStore = *encrypted.EncryptedStore[record.Store, *localfile.Provider]

// openSuite opens a sealed store over any records, with the key of a file that
// is made when it is missing.
func openSuite(umk string, records record.Store, now func() time.Time) sealedStore {
	provider := localfile.Open(umk, &localfile.Options{MayCreate: func(context.Context) (bool, error) { return true, nil }})
	log := audit.NewLog(records, "muffin", &audit.Options{Now: now})
	return encrypted.New(records, provider, "muffin", log, &encrypted.Options{Now: now})
}

func openSQLite(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// suiteHarness declares a sealed store over some records. Keys are shared by
// all of its stores; a stranger has a key file of its own.
func suiteHarness(t *testing.T, records func(*testing.T) record.Store) storetest.Harness {
	dir := t.TempDir()
	open := func(name string) func(*testing.T, record.Store, func() time.Time) storetest.Store {
		return func(_ *testing.T, records record.Store, now func() time.Time) storetest.Store {
			return openSuite(filepath.Join(dir, name), records, now)
		}
	}
	return storetest.Harness{
		Records: records, Open: open("umk.key"), Stranger: open("other.key"), Encrypted: true,
		Below: func(_ *testing.T, records record.Store, now func() time.Time) record.Store {
			return openSuite(filepath.Join(dir, "umk.key"), records, now).Below()
		},
	}
}

func TestSuiteMemory(t *testing.T) {
	t.Parallel() // all five: a disk or a server is mostly waited for
	storetest.Run(t, suiteHarness(t, func(*testing.T) record.Store { return memory.New() }))
}

func TestSuiteSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, suiteHarness(t, func(t *testing.T) record.Store { return openSQLite(t) }))
}

func TestSuiteDynamoDB(t *testing.T) {
	t.Parallel()
	storetest.Run(t, suiteHarness(t, func(t *testing.T) record.Store { return dynamotest.Store(t) }))
}
