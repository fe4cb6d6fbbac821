package encrypted_test

import (
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/kmstest"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

// kmsHarness declares the same sealed store with keys in KMS: nothing but the
// provider differs. A stranger has another KMS key.
func kmsHarness(t *testing.T, records func(*testing.T) record.Store) storetest.Harness {
	url := kmstest.Endpoint(t)
	client := kmstest.Client(url, "muffin")
	open := func(arn string) func(*testing.T, record.Store, func() time.Time) *encrypted.EncryptedStore[record.Store, *awskms.Provider] {
		return func(t *testing.T, records record.Store, now func() time.Time) *encrypted.EncryptedStore[record.Store, *awskms.Provider] {
			provider, err := awskms.New(arn, client, records, nil)
			if err != nil {
				t.Fatal(err)
			}
			log := audit.NewLog(records, "muffin", &audit.Options{Now: now})
			return encrypted.New(records, provider, "muffin", log, &encrypted.Options{Now: now})
		}
	}
	own, other := open(kmstest.Key(t)), open(kmstest.Key(t))
	return storetest.Harness{
		Records: records, Encrypted: true, StoredKEK: true,
		Open:     func(t *testing.T, r record.Store, now func() time.Time) storetest.Store { return own(t, r, now) },
		Stranger: func(t *testing.T, r record.Store, now func() time.Time) storetest.Store { return other(t, r, now) },
		Below:    func(t *testing.T, r record.Store, now func() time.Time) record.Store { return own(t, r, now).Below() },
	}
}

func TestSuiteSQLiteWithKMS(t *testing.T) {
	t.Parallel()
	storetest.Run(t, kmsHarness(t, func(t *testing.T) record.Store { return openSQLite(t) }))
}

func TestSuiteDynamoDBWithKMS(t *testing.T) {
	t.Parallel()
	storetest.Run(t, kmsHarness(t, func(t *testing.T) record.Store { return dynamotest.Store(t) }))
}
