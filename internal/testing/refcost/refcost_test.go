// Package refcost measures the two ways to store references: inline in their
// source's sealed payload, or as separate items.
//
// It measures the project's own dialogues and the recorded ones. The tables are
// in docs/decisions/0002-references-inline.md. The test checks them, and -update
// writes them. The package has only the test.
package refcost

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/internal/importer"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

var update = flag.Bool("update", false, "renew the table in the decision record")

const (
	decision = "../../../docs/decisions/0002-references-inline.md"
	end      = "<!-- end of table -->\n"
)

// cost is the cost of one layout of one dialogue.
type cost struct {
	items, bytes int
	readUnits    int // one strongly consistent Query of all items: a unit for each 4 KB, rounded up
	writeUnits   int // each item written once in a transaction: 2 units for each 1 KB, rounded up per item
	edges        int // references that any reader of the table sees
	largestRound int // items of the largest round-register
}

func (c *cost) add(r record.Record) {
	size := r.Size()
	c.items++
	c.bytes += size
	c.writeUnits += 2 * ((size + 1023) / 1024)
}

func TestReferencesInlineOrItems(t *testing.T) {
	t.Run("own", func(t *testing.T) {
		tableOf(t, "<!-- table: internal/testing/refcost, own dialogues -->\n", fixtures.Own())
	})
	t.Run("recorded", func(t *testing.T) { tableOf(t, "<!-- table: internal/testing/refcost -->\n", fixtures.Recorded()) })
}

// tableOf measures the dialogues and compares with the table that follows begin.
func tableOf(t *testing.T, begin string, dialogues []string) {
	var b strings.Builder
	b.WriteString("| dialogue | references | layout | items | bytes | read units | write units | items in the largest round | edges an observer sees |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range dialogues {
		records, refs := plainRecords(t, name)
		inline, items := measure(t, records, refs)
		for _, row := range []struct {
			layout string
			c      cost
		}{{"inline", inline}, {"items", items}} {
			fmt.Fprintf(&b, "| %s | %d | %s | %d | %d | %d | %d | %d | %d |\n",
				name, len(refs), row.layout, row.c.items, row.c.bytes, row.c.readUnits, row.c.writeUnits, row.c.largestRound, row.c.edges)
		}
		if inline.writeUnits > items.writeUnits || inline.readUnits > items.readUnits || inline.edges > 0 {
			t.Errorf("%s: inline is no longer the cheaper layout: %+v and %+v", name, inline, items)
		}
	}
	compare(t, begin, b.String())
}

// plainRecords imports a dialogue and returns the records that the engine
// writes, unsealed.
func plainRecords(t *testing.T, name string) ([]record.Record, []blue.Ref) {
	t.Helper()
	data, err := os.ReadFile(fixtures.Dialogue(t, name, "inputs.json"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := importer.ReadOperations(data)
	if err != nil {
		t.Fatal(err)
	}
	records := memory.New()
	// A time with nine digits, because a time that ends in zeros has a shorter
	// text.
	now := time.Date(2027, 1, 4, 9, 0, 0, 123456789, time.UTC)
	store := engine.New(records, func() time.Time { now = now.Add(time.Second); return now })
	result, err := importer.Run(t.Context(), store, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := records.Query(t.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(result.Dialogue))})
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := store.Load(t.Context(), result.Dialogue)
	if err != nil {
		t.Fatal(err)
	}
	return all, snapshot.Refs()
}

// measure seals both layouts and adds up their sizes.
func measure(t *testing.T, records []record.Record, refs []blue.Ref) (inline, items cost) {
	t.Helper()
	secret := envelope.GenerateSecret()
	dialogue := strings.TrimPrefix(string(records[0].Key.Partition), "dialogue#")
	keys, err := envelope.DeriveKeys(secret, dialogue, 1)
	if err != nil {
		t.Fatal(err)
	}
	perRound := map[string]int{}
	for _, r := range records {
		inline.add(seal(t, keys, dialogue, r))
		items.add(seal(t, keys, dialogue, withoutReferences(t, r)))
		if parts := strings.Split(r.Key.Item, "#"); len(parts) == 3 {
			perRound[parts[1]]++
		} else if parts[0] == "event" {
			perRound[fmt.Sprintf("%02d", r.Attrs["event_round"].Int())]++
		}
	}
	refsOf := map[string]int{}
	for _, ref := range refs {
		items.add(seal(t, keys, dialogue, refItem(dialogue, ref)))
		refsOf[fmt.Sprintf("%02d", ref.Source.Round)]++
	}
	items.edges = len(refs)
	for round, n := range perRound {
		inline.largestRound = max(inline.largestRound, n)
		items.largestRound = max(items.largestRound, n+refsOf[round])
	}
	for _, c := range []*cost{&inline, &items} {
		c.readUnits = (c.bytes + 4095) / 4096
	}
	return inline, items
}

// withoutReferences removes the references from a record's payload.
func withoutReferences(t *testing.T, r record.Record) record.Record {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(r.Attrs["content"].Bin(), &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "references")
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	r = r.Clone()
	r.Attrs["content"] = record.B(text)
	return r
}

// refItem returns a reference in the form of the RFC: no payload, four clear
// attributes.
func refItem(dialogue string, ref blue.Ref) record.Record {
	return record.Record{
		Key: record.DialogueKey(dialogue, fmt.Sprintf("ref#%s#%s#%s", ref.Source, ref.Type, ref.Target)),
		Attrs: record.Attrs{
			"entity_type": record.S("ref"), "source_type": record.S(string(ref.Source.Kind)), "target_type": record.S(string(ref.Target.Kind)),
			"ref_type": record.S(string(ref.Type)), "created_at": record.S("2026-01-01T00:00:00.000000000Z"),
		},
	}
}

// seal encrypts a record as the sealed store does.
func seal(t *testing.T, keys *envelope.Keys, dialogue string, r record.Record) record.Record {
	t.Helper()
	addr, err := envelope.ItemAddress(dialogue, r.Key.Item)
	if err != nil {
		t.Fatal(err)
	}
	r = r.Clone()
	if content, ok := r.Attrs["content"]; ok {
		ciphertext, nonce, err := keys.Seal(addr, content.Bin())
		if err != nil {
			t.Fatal(err)
		}
		delete(r.Attrs, "content")
		r.Attrs["content_encrypted"], r.Attrs["content_nonce"] = record.B(ciphertext), record.B(nonce)
	}
	r.Attrs["key_id"], r.Attrs["aad_hash"] = record.S(keys.ID()), record.S(addr.Hash())
	mac := keys.ItemMAC(record.Dialogues, r)
	r.Attrs["item_mac"] = record.B(mac[:])
	return r
}

// compare compares the table with the decision record.
func compare(t *testing.T, begin, table string) {
	t.Helper()
	text, err := os.ReadFile(decision)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(text), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no table between %q and %q", decision, begin, end)
	}
	if *update {
		if err := os.WriteFile(decision, []byte(head+begin+table+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != table {
		t.Errorf("the table of %s differs from the measured one (-update writes it):\n%s", decision, table)
	}
}
