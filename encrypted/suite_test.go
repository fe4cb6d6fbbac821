package encrypted_test

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

type sealedStore = *encrypted.Store

func inMemory(*testing.T) record.Store   { return memory.New() }
func inSQLite(t *testing.T) record.Store { return dialoguetest.OpenSQLite(t) }

// The suites on DynamoDB Local are in internal/testing/cloudsuite.

func TestSuiteMemory(t *testing.T) {
	t.Parallel() // the suites mostly wait for a disk
	storetest.Run(t, sealedtest.File(t, inMemory))
}

func TestSuiteSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, sealedtest.File(t, inSQLite))
}

func TestSuiteSQLiteWithKMS(t *testing.T) {
	campaigntest.SkipShort(t) // internal/testing/cloudsuite runs the suite with KMS
	t.Parallel()
	storetest.Run(t, sealedtest.KMS(t, inSQLite))
}
