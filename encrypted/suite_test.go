package encrypted_test

import (
	"path/filepath"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
	"github.com/superviber/blue-encrypted-store/storetest"
)

type sealedStore = sealedtest.Store

func openSQLite(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func inMemory(*testing.T) record.Store   { return memory.New() }
func inSQLite(t *testing.T) record.Store { return openSQLite(t) }

// The suites on DynamoDB Local are in internal/testing/cloudsuite.

func TestSuiteMemory(t *testing.T) {
	t.Parallel() // all of them: a disk is mostly waited for
	storetest.Run(t, sealedtest.File(t, inMemory))
}

func TestSuiteSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, sealedtest.File(t, inSQLite))
}

func TestSuiteSQLiteWithKMS(t *testing.T) {
	t.Parallel()
	storetest.Run(t, sealedtest.KMS(t, inSQLite))
}
