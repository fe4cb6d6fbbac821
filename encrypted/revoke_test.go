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
func (h *fixture) keyRecord(sk string) record.Record {
	h.T.Helper()
	r, err := h.Records.Get(h.T.Context(), record.Keys, record.DialogueKey(string(tea), sk))
	if err != nil {
		h.T.Fatal(err)
	}
	return r
}

// putKeys puts records into table Keys, and deletes records without attributes,
// as every user with write access to that table can.
func (h *fixture) putKeys(records ...record.Record) {
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

// shared returns a fixture whose dialogue bob can read too, and a wrap of bob to
// copy.
func sharedFixture(t *testing.T) (h *fixture, wrap record.Record) {
	h = newFixture(t, memory.New())
	h.Fill(8, 20)
	dialoguetest.Must(t)(h.As("ada").Grant(t.Context(), tea, "bob"))
	return h, h.keyRecord(keys.Binding{User: "bob", Dialogue: string(tea), Version: 1}.SK())
}

// wantRevoked checks that bob has no access, also with the given records in table
// Keys, and that ada has access.
func (h *fixture) wantRevoked(version uint32, laid ...record.Record) {
	h.T.Helper()
	h.WantVersion(version, "ada")
	dialoguetest.Must(h.T)(h.As("ada").RegisterRound(h.T.Context(), tea, dialoguetest.MovesOf(60, 2, 10)))
	h.putKeys(laid...)
	if _, err := h.As("bob").Load(h.T.Context(), tea); !errors.Is(err, blue.ErrSealed) {
		h.T.Errorf("bob reads what came after: %v", err)
	}
}

// TestRevokeHidden: a user who deleted their wrap from the store and kept a copy
// is revoked too.
func TestRevokeHidden(t *testing.T) {
	h, wrap := sharedFixture(t)
	h.putKeys(record.Record{Key: wrap.Key})
	got, err := h.As("ada").Revoke(t.Context(), tea, "bob")
	if err != nil || got.Held || got.To != 2 || got.Items != 7 {
		t.Errorf("Revoke: %+v, %v", got, err)
	}
	h.wantRevoked(2, wrap)
}

// TestRevokeBlocked: a user tries to prevent their revocation by records in table
// Keys, with the permissions that writing and granting need.
func TestRevokeBlocked(t *testing.T) {
	for name, lay := range map[string]func(h *fixture, wrap record.Record){
		"wraps without a grant": func(h *fixture, wrap record.Record) {
			for n := range 200 {
				r := wrap.Clone()
				r.Key.Item = fmt.Sprintf("wrap#0000000001#x%d", n)
				r.Attrs["user"], r.Attrs["proof"] = record.S(fmt.Sprintf("x%d", n)), record.B(make([]byte, 32))
				h.putKeys(r)
			}
		},
		"a line where the next version goes": func(h *fixture, wrap record.Record) {
			wrap.Key.Item = "wrap#0000000002#ada"
			h.putKeys(wrap)
		},
		"many lines of versions to come": func(h *fixture, wrap record.Record) {
			for n := range 200 {
				wrap.Key.Item = fmt.Sprintf("wrap#%010d#bob", 5+n)
				h.putKeys(wrap)
			}
		},
		"another active version": func(h *fixture, wrap record.Record) {
			head := h.keyRecord("head")
			head.Attrs["active_version"] = record.N(2)
			wrap.Key.Item = "wrap#0000000002#ada"
			h.putKeys(head, wrap)
		},
		"a version of his own": func(h *fixture, _ record.Record) { h.plant(2, "ada", "bob") },
		"another active version, and none of it": func(h *fixture, _ record.Record) {
			head := h.keyRecord("head")
			head.Attrs["active_version"] = record.N(900)
			h.putKeys(head)
		},
		"links that lead nowhere": func(h *fixture, _ record.Record) {
			head := h.keyRecord("head")
			head.Attrs["links"] = record.B(make([]byte, 17))
			h.putKeys(head)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, wrap := sharedFixture(t)
			lay(h, wrap.Clone())
			if got, err := h.As("ada").Revoke(t.Context(), tea, "bob"); err != nil || got.To != 2 {
				t.Fatalf("Revoke: %+v, %v", got, err)
			}
			h.wantRevoked(2, wrap)
		})
	}
}

// TestRevokeReplaced: bob still holds version 1. At the moment when version 2 is
// made, he replaces it by a version of his own, signed as only a holder can.
// Nothing is encrypted under it: the revocation fails, and the next revocation
// succeeds.
func TestRevokeReplaced(t *testing.T) {
	h, wrap := sharedFixture(t)
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
		h.putKeys(head)
	}
	met := &interceptor{Store: h.Records, when: func(call string, table record.Table, key record.Key) bool {
		return call == "Get" && table == record.Keys && key.Item == "head" && h.keyRecord("head").Attrs["active_version"].Int() == 2
	}, meets: replace}
	if got, err := h.Over(met, "ada").Revoke(ctx, tea, "bob"); !errors.Is(err, blue.ErrTampered) || got.Items != 0 {
		t.Errorf("under another version 2: %+v, %v", got, err)
	}
	if got, err := h.As("ada").Revoke(ctx, tea, "bob"); err != nil || got.To != 3 {
		t.Errorf("again: %+v, %v", got, err)
	}
	h.wantRevoked(3, wrap)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
