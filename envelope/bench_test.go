package envelope_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// sealedItems returns n sealed items of about 600 bytes.
func sealedItems(tb testing.TB, k *envelope.Keys, n int) ([]envelope.Address, []record.Record) {
	tb.Helper()
	payload := []byte(`{"content":"` + strings.Repeat("x", 586) + `"}`)
	addrs, records := make([]envelope.Address, n), make([]record.Record, n)
	for i := range n {
		sk := fmt.Sprintf("tension#%02d#%02d", i/99, i%99+1)
		addrs[i] = addressOf(tb, "storage-choice", sk)
		ciphertext, nonce, err := k.Seal(addrs[i], payload)
		if err != nil {
			tb.Fatal(err)
		}
		records[i] = record.Record{Key: record.Key{Partition: "dialogue#storage-choice", Item: sk}, Attrs: record.Attrs{
			"entity_type": record.S("tension"), "status": record.S("open"),
			"created_at": record.S("2026-03-01T09:30:00.000000000Z"), "updated_at": record.S("2026-03-01T09:30:00.000000000Z"),
			"GSI2PK": record.S("tension_status#open"), "GSI2SK": record.S("storage-choice#T0001"),
			"content_encrypted": record.B(ciphertext), "content_nonce": record.B(nonce),
			"key_id": record.S(k.ID()), "aad_hash": record.S(addrs[i].Hash()),
		}}
	}
	return addrs, records
}

func BenchmarkSealOpen(b *testing.B) {
	k := keysOf(b, 1, "storage-choice", 1)
	addrs, records := sealedItems(b, k, 1000)
	payload, err := k.Open(addrs[0], records[0].Attrs["content_encrypted"].Bin(), records[0].Attrs["content_nonce"].Bin())
	if err != nil || len(payload) != 600 {
		b.Fatalf("the payload has %d bytes: %v", len(payload), err)
	}
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(600)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := k.Seal(addrs[0], payload); err != nil {
				b.Fatal(err)
			}
		}
	})
	open := func(b *testing.B, i int) {
		if _, err := k.Open(addrs[i], records[i].Attrs["content_encrypted"].Bin(), records[i].Attrs["content_nonce"].Bin()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("open", func(b *testing.B) {
		b.SetBytes(600)
		b.ReportAllocs()
		for b.Loop() {
			open(b, 0)
		}
	})
	b.Run("mac", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.ItemMAC(record.Dialogues, records[0])
		}
	})
	b.Run("load1000", func(b *testing.B) { // MAC, element and payload of 1,000 items
		b.ReportAllocs()
		for b.Loop() {
			var sum envelope.Sum
			for i := range records {
				mac := k.ItemMAC(record.Dialogues, records[i])
				sum.Add(k.Element(records[i].Key.Item, mac[:]))
				open(b, i)
			}
		}
	})
	b.Run("derive", func(b *testing.B) {
		r := secretOf(b, 1)
		for b.Loop() {
			if _, err := envelope.DeriveKeys(r, "storage-choice", 1); err != nil {
				b.Fatal(err)
			}
		}
	})
}
