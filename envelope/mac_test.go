package envelope_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

func values() *rapid.Generator[record.Value] {
	return rapid.OneOf(
		rapid.Map(rapid.StringN(0, 20, -1), record.S),
		rapid.Map(rapid.Int64(), record.N),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), record.B),
		rapid.Map(rapid.Bool(), record.T),
	)
}

func records() *rapid.Generator[record.Record] {
	return rapid.Custom(func(t *rapid.T) record.Record {
		return record.Record{
			Key:   record.Key{Partition: record.Partition(rapid.StringN(1, 12, -1).Draw(t, "PK")), Item: rapid.StringN(1, 12, -1).Draw(t, "SK")},
			Attrs: rapid.MapOfN(rapid.StringMatching(`[a-zA-Z][a-z_]{0,4}`), values(), 1, 8).Draw(t, "attrs"),
		}
	})
}

// TestItemMACCoversEverything makes one random change to a record. The MAC must
// change, except for attributes that it does not cover.
func TestItemMACCoversEverything(t *testing.T) {
	k := keysOf(t, 1, "a", 1)
	rapid.Check(t, func(t *rapid.T) {
		r := records().Draw(t, "record")
		was := k.ItemMAC(record.Dialogues, r)
		if k.ItemMAC(record.Dialogues, r.Clone()) != was {
			t.Fatal("one record has two MACs")
		}
		names := r.Names()
		name := rapid.SampledFrom(names).Draw(t, "name")
		c, table := r.Clone(), record.Dialogues
		switch rapid.IntRange(0, 6).Draw(t, "change") {
		case 0:
			c.Attrs[name] = values().Filter(func(v record.Value) bool { return !v.Equal(r.Attrs[name]) }).Draw(t, "value")
		case 1:
			delete(c.Attrs, name)
		case 2:
			c.Attrs["zzzzzz"] = values().Draw(t, "added")
		case 3:
			c.Attrs["zzzzzz"] = c.Attrs[name]
			delete(c.Attrs, name)
		case 4:
			c.Key.Partition += "x"
		case 5:
			c.Key.Item = "x" + c.Key.Item
		case 6:
			table = record.Audit
		}
		if k.ItemMAC(table, c) == was {
			t.Fatalf("the MAC does not cover the change to %v in %s, from %v", c, table, r)
		}
		o := r.Clone()
		o.Attrs["item_mac"], o.Attrs["_pending"] = record.B([]byte("any")), record.S("any")
		if k.ItemMAC(record.Dialogues, o) != was {
			t.Fatal("the MAC covers an attribute that it must not cover")
		}
	})
}

// TestItemMACIsItsFormula computes the MAC by the formula of the format.
func TestItemMACIsItsFormula(t *testing.T) {
	key, err := secretOf(t, 1).Derive("blue/1/item/a/1")
	if err != nil {
		t.Fatal(err)
	}
	k := keysOf(t, 1, "a", 1)
	rapid.Check(t, func(t *rapid.T) {
		r := records().Draw(t, "record")
		h := hmac.New(sha256.New, key.InsecureBytes())
		number := func(n int) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) }
		lp := func(b []byte) { number(len(b)); h.Write(b) }
		lp([]byte("blue/1/item"))
		lp([]byte("blue_keys"))
		lp([]byte(r.Key.Partition))
		lp([]byte(r.Key.Item))
		number(len(r.Attrs))
		for _, name := range slices.Sorted(maps.Keys(r.Attrs)) {
			lp([]byte(name))
			h.Write([]byte{byte(r.Attrs[name].Type())})
			lp(r.Attrs[name].Canonical())
		}
		if got := k.ItemMAC(record.Keys, r); !hmac.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("%x differs from the MAC of the formula", got)
		}
	})
}

func TestElementAndTagTakeKeyAndMACTogether(t *testing.T) {
	k, mac := keysOf(t, 1, "a", 1), make([]byte, 32)
	elements, tags := map[[32]byte]bool{}, map[[16]byte]bool{}
	for _, keys := range []*envelope.Keys{k, keysOf(t, 1, "a", 2), keysOf(t, 1, "b", 1), keysOf(t, 2, "a", 1)} {
		for _, sk := range []string{"tension#00#01", "tension#00#02"} {
			for _, m := range [][]byte{mac, flip(mac, 255)} {
				elements[keys.Element(sk, m)] = true
				tags[keys.Tag(sk, m)] = true
			}
		}
	}
	if len(elements) != 16 || len(tags) != 16 {
		t.Errorf("16 inputs gave %d elements and %d tags", len(elements), len(tags))
	}
	for e := range elements {
		if tags[[16]byte(e[:16])] {
			t.Error("a tag is the start of an element")
		}
	}
}
