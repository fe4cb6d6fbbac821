package memory

import (
	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/engine"
)

// DialogueStore is an unsealed dialogue store in memory.
type DialogueStore struct{ *engine.Store }

var (
	_ blue.DialogueStore  = (*DialogueStore)(nil)
	_ blue.AnalyticsStore = (*DialogueStore)(nil)
)

// NewDialogueStore returns the engine over a memory store.
func NewDialogueStore(records *Store) *DialogueStore {
	return &DialogueStore{engine.New(records, nil)}
}
