// Package plain opens a dialogue store without encryption over any record
// store. Everything that is stored can be read by every reader of the records.
//
// Encrypted stores are in package encrypted. The record stores are in memory,
// sqlite and dynamo.
package plain

import (
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/record"
)

// Store is an unsealed dialogue store. It may be used concurrently.
type Store interface {
	blue.DialogueStore
	blue.AnalyticsStore
}

// New returns a store over records, which the caller closes. now is the clock
// of the stored times; nil means time.Now.
func New(records record.Store, now func() time.Time) Store {
	return engine.New(records, now)
}
