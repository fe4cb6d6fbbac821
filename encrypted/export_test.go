package encrypted

import (
	"context"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// Root returns what the sealed root says of keys: active and least version, and
// the messages under the active one.
func (e *EncryptedStore[S, K]) Root(t testing.TB, id blue.DialogueID) (active, least uint32, messages uint64) {
	t.Helper()
	ctx, s := context.Background(), e.sealing
	meta, err := s.inner.Get(ctx, record.Dialogues, record.MetaKey(string(id)))
	if err != nil {
		t.Fatal(err)
	}
	ks := newKeyset(s.ring)
	defer ks.destroy()
	k, err := ks.get(ctx, meta.Attrs[attrKeyID].Str())
	if err != nil {
		t.Fatal(err)
	}
	r, err := openRoot(k, string(id), meta.Attrs)
	if err != nil {
		t.Fatal(err)
	}
	return r.ActiveKey, r.LeastKey, r.Messages
}
