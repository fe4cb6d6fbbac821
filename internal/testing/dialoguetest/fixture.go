// Package dialoguetest keeps one small dialogue in an encrypted store, for the
// tests of several packages.
//
// It has the store, what an attacker with access to the tables can do to it,
// record stores that stop or record what passes, and a search in files. Sealed
// stores for the suite of storetest are in internal/testing/sealedtest.
package dialoguetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// Tea is the id of the dialogue.
const Tea = blue.DialogueID("tea")

// A Fixture is a record store and a key file. As opens them like a process of a
// user.
type Fixture struct {
	T           testing.TB
	Records     record.Store
	UMK         string // path of the key file
	RotateAfter uint64 // encrypted.Options.RotateAfter
}

// New returns a Fixture over records with a key file of its own.
func New(t testing.TB, records record.Store) *Fixture {
	return &Fixture{T: t, Records: records, UMK: filepath.Join(t.TempDir(), "umk.key")}
}

// OpenSQLite returns an empty SQLite store, closed when the test ends.
func OpenSQLite(t testing.TB) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Backends are the record stores that the main tests run on.
var Backends = map[string]func(t *testing.T) record.Store{
	"memory":   func(*testing.T) record.Store { return memory.New() },
	"SQLite":   func(t *testing.T) record.Store { return OpenSQLite(t) },
	"DynamoDB": func(t *testing.T) record.Store { return dynamotest.Store(t) },
}

// As opens the store as a user.
func (f *Fixture) As(user string) *encrypted.Store { return f.Over(f.Records, user) }

// Over opens the store as a user, over other records.
func (f *Fixture) Over(records record.Store, user string) *encrypted.Store {
	log := audit.NewLog(records, user, nil)
	s := encrypted.New(records, sealedtest.Key(f.UMK), user, log, &encrypted.Options{RotateAfter: f.RotateAfter})
	f.T.Cleanup(func() { s.Close() })
	return s
}

// Fill makes the dialogue with this number of items, meta included. They are
// rounds, and moves whose texts have the given size.
func (f *Fixture) Fill(items, text int) {
	f.T.Helper()
	ctx, s := f.T.Context(), f.As("ada")
	Must(f.T)(s.Create(ctx, Tea, blue.NewDialogue{Title: "Tea?", Question: "When?"}))
	for round, left := blue.Round(0), items-1; left > 0; round++ {
		n := min(90, left-1)
		left -= n + 1
		Must(f.T)(s.RegisterRound(ctx, Tea, MovesOf(round, n, text)))
	}
}

// MovesOf returns a round of n moves: n+1 items.
func MovesOf(round blue.Round, n, text int) blue.RoundBatch {
	b := blue.RoundBatch{Round: round, Score: 1}
	for i := range n {
		b.Moves = append(b.Moves, blue.MoveDraft{Expert: "Muffin", Type: "defend", Targets: []string{"P0001"}, Context: fmt.Sprintf("%04d ", i) + strings.Repeat("x", text)})
	}
	return b
}

// Must returns a function that fails the test on an error.
func Must(t testing.TB) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Items returns the stored items of the dialogue by sort key.
func (f *Fixture) Items() map[string]record.Record {
	f.T.Helper()
	all, err := f.Records.Query(f.T.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(Tea))})
	if err != nil {
		f.T.Fatal(err)
	}
	m := make(map[string]record.Record, len(all))
	for _, r := range all {
		m[r.Key.Item] = r
	}
	return m
}

// Put replaces items, as an attacker with access to the table can.
func (f *Fixture) Put(items ...record.Record) {
	f.T.Helper()
	writes := []record.Write{{Table: record.Dialogues, Record: f.Items()[record.Meta], Prev: record.Attrs{}}}
	for _, r := range items {
		if r.Key.Item == record.Meta {
			writes[0].Record = r
			continue
		}
		writes = append(writes, record.Write{Table: record.Dialogues, Record: r, Prev: record.Attrs{}})
	}
	if err := f.Records.Commit(f.T.Context(), writes); err != nil {
		f.T.Fatal(err)
	}
}

// KeysOf returns the records of a partition of table Keys.
func (f *Fixture) KeysOf(pk record.Partition) []record.Record {
	f.T.Helper()
	all, err := f.Records.Query(f.T.Context(), record.Query{Table: record.Keys, Partition: pk})
	if err != nil {
		f.T.Fatal(err)
	}
	return all
}

// Wraps returns the wrapped keys of a partition of table Keys by sort key.
func (f *Fixture) Wraps(pk record.Partition) map[string][]byte {
	f.T.Helper()
	all := map[string][]byte{}
	for _, r := range f.KeysOf(pk) {
		if w := r.Attrs["wrapped"].Bin(); len(w) > 0 {
			all[r.Key.Item] = w
		}
	}
	return all
}

// TextOf verifies the dialogue and returns its text for a reader, without the
// version.
func TextOf(t testing.TB, s interface {
	Verify(context.Context, blue.DialogueID) (*blue.Snapshot, error)
}) string {
	t.Helper()
	snapshot, err := s.Verify(t.Context(), Tea)
	if err != nil {
		t.Fatal(err)
	}
	snapshot.Version = 0
	text, err := json.Marshal(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// WantVersion checks that all items are under one key version, that the only
// wraps are the ones of that version for these users, and that the dialogue
// verifies.
func (f *Fixture) WantVersion(version uint32, users ...string) {
	f.T.Helper()
	s := f.As("ada")
	Must(f.T)(s.Verify(f.T.Context(), Tea))
	st, err := s.KeyStatus(f.T.Context(), Tea)
	if err != nil {
		f.T.Fatal(err)
	}
	if want := map[uint32]int{version: len(f.Items())}; !maps.Equal(st.Items, want) {
		f.T.Errorf("items by key version are %v; want %v", st.Items, want)
	}
	if st.Active != version || len(st.Versions) != 1 || st.Versions[0].Version != version || !slices.Equal(st.Users(), users) {
		f.T.Errorf("keys are %+v; want version %d alone, of %v", st.Status, version, users)
	}
	if r := RootOf(f.T, s, Tea); r.ActiveKey != version || r.LeastKey != version {
		f.T.Errorf("the root has active key %d, least key %d; want %d", r.ActiveKey, r.LeastKey, version)
	}
}

// A Root contains the fields about keys in the sealed root of a dialogue.
type Root struct {
	ActiveKey uint32 `json:"active_key"`
	LeastKey  uint32 `json:"least_key"`
	Messages  uint64 `json:"messages"`
}

// RootOf decrypts the root of a dialogue as docs/format.md describes it.
func RootOf(t testing.TB, s *encrypted.Store, id blue.DialogueID) (r Root) {
	t.Helper()
	meta, err := s.Records().Get(t.Context(), record.Dialogues, record.MetaKey(string(id)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := seal.Of(s).Ring.Open(t.Context(), meta.Attrs["key_id"].Str())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Destroy()
	addr, err := envelope.ItemAddress(string(id), record.Meta)
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.OpenRoot(addr, uint64(meta.Attrs["root_version"].Int()), meta.Attrs["root_sealed"].Bin())
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
