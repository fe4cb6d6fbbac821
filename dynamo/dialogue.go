package dynamo

import (
	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/engine"
)

// DialogueStore is an unsealed dialogue store in DynamoDB tables.
type DialogueStore struct{ *engine.Store }

var (
	_ blue.DialogueStore  = (*DialogueStore)(nil)
	_ blue.AnalyticsStore = (*DialogueStore)(nil)
)

// NewDialogueStore returns the engine over a DynamoDB store, which it does not
// close.
func NewDialogueStore(records *Store) *DialogueStore {
	return &DialogueStore{engine.New(records, nil)}
}
