package encrypted_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestPlantedVersion: a user can write table Keys and wrap keys for other users,
// as a grant does, and holds no key of the dialogue. This user plants a version
// whose secret they know. The store encrypts nothing under it.
func TestPlantedVersion(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(5, 20)
	ctx, ada := t.Context(), h.As("ada")
	if granted, err := ada.Grant(ctx, tea, "bob"); err != nil || !granted {
		t.Fatal(granted, err)
	}
	h.plant(2, "ada", "eve")
	for name, try := range map[string]func() error{
		"Rotate": func() error { _, err := h.As("ada").Rotate(ctx, tea); return err },
		"Verify": func() error { _, err := h.As("ada").Verify(ctx, tea); return err },
	} {
		if err := try(); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "key version 2 has no endorsement") {
			t.Errorf("%s under a planted key: %v", name, err)
		}
	}
	h.RotateAfter = 1 // each write wants to rotate first
	dialoguetest.Must(t)(h.As("ada").RegisterRound(ctx, tea, dialoguetest.MovesOf(7, 2, 10)))
	if _, err := h.As("eve").Load(ctx, tea); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("eve reads: %v", err)
	}
	if got, err := h.As("ada").Load(ctx, tea); err != nil || len(got.Moves) != 5 {
		t.Errorf("ada reads %d moves, %v", len(got.Moves), err)
	}
	if got, err := h.As("ada").Revoke(ctx, tea, "eve"); err != nil || got.To != 2 {
		t.Errorf("Revoke takes it away: %+v, %v", got, err)
	}
	h.WantVersion(2, "ada", "bob")
	if _, err := h.As("eve").Load(ctx, tea); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("eve reads afterwards: %v", err)
	}
	dialoguetest.Must(t)(h.As("ada").Verify(ctx, tea))
}

// plant puts a version with a new secret into table Keys, wrapped for users, and
// makes it the active one.
func (h *fixture) plant(version uint32, users ...string) {
	h.T.Helper()
	ctx, head := h.T.Context(), record.DialogueKey(string(tea), "head")
	was, err := h.Records.Get(ctx, record.Keys, head)
	if err != nil {
		h.T.Fatal(err)
	}
	next := was.Clone()
	next.Attrs["active_version"] = record.N(int64(version))
	secret, provider := envelope.GenerateSecret(), localfile.Open(h.UMK, nil)
	umk, err := provider.Fingerprint(ctx)
	if err != nil {
		h.T.Fatal(err)
	}
	h.planted = secret
	for _, user := range users {
		b := keys.Binding{User: user, Dialogue: string(tea), Version: version}
		wrapped, err := provider.Grant(ctx, b, secret)
		if err != nil {
			h.T.Fatal(err)
		}
		proof, err := envelope.HolderProof(secret, user, string(tea), version)
		if err != nil {
			h.T.Fatal(err)
		}
		h.putKeys(record.Record{Key: record.Key{Partition: head.Partition, Item: b.SK()}, Attrs: record.Attrs{
			"wrapped": record.B(wrapped), "umk": record.S(umk), "user": record.S(user), "version": record.N(int64(version)),
			"created_at": was.Attrs["created_at"], "proof": record.B(proof[:]),
		}})
	}
	h.putKeys(next)
}

// TestAnotherSuccession: a former holder of a key makes later versions of data
// and keys from it, and replaces the versions that other users have seen since.
// None of these items verifies, so none can be salvaged.
func TestAnotherSuccession(t *testing.T) {
	h, fork := newFixture(t, memory.New()), newFixture(t, memory.New())
	fork.UMK = h.UMK
	h.Fill(5, 20)
	copyTables(t, h.Records, fork.Records)
	ctx := t.Context()
	noted := memoryRecords{}
	ada := encrypted.New(h.Records, localfile.Open(h.UMK, nil), "ada", audit.NewLog(h.Records, "ada", nil), &encrypted.Options{Freshness: noted})
	defer ada.Close()
	dialoguetest.Must(t)(ada.Rotate(ctx, tea))
	if noted[string(tea)].KeyVersion != 2 {
		t.Fatalf("noted %+v", noted[string(tea)])
	}

	mallory := fork.As("ada")
	dialoguetest.Must(t)(mallory.Rotate(ctx, tea))
	dialoguetest.Must(t)(mallory.RegisterRound(ctx, tea, dialoguetest.MovesOf(8, 2, 10)))
	copyTables(t, fork.Records, h.Records)
	if _, err := ada.Load(ctx, tea); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "wraps another secret") {
		t.Errorf("another version 2: %v", err)
	}
	if got, err := ada.Salvage(ctx, tea); err == nil && len(got.Moves) > 0 || err != nil && !errors.Is(err, blue.ErrTampered) {
		t.Errorf("salvaged of another version 2: %d moves, %v", len(got.Moves), err)
	}
	dialoguetest.Must(t)(mallory.Rotate(ctx, tea))
	copyTables(t, fork.Records, h.Records)
	if _, err := ada.Load(ctx, tea); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "is not signed") {
		t.Errorf("version 3 after another version 2: %v", err)
	}
	if _, err := h.As("ada").Load(ctx, tea); err != nil {
		t.Errorf("a client that remembers nothing: %v", err)
	}
}

// TestForgedKey: a user who may grant access replaces a key that this client has
// seen by a key of their own, and encrypts an item under it. The item is not
// authentic.
func TestForgedKey(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(5, 20)
	ctx, noted := t.Context(), memoryRecords{}
	open := func() sealedStore {
		s := encrypted.New(h.Records, localfile.Open(h.UMK, nil), "ada", audit.NewLog(h.Records, "ada", nil), &encrypted.Options{Freshness: noted})
		t.Cleanup(func() { s.Close() })
		return s
	}
	before, err := open().Load(ctx, tea)
	check(t, err)
	move := before.Moves[0].EntityKey()
	dialoguetest.Must(t)(open().Get(ctx, tea, move))

	h.plant(1, "ada")
	forger, err := envelope.DeriveKeys(h.planted, string(tea), 1)
	check(t, err)
	var forged record.Record
	for sk, r := range h.Items() {
		if strings.HasPrefix(sk, "move#") && (forged.Key.Item == "" || sk < forged.Key.Item) {
			forged = r.Clone()
		}
	}
	addr, err := envelope.ItemAddress(string(tea), forged.Key.Item)
	check(t, err)
	ciphertext, nonce, err := forger.Seal(addr, []byte(`{"expert":"Muffin","context":"FORGED"}`))
	check(t, err)
	forged.Attrs["content_encrypted"], forged.Attrs["content_nonce"] = record.B(ciphertext), record.B(nonce)
	mac := forger.ItemMAC(record.Dialogues, forged)
	forged.Attrs["item_mac"] = record.B(mac[:])
	h.Put(forged)

	if got, err := h.As("ada").Get(ctx, tea, move); err != nil {
		t.Errorf("the forgery has no effect: %+v, %v", got, err) // a client without freshness records accepts it
	}
	if got, err := open().Get(ctx, tea, move); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("Get: %+v, %v", got, err)
	}
}

// TestGetWhileRotating: Get returns an item that a rotation has not reached yet,
// because the root vouches for it.
func TestGetWhileRotating(t *testing.T) {
	h := newFixture(t, memory.New())
	h.Fill(200, 20)
	ctx, noted := t.Context(), memoryRecords{}
	over := func(records record.Store) sealedStore {
		s := encrypted.New(records, localfile.Open(h.UMK, nil), "ada", audit.NewLog(records, "ada", nil), &encrypted.Options{Freshness: noted})
		t.Cleanup(func() { s.Close() })
		return s
	}
	dying, stop := context.WithCancel(ctx)
	commits := 0
	halfway := &interceptor{Store: h.Records, meets: stop, when: func(call string, table record.Table, _ record.Key) bool {
		if call == "Commit" && table == record.Dialogues {
			commits++
		}
		return commits == 2
	}}
	if _, err := over(halfway).Rotate(dying, tea); err == nil || noted[string(tea)].KeyVersion != 2 {
		t.Fatalf("stopped at another place: %v, %+v", err, noted[string(tea)])
	}
	all, err := over(h.Records).Load(ctx, tea)
	check(t, err)
	for _, m := range all.Moves {
		got, err := over(h.Records).Get(ctx, tea, m.EntityKey())
		if err != nil || got.Value.(*blue.Move).Context != m.Context {
			t.Fatalf("%v: %v", m.EntityKey(), err)
		}
	}
}

// memoryRecords keeps freshness records in memory.
type memoryRecords map[string]freshness.Record

func (h memoryRecords) Get(dialogue string) (freshness.Record, bool, error) {
	head, ok := h[dialogue]
	return head, ok, nil
}

func (h memoryRecords) Put(head freshness.Record) error {
	h[head.Dialogue] = head
	return nil
}

// copyTables replaces the dialogue of one store by the dialogue of another, without the
// audit log.
func copyTables(t *testing.T, from, to record.Store) {
	t.Helper()
	for _, table := range []record.Table{record.Dialogues, record.Keys} {
		q := record.Query{Table: table, Partition: record.DialoguePartition(string(tea))}
		there, err := to.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		prev := map[record.Key]record.Attrs{}
		for _, r := range there {
			prev[r.Key] = r.Attrs
		}
		all, err := from.Query(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var writes []record.Write
		for _, r := range all {
			writes = append(writes, record.Write{Table: table, Record: r, Prev: prev[r.Key]})
			delete(prev, r.Key)
		}
		for key, attrs := range prev {
			writes = append(writes, record.Write{Table: table, Record: record.Record{Key: key}, Prev: attrs})
		}
		if err := to.Commit(t.Context(), writes); err != nil {
			t.Fatal(err)
		}
	}
}
