package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/demo"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/importer"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// tester is the user of the stores that tests open themselves.
const tester = "tester"

// opened is a store opened in this process, as the program opens it.
type opened struct {
	home     string
	records  *sqlite.Store
	provider *localfile.Provider
	store    *encrypted.Store
}

// openStore opens the sealed store below a home. A nil now is time.Now.
func openStore(t testing.TB, home string, now func() time.Time) *opened {
	t.Helper()
	path := filepath.Join(home, "db", "blue.db")
	records, err := sqlite.Open(t.Context(), path, &sqlite.Options{Views: engine.Views()})
	if err != nil {
		t.Fatal(err)
	}
	provider := localfile.Open(filepath.Join(home, "keys", "umk.key"), &localfile.Options{MayCreate: records.IsEmpty})
	log := audit.NewLog(records, tester, &audit.Options{Now: now})
	o := &opened{home: home, records: records, provider: provider}
	o.store = encrypted.New(records, provider, tester, log,
		&encrypted.Options{Now: now, Freshness: freshness.Dir(filepath.Join(home, "heads", "here"))})
	t.Cleanup(o.close)
	return o
}

func (o *opened) close() {
	o.store.Close()
	o.records.Close()
}

// sourceSet is a list of dialogues for a campaign. The figures of a campaign
// count the recorded set, which is larger.
type sourceSet struct {
	name     string
	sources  func(testing.TB) []*importer.Source
	isFigure bool
	closed   int // minimum size of the closed database in bytes
}

// report reports the counts of a campaign.
func (s sourceSet) report(t testing.TB, name string, counts any) {
	t.Helper()
	if s.isFigure {
		campaigntest.Figures(t, name, counts)
		return
	}
	t.Logf("%s: %+v", name, counts)
}

// sourceSets returns the demo with the project's own dialogues in both forms. It
// adds the demo with the recorded dialogues, which can be absent.
var sourceSets = []sourceSet{{"own", ownSources, false, 512 << 10}, {"recorded", recordedSources, true, 1 << 20}}

func ownSources(t testing.TB) []*importer.Source {
	t.Helper()
	all := readOperations(t, fixtures.Own())
	for _, name := range []string{fixtures.NightBus, fixtures.LibraryHours} {
		src, err := importer.ReadFolder(os.DirFS(fixtures.Dialogue(t, name, "source")))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, src)
	}
	return all
}

func recordedSources(t testing.TB) []*importer.Source {
	t.Helper()
	return readOperations(t, fixtures.Recorded())
}

// readOperations reads the demo and the named dialogues.
func readOperations(t testing.TB, names []string) []*importer.Source {
	t.Helper()
	src, err := importer.ReadFolder(demo.FS())
	if err != nil {
		t.Fatal(err)
	}
	all := []*importer.Source{src}
	for _, name := range names {
		text, err := os.ReadFile(fixtures.Dialogue(t, name, "inputs.json"))
		if err != nil {
			t.Fatal(err)
		}
		if src, err = importer.ReadOperations(text); err != nil {
			t.Fatal(err)
		}
		all = append(all, src)
	}
	return all
}

// importAll imports the sources and returns the loaded dialogues.
func importAll(t testing.TB, store blue.DialogueStore, sources []*importer.Source) []*blue.Snapshot {
	t.Helper()
	var all []*blue.Snapshot
	for _, src := range sources {
		res, err := importer.Run(t.Context(), store, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Load(t.Context(), res.Dialogue)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// partition returns the sealed records of a dialogue as they are stored.
func (o *opened) partition(t testing.TB, id blue.DialogueID) []record.Record {
	t.Helper()
	items, err := o.records.Query(t.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		t.Fatal(err)
	}
	return items
}

// payload opens one stored record with Go's envelope. It returns nil if the
// record has no payload.
func (o *opened) payload(t testing.TB, id blue.DialogueID, r record.Record) []byte {
	t.Helper()
	sealed, ok := r.Attrs["content_encrypted"]
	if !ok {
		return nil
	}
	ring := keys.NewRing(o.records, o.provider, tester, nil)
	defer ring.Close()
	k, err := ring.Open(t.Context(), r.Attrs["key_id"].Str())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Destroy()
	addr, err := envelope.ItemAddress(string(id), r.Key.Item)
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.Open(addr, sealed.Bin(), r.Attrs["content_nonce"].Bin())
	if err != nil {
		t.Fatalf("%s %s: %v", id, r.Key.Item, err)
	}
	return text
}

// dek derives a data key from the key file and the stored wrap, as
// docs/format.md describes it. The program has no command that prints one.
func (o *opened) dek(ctx context.Context, id blue.DialogueID, version uint32) ([]byte, error) {
	wraps, err := o.records.Query(ctx, record.Query{Table: record.Keys, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		return nil, err
	}
	umk, err := o.provider.UMK(ctx)
	if err != nil {
		return nil, err
	}
	kek, err := o.provider.DeriveKEK(ctx, umk, tester)
	if err != nil {
		return nil, err
	}
	for _, w := range wraps {
		if w.Key.Item != fmt.Sprintf("wrap#%010d#%s", version, tester) {
			continue
		}
		b := keys.Binding{User: tester, Dialogue: string(id), Version: version}
		secret, err := o.provider.UnwrapDEK(ctx, kek, b, w.Attrs["wrapped"].Bin())
		if err != nil {
			return nil, err
		}
		dek, err := secret.Derive(fmt.Sprintf("blue/1/dek/%s/%d", id, version))
		if err != nil {
			return nil, err
		}
		return dek.InsecureBytes(), nil
	}
	return nil, errors.New("there is no wrap")
}

// compact returns a JSON value with sorted members and one spelling of
// fractions, for comparison. Whole numbers do not change.
func compact(t testing.TB, text []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(fractions(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func fractions(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
	case []any:
		for i := range v {
			v[i] = fractions(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = fractions(v[name])
		}
	}
	return v
}
