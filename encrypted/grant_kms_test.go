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
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/record"
)

// guild is a house whose people each have their key in KMS, behind the policy
// that is shipped for users, and a clock.
type guild struct {
	*house
	arn, url string
	clock    time.Time
}

func newGuild(t *testing.T, h *house, people ...string) *guild {
	t.Helper()
	layer, err := kmsfault.New(kmstest.Endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(layer)
	t.Cleanup(front.Close)
	t.Cleanup(layer.Close)
	g := &guild{house: h, arn: kmstest.Key(t), url: front.URL, clock: time.Now()}
	policy, err := kmsfault.Load(filepath.Join("..", "deploy", "iam", "user.json"), kmsfault.Place{KeyARN: g.arn, Tables: "blue"})
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range people {
		layer.Let(who, kmsfault.Principal{Tags: map[string]string{"blue-user": who}, Policies: []kmsfault.Policy{policy}})
	}
	return g
}

type guildStore = *encrypted.EncryptedStore[record.Store, *awskms.Provider]

// process is a new process of a principal, who says to be a user.
func (g *guild) process(principal, user string) guildStore {
	g.t.Helper()
	provider, err := awskms.New(g.arn, kmstest.Client(g.url, principal), g.records, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	s := encrypted.New(g.records, provider, user, audit.NewLog(g.records, user, nil), &encrypted.Options{Now: func() time.Time { return g.clock }})
	g.t.Cleanup(func() { s.Close() })
	return s
}

// shut checks that nothing of a dialogue is to be had by new processes of a
// principal, who says to be themselves or its holder, and that it takes nothing
// from them.
func (g *guild) shut(when, principal, holder string, id blue.DialogueID) {
	g.t.Helper()
	for _, user := range []string{principal, holder} {
		g.shutTo(when+": "+principal+" as "+user, g.process(principal, user), id, principal)
	}
}

func (g *guild) shutTo(what string, s guildStore, id blue.DialogueID, principal string) {
	g.t.Helper()
	ctx := g.t.Context()
	for name, use := range map[string]func() error{
		"reads":   func() error { _, err := s.Load(ctx, id); return err },
		"writes":  func() error { _, err := s.RegisterRound(ctx, id, movesOf(60, 1, 10)); return err },
		"grants":  func() error { _, err := s.Grant(ctx, id, principal); return err },
		"rotates": func() error { _, err := s.Rotate(ctx, id); return err },
	} {
		if err := use(); !errors.Is(err, blue.ErrSealed) {
			g.t.Errorf("%s %s dialogue %s: %v", what, name, id, err)
		}
	}
}

// become puts the items of another moment in the place of all that is stored, as
// somebody with the table and without the key would.
func (h *house) become(then map[string]record.Record) {
	h.t.Helper()
	var writes []record.Write
	now := h.items()
	for _, r := range append(values(then), missingOf(now, then)...) {
		w := record.Write{Table: record.Dialogues, Record: r}
		if _, there := now[r.Key.Item]; there {
			w.Prev = record.Attrs{}
		}
		writes = append(writes, w)
	}
	if err := h.records.Commit(h.t.Context(), writes); err != nil {
		h.t.Fatal(err)
	}
}

// TestGrantRevokeWithKMS is TestGrantRevoke where AWS tells people apart. Bob
// opens tea between grant and revocation alone, and then neither what is sealed
// anew, nor what was written after, nor the old items that he puts back, once the
// keys in the memory of his process have run out. Ada never opens what is his.
func TestGrantRevokeWithKMS(t *testing.T) {
	backends(t, func(t *testing.T, h *house) {
		ctx, milk := t.Context(), blue.DialogueID("milk")
		g := newGuild(t, h, "ada", "bob")
		ada, bob := g.process("ada", "ada"), g.process("bob", "bob")
		must(t)(ada.Create(ctx, tea, blue.NewDialogue{Title: "Tea?"}))
		must(t)(ada.RegisterRound(ctx, tea, movesOf(0, 20, 10)))
		must(t)(bob.Create(ctx, milk, blue.NewDialogue{Title: "Milk?"}))
		g.shut("before the grant", "bob", "ada", tea)
		g.shut("before the grant", "ada", "bob", milk)

		must(t)(ada.Grant(ctx, tea, "bob"))
		must(t)(bob.Load(ctx, tea))
		must(t)(bob.RegisterRound(ctx, tea, movesOf(1, 2, 10)))
		waiting := g.process("bob", "bob")
		must(t)(waiting.Load(ctx, tea))
		g.shut("granted", "ada", "bob", milk)

		old := h.items()
		if got, err := ada.Revoke(ctx, tea, "bob"); err != nil || got.To != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		g.shut("revoked", "bob", "ada", tea)
		must(t)(ada.RegisterRound(ctx, tea, movesOf(2, 2, 10)))
		g.shut("written to after", "bob", "ada", tea)
		g.shutTo("keys in memory: bob", bob, tea, "bob")

		present := h.items()
		h.become(old)
		g.shut("the old items put back", "bob", "ada", tea)
		must(t)(waiting.Load(ctx, tea)) // with the key in memory, which is why it runs out
		g.clock = g.clock.Add(301 * time.Second)
		g.shutTo("the old items put back, 301 s later: bob", waiting, tea, "bob")
		h.become(present)
		must(t)(ada.Verify(ctx, tea))

		g.shut("at the end", "bob", "ada", tea)
		g.shut("at the end", "ada", "bob", milk)
		must(t)(g.process("bob", "bob").Verify(ctx, milk))
	})
}
