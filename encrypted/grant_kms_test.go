package encrypted_test

import (
	"errors"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/record"
)

// kmsFixture is a fixture whose users each have a key in KMS, behind the policy
// in deploy/iam/user.json. It has a clock.
type kmsFixture struct {
	*fixture
	arn, url string
	clock    time.Time
}

func newKMSFixture(t *testing.T, h *fixture, people ...string) *kmsFixture {
	t.Helper()
	layer, err := kmsfault.New(kmstest.Endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(layer)
	t.Cleanup(front.Close)
	t.Cleanup(layer.Close)
	g := &kmsFixture{fixture: h, arn: kmstest.Key(t), url: front.URL, clock: time.Now()}
	policy, err := kmsfault.Load(filepath.Join("..", "deploy", "iam", "user.json"), kmsfault.Place{KeyARN: g.arn, Tables: "blue"})
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range people {
		layer.Let(who, kmsfault.Principal{Tags: map[string]string{"blue-user": who}, Policies: []kmsfault.Policy{policy}})
	}
	return g
}

// process returns a new process of a principal that claims to be a user.
func (g *kmsFixture) process(principal, user string) sealedStore {
	g.T.Helper()
	provider, err := awskms.New(g.arn, kmstest.Client(g.url, principal), g.Records, nil)
	if err != nil {
		g.T.Fatal(err)
	}
	s := encrypted.New(g.Records, provider, user, audit.NewLog(g.Records, user, nil), &encrypted.Options{Now: func() time.Time { return g.clock }})
	g.T.Cleanup(func() { s.Close() })
	return s
}

// wantNoAccess checks that new processes of a principal have no access to a
// dialogue, whether they claim to be the principal or the holder.
func (g *kmsFixture) wantNoAccess(when, principal, holder string, id blue.DialogueID) {
	g.T.Helper()
	for _, user := range []string{principal, holder} {
		g.wantNoAccessBy(when+": "+principal+" as "+user, g.process(principal, user), id, principal)
	}
}

func (g *kmsFixture) wantNoAccessBy(what string, s sealedStore, id blue.DialogueID, principal string) {
	g.T.Helper()
	ctx := g.T.Context()
	for name, use := range map[string]func() error{
		"reads":   func() error { _, err := s.Load(ctx, id); return err },
		"writes":  func() error { _, err := s.RegisterRound(ctx, id, dialoguetest.MovesOf(60, 1, 10)); return err },
		"grants":  func() error { _, err := s.Grant(ctx, id, principal); return err },
		"rotates": func() error { _, err := s.Rotate(ctx, id); return err },
	} {
		if err := use(); !errors.Is(err, blue.ErrSealed) {
			g.T.Errorf("%s %s dialogue %s: %v", what, name, id, err)
		}
	}
}

// restore replaces all stored items by the items of another moment, as an attacker
// with access to the table and without the key can.
func (h *fixture) restore(then map[string]record.Record) {
	h.T.Helper()
	var writes []record.Write
	now := h.Items()
	for _, r := range append(values(then), missingOf(now, then)...) {
		w := record.Write{Table: record.Dialogues, Record: r}
		if _, there := now[r.Key.Item]; there {
			w.Prev = record.Attrs{}
		}
		writes = append(writes, w)
	}
	if err := h.Records.Commit(h.T.Context(), writes); err != nil {
		h.T.Fatal(err)
	}
}

// TestGrantRevokeWithKMS is TestGrantRevoke with users that AWS distinguishes.
// Bob can open tea only between grant and revocation. Once the keys in the memory
// of his process have expired, he cannot open re-encrypted items, later items, or
// old items that he restores. Ada never opens a dialogue of Bob.
func TestGrantRevokeWithKMS(t *testing.T) {
	backends(t, func(t *testing.T, h *fixture) {
		ctx, milk := t.Context(), blue.DialogueID("milk")
		g := newKMSFixture(t, h, "ada", "bob")
		ada, bob := g.process("ada", "ada"), g.process("bob", "bob")
		dialoguetest.Must(t)(ada.Create(ctx, tea, blue.NewDialogue{Title: "Tea?"}))
		dialoguetest.Must(t)(ada.RegisterRound(ctx, tea, dialoguetest.MovesOf(0, 20, 10)))
		dialoguetest.Must(t)(bob.Create(ctx, milk, blue.NewDialogue{Title: "Milk?"}))
		g.wantNoAccess("before the grant", "bob", "ada", tea)
		g.wantNoAccess("before the grant", "ada", "bob", milk)

		dialoguetest.Must(t)(ada.Grant(ctx, tea, "bob"))
		dialoguetest.Must(t)(bob.Load(ctx, tea))
		dialoguetest.Must(t)(bob.RegisterRound(ctx, tea, dialoguetest.MovesOf(1, 2, 10)))
		waiting := g.process("bob", "bob")
		dialoguetest.Must(t)(waiting.Load(ctx, tea))
		g.wantNoAccess("granted", "ada", "bob", milk)

		old := h.Items()
		if got, err := ada.Revoke(ctx, tea, "bob"); err != nil || got.To != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		g.wantNoAccess("revoked", "bob", "ada", tea)
		dialoguetest.Must(t)(ada.RegisterRound(ctx, tea, dialoguetest.MovesOf(2, 2, 10)))
		g.wantNoAccess("written to after", "bob", "ada", tea)
		g.wantNoAccessBy("keys in memory: bob", bob, tea, "bob")

		present := h.Items()
		h.restore(old)
		g.wantNoAccess("the old items put back", "bob", "ada", tea)
		dialoguetest.Must(t)(waiting.Load(ctx, tea)) // with the key in memory, which therefore must expire
		g.clock = g.clock.Add(301 * time.Second)
		g.wantNoAccessBy("the old items put back, 301 s later: bob", waiting, tea, "bob")
		h.restore(present)
		dialoguetest.Must(t)(ada.Verify(ctx, tea))

		g.wantNoAccess("at the end", "bob", "ada", tea)
		g.wantNoAccess("at the end", "ada", "bob", milk)
		dialoguetest.Must(t)(g.process("bob", "bob").Verify(ctx, milk))
	})
}
