package encrypted_test

import (
	"errors"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestVerifyNewestEvent edits the newest event of a dialogue and recomputes
// its hash. The event is consistent in itself, and the sealed root names another
// event.
func TestVerifyNewestEvent(t *testing.T) {
	ctx, records := t.Context(), memory.New()
	store := open(records, t.TempDir(), nil)
	defer store.Close()
	if err := dialogue(ctx, store); err != nil {
		t.Fatal(err)
	}
	snapshot, err := store.Verify(ctx, "which-cache")
	if err != nil {
		t.Fatal(err)
	}
	e, err := audit.ReadCommit(ctx, records, "which-cache", snapshot.Version)
	if err != nil {
		t.Fatal(err)
	}
	old := e.Writes(nil)[0].Record
	e.Principal = "somebody"
	e.Close(e.RootHash)
	if !e.IsIntact() {
		t.Fatal("the edited event does not hash to itself")
	}
	if err := records.Commit(ctx, []record.Write{{Table: record.Audit, Record: e.Writes(nil)[0].Record, Prev: old.Attrs}}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Verify(ctx, "which-cache"); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("an edited event passes: %v", err)
	}
	if _, err := store.Load(ctx, "which-cache"); err != nil {
		t.Errorf("a load alone does not read the log: %v", err)
	}
}
