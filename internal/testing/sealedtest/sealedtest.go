// Package sealedtest declares the sealed stores on which the suite of storetest
// runs.
//
// They are the same store with keys in a file or in KMS, over any records. The
// package has harnesses and the only way in which tests open a sealed store with
// a key file. The cases are in storetest. The records come from
// internal/testing/dynamotest or from the test itself.
package sealedtest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

// user is the user of these stores.
const user = "muffin"

// Store is an encrypted store.
type Store = *encrypted.Store

// Open opens a store of one user with a key file. It creates the file if it does
// not exist. A nil clock is time.Now.
func Open(umk string, records record.Store, now func() time.Time) Store {
	return open(records, Key(umk), now)
}

// Key returns the provider of a key file. It creates the file if it does not
// exist.
func Key(umk string) *localfile.Provider {
	return localfile.Open(umk, &localfile.Options{MayCreate: func(context.Context) (bool, error) { return true, nil }})
}

func open(records record.Store, provider keys.Provider, now func() time.Time) Store {
	log := audit.NewLog(records, user, &audit.Options{Now: now})
	return encrypted.New(records, provider, user, log, &encrypted.Options{Now: now})
}

// File returns the harness of stores with a key file. OpenOther uses another
// file.
func File(t *testing.T, records func(*testing.T) record.Store) storetest.Harness {
	dir := t.TempDir()
	of := func(name string) func(*testing.T, record.Store) *localfile.Provider {
		return func(*testing.T, record.Store) *localfile.Provider { return Key(filepath.Join(dir, name)) }
	}
	return harness(records, of("umk.key"), of("other.key"))
}

// KMS returns the harness of stores with keys in KMS. Only the provider differs
// from File. OpenOther uses another KMS key.
func KMS(t *testing.T, records func(*testing.T) record.Store) storetest.Harness {
	client := kmstest.Client(kmstest.Endpoint(t), user)
	of := func(arn string) func(*testing.T, record.Store) *awskms.Provider {
		return func(t *testing.T, records record.Store) *awskms.Provider {
			t.Helper()
			provider, err := awskms.New(arn, client, records, nil)
			if err != nil {
				t.Fatal(err)
			}
			return provider
		}
	}
	h := harness(records, of(kmstest.Key(t)), of(kmstest.Key(t)))
	h.StoredKEK = true
	return h
}

func harness[K keys.Provider](records func(*testing.T) record.Store, own, other func(*testing.T, record.Store) K) storetest.Harness {
	return storetest.Harness{
		Records: records, Encrypted: true,
		Open: func(t *testing.T, r record.Store, now func() time.Time) storetest.Store {
			return open(r, own(t, r), now)
		},
		OpenOther: func(t *testing.T, r record.Store, now func() time.Time) storetest.Store {
			return open(r, other(t, r), now)
		},
		Below: func(t *testing.T, r record.Store, now func() time.Time) record.Store {
			return seal.New(seal.Config{Records: r, Provider: own(t, r), User: user, Log: audit.NewLog(r, user, &audit.Options{Now: now}), Now: now})
		},
	}
}
