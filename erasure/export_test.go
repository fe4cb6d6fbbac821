package erasure

import (
	"context"
	"iter"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/seal"
)

// EraseDialogue, EraseUser and ForgetUser are the steps of a Service without the
// certificate.

func EraseDialogue(ctx context.Context, store *encrypted.Store, id blue.DialogueID) (DialogueReport, error) {
	return eraseDialogue(ctx, seal.Of(store), id, "")
}

func EraseUser(ctx context.Context, store *encrypted.Store, user string, dialogues iter.Seq2[blue.DialogueID, error]) (UserReport, error) {
	return New(store, Options{}).eraseUser(ctx, user, dialogues)
}

func ForgetUser(ctx context.Context, store *encrypted.Store, user string) error {
	return New(store, Options{}).forgetUser(ctx, user)
}

// DialoguesOf lists the dialogues of a store.
var DialoguesOf = dialoguesOf
