package copier_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/internal/copier"
	"github.com/superviber/blue-encrypted-store/internal/importer"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
	"github.com/superviber/blue-encrypted-store/view"
)

func openSQLite(t *testing.T) record.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// openDynamo opens new tables in DynamoDB Local.
func openDynamo(t *testing.T) record.Store {
	t.Helper()
	c := dynamo.Config{Endpoint: localtest.Endpoint(t), Prefix: "copier-" + uuid.Must(uuid.NewV4()).String() + "-"}
	admin, err := tables.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := dynamo.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestRecorded imports the project's own dialogues and the recorded ones into
// SQLite, and copies them to a second store and from there to a third. The exports
// and all items must be equal, item_mac included.
func TestRecorded(t *testing.T) {
	for name, between := range map[string]func(*testing.T) record.Store{
		"memory":   func(*testing.T) record.Store { return memory.New() },
		"dynamodb": openDynamo,
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range fixtures.Dialogues() {
				t.Run(r, func(t *testing.T) {
					path := fixtures.Dialogue(t, r, "inputs.json")
					thereAndBack(newFixture(t), path, between(t))
				})
			}
		})
	}
}

func thereAndBack(w fixture, path string, between record.Store) {
	w.Helper()
	first, last := openSQLite(w.T), openSQLite(w.T)
	data, err := os.ReadFile(path)
	w.ok(err)
	src, err := importer.ReadOperations(data)
	w.ok(err)
	imported, err := importer.Run(w.Context(), w.open(first), src, nil)
	w.ok(err)
	id := imported.Dialogue
	stores := []record.Store{first, between, last}
	for i, to := range stores[1:] {
		c := &copier.Copier{From: stores[i], To: to, Log: audit.NewLog(to, "muffin", nil)}
		got, err := c.Copy(w.Context(), id)
		w.ok(err)
		w.Logf("%+v", got)
	}
	want, items := w.export(first, id), w.items(first, id)
	for _, s := range stores[1:] {
		if !bytes.Equal(w.export(s, id), want) {
			w.Error("the exports differ")
		}
		have := w.items(s, id)
		if len(have) != len(items) {
			w.Fatalf("%d items; want %d", len(have), len(items))
		}
		for i, r := range have {
			if !bytes.Equal(r.Attrs["item_mac"].Bin(), items[i].Attrs["item_mac"].Bin()) || !r.Equal(items[i]) {
				w.Errorf("%s differs", r.Key.Item)
			}
		}
	}
	w.Logf("%s: %d items, an export of %d bytes, equal in three stores", id, len(items), len(want))
}

func (w fixture) export(s record.Store, id blue.DialogueID) []byte {
	w.Helper()
	snapshot, err := w.open(s).Verify(w.Context(), id)
	w.ok(err)
	var b bytes.Buffer
	w.ok(view.WriteExport(&b, snapshot, time.Unix(0, 0).UTC()))
	return b.Bytes()
}

func (w fixture) items(s record.Store, id blue.DialogueID) []record.Record {
	w.Helper()
	items, err := s.Query(w.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	w.ok(err)
	return items
}
