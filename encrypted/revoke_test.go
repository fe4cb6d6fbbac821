package encrypted_test

import (
	"errors"
	"fmt"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// keyRecord reads a record of the dialogue's keys.
func (h *house) keyRecord(sk string) record.Record {
	h.T.Helper()
	r, err := h.Records.Get(h.T.Context(), record.Keys, record.DialogueKey(string(tea), sk))
	if err != nil {
		h.T.Fatal(err)
	}
	return r
}

// lay puts records into the table of keys, or takes them away where they have no
// attributes, as whoever may write that table can.
func (h *house) lay(records ...record.Record) {
	h.T.Helper()
	for _, r := range records {
		w := record.Write{Table: record.Keys, Record: r}
		if there, err := h.Records.Get(h.T.Context(), record.Keys, r.Key); err == nil {
			w.Prev = there.Attrs
		}
		if err := h.Records.Commit(h.T.Context(), []record.Write{w}); err != nil {
			h.T.Fatal(err)
		}
	}
}

// shared is a house whose dialogue bob reads too, and a wrap of his to copy.
func shared(t *testing.T) (h *house, wrap record.Record) {
	h = newHouse(t, memory.New())
	h.Fill(8, 20)
	dialoguetest.Must(t)(h.As("ada").Grant(t.Context(), tea, "bob"))
	return h, h.keyRecord(keys.Binding{User: "bob", Dialogue: string(tea), Version: 1}.SK())
}

// wantOut checks that bob is out, whatever he puts into the table, and that ada
// is not.
func (h *house) wantOut(version uint32, laid ...record.Record) {
	h.T.Helper()
	h.WantVersion(version, "ada")
	dialoguetest.Must(h.T)(h.As("ada").RegisterRound(h.T.Context(), tea, dialoguetest.MovesOf(60, 2, 10)))
	h.lay(laid...)
	if _, err := h.As("bob").Load(h.T.Context(), tea); !errors.Is(err, blue.ErrSealed) {
		h.T.Errorf("bob reads what came after: %v", err)
	}
}

// TestRevokeHidden: a user who has kept their wrap and deleted the record is not
// taken for one who holds nothing.
func TestRevokeHidden(t *testing.T) {
	h, wrap := shared(t)
	h.lay(record.Record{Key: wrap.Key})
	got, err := h.As("ada").Revoke(t.Context(), tea, "bob")
	if err != nil || got.Held || got.To != 2 || got.Items != 7 {
		t.Errorf("Revoke: %+v, %v", got, err)
	}
	h.wantOut(2, wrap)
}

// TestRevokeBlocked: what a user lays in the way of their revocation, with the
// rights that writing and granting take.
func TestRevokeBlocked(t *testing.T) {
	for name, lay := range map[string]func(h *house, wrap record.Record){
		"lines that nobody granted": func(h *house, wrap record.Record) {
			for n := range 200 {
				r := wrap.Clone()
				r.Key.Item = fmt.Sprintf("wrap#0000000001#x%d", n)
				r.Attrs["user"], r.Attrs["proof"] = record.S(fmt.Sprintf("x%d", n)), record.B(make([]byte, 32))
				h.lay(r)
			}
		},
		"a line where the next version goes": func(h *house, wrap record.Record) {
			wrap.Key.Item = "wrap#0000000002#ada"
			h.lay(wrap)
		},
		"many lines of versions to come": func(h *house, wrap record.Record) {
			for n := range 200 {
				wrap.Key.Item = fmt.Sprintf("wrap#%010d#bob", 5+n)
				h.lay(wrap)
			}
		},
		"another active version": func(h *house, wrap record.Record) {
			head := h.keyRecord("head")
			head.Attrs["active_version"] = record.N(2)
			wrap.Key.Item = "wrap#0000000002#ada"
			h.lay(head, wrap)
		},
		"a version of his own": func(h *house, _ record.Record) { h.plant(2, "ada", "bob") },
		"another active version, and none of it": func(h *house, _ record.Record) {
			head := h.keyRecord("head")
			head.Attrs["active_version"] = record.N(900)
			h.lay(head)
		},
		"links that lead nowhere": func(h *house, _ record.Record) {
			head := h.keyRecord("head")
			head.Attrs["links"] = record.B(make([]byte, 17))
			h.lay(head)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, wrap := shared(t)
			lay(h, wrap.Clone())
			if got, err := h.As("ada").Revoke(t.Context(), tea, "bob"); err != nil || got.To != 2 {
				t.Fatalf("Revoke: %+v, %v", got, err)
			}
			h.wantOut(2, wrap)
		})
	}
}

// TestRevokeReplaced: bob, who still holds version 1, replaces version 2 the
// moment it is made by one of his own, endorsed as only a holder can, before
// anything is sealed under it. Nothing is: the revocation fails, and made again
// it leaves him out.
func TestRevokeReplaced(t *testing.T) {
	h, wrap := shared(t)
	ctx := t.Context()
	provider := localfile.Open(h.UMK, nil)
	umk, err := provider.UMK(ctx)
	check(t, err)
	kek, err := provider.DeriveKEK(ctx, umk, "bob")
	check(t, err)
	first, err := provider.UnwrapDEK(ctx, kek, keys.Binding{User: "bob", Dialogue: string(tea), Version: 1}, wrap.Attrs["wrapped"].Bin())
	check(t, err)
	holder, err := envelope.DeriveKeys(first, string(tea), 1)
	check(t, err)

	replace := func() {
		h.plant(2, "ada", "bob")
		secret := h.planted
		own, err := envelope.DeriveKeys(secret, string(tea), 2)
		check(t, err)
		public, err := own.Public()
		check(t, err)
		signature, err := holder.Endorse(public)
		check(t, err)
		head := h.keyRecord("head")
		head.Attrs["links"] = record.B(append(public[:], signature[:]...))
		h.lay(head)
	}
	met := &interloper{Store: h.Records, when: func(call string, table record.Table, key record.Key) bool {
		return call == "Get" && table == record.Keys && key.Item == "head" && h.keyRecord("head").Attrs["active_version"].Int() == 2
	}, meets: replace}
	if got, err := h.Over(met, "ada").Revoke(ctx, tea, "bob"); !errors.Is(err, blue.ErrTampered) || got.Items != 0 {
		t.Errorf("under another version 2: %+v, %v", got, err)
	}
	if got, err := h.As("ada").Revoke(ctx, tea, "bob"); err != nil || got.To != 3 {
		t.Errorf("again: %+v, %v", got, err)
	}
	h.wantOut(3, wrap)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
