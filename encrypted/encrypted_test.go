package encrypted_test

import (
	"context"
	"os"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/importer"
	"github.com/superviber/blue-encrypted-store/internal/shareddata"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
)

func TestImportRecordedSealed(t *testing.T) {
	for _, name := range []string{"supersession", "ukfs", "local-prod-parity", "synthetic-coverage"} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(shareddata.Path(t, "blue", "dialogues", name, "inputs.json"))
			if err != nil {
				t.Fatal(err)
			}
			src, err := importer.ReadOperations(data)
			if err != nil {
				t.Fatal(err)
			}
			records := memory.New()
			provider := localfile.Open(t.TempDir()+"/umk.key", &localfile.Options{MayCreate: func(context.Context) (bool, error) { return true, nil }})
			store := encrypted.New[*memory.Store, keys.Provider](records, provider, "muffin", audit.NewLog(records, "muffin", nil), nil)
			res, err := importer.Run(t.Context(), store, store, src, nil)
			if err != nil {
				t.Fatal(err)
			}
			snap, err := store.Verify(t.Context(), res.Dialogue)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v refused=%v", res.Counts, res.Refused)
			t.Log(len(snap.Experts), len(snap.Perspectives), len(snap.Tensions), len(snap.Refs()), len(snap.Events), len(snap.Moves), snap.Version)
			_ = blue.ErrTampered
		})
	}
}
