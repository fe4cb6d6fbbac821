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

type guildStore = *encrypted.Store

// process is a new process of a principal, who says to be a user.
func (g *guild) process(principal, user string) guildStore {
	g.T.Helper()
	provider, err := awskms.New(g.arn, kmstest.Client(g.url, principal), g.Records, nil)
	if err != nil {
		g.T.Fatal(err)
	}
	s := encrypted.New(g.Records, provider, user, audit.NewLog(g.Records, user, nil), &encrypted.Options{Now: func() time.Time { return g.clock }})
	g.T.Cleanup(func() { s.Close() })
	return s
}

// shut checks that nothing of a dialogue is to be had by new processes of a
// principal, who says to be themselves or its holder, and that it takes nothing
// from them.
func (g *guild) shut(when, principal, holder string, id blue.DialogueID) {
	g.T.Helper()
	for _, user := range []string{principal, holder} {
		g.shutTo(when+": "+principal+" as "+user, g.process(principal, user), id, principal)
	}
}

func (g *guild) shutTo(what string, s guildStore, id blue.DialogueID, principal string) {
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

// become puts the items of another moment in the place of all that is stored, as
// somebody with the table and without the key would.
func (h *house) become(then map[string]record.Record) {
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

// TestGrantRevokeWithKMS is TestGrantRevoke where AWS tells people apart. Bob
// opens tea between grant and revocation alone, and then neither what is sealed
// anew, nor what was written after, nor the old items that he puts back, once the
// keys in the memory of his process have run out. Ada never opens what is his.
func TestGrantRevokeWithKMS(t *testing.T) {
	backends(t, func(t *testing.T, h *house) {
		ctx, milk := t.Context(), blue.DialogueID("milk")
		g := newGuild(t, h, "ada", "bob")
		ada, bob := g.process("ada", "ada"), g.process("bob", "bob")
		dialoguetest.Must(t)(ada.Create(ctx, tea, blue.NewDialogue{Title: "Tea?"}))
		dialoguetest.Must(t)(ada.RegisterRound(ctx, tea, dialoguetest.MovesOf(0, 20, 10)))
		dialoguetest.Must(t)(bob.Create(ctx, milk, blue.NewDialogue{Title: "Milk?"}))
		g.shut("before the grant", "bob", "ada", tea)
		g.shut("before the grant", "ada", "bob", milk)

		dialoguetest.Must(t)(ada.Grant(ctx, tea, "bob"))
		dialoguetest.Must(t)(bob.Load(ctx, tea))
		dialoguetest.Must(t)(bob.RegisterRound(ctx, tea, dialoguetest.MovesOf(1, 2, 10)))
		waiting := g.process("bob", "bob")
		dialoguetest.Must(t)(waiting.Load(ctx, tea))
		g.shut("granted", "ada", "bob", milk)

		old := h.Items()
		if got, err := ada.Revoke(ctx, tea, "bob"); err != nil || got.To != 2 {
			t.Fatalf("%+v, %v", got, err)
		}
		g.shut("revoked", "bob", "ada", tea)
		dialoguetest.Must(t)(ada.RegisterRound(ctx, tea, dialoguetest.MovesOf(2, 2, 10)))
		g.shut("written to after", "bob", "ada", tea)
		g.shutTo("keys in memory: bob", bob, tea, "bob")

		present := h.Items()
		h.become(old)
		g.shut("the old items put back", "bob", "ada", tea)
		dialoguetest.Must(t)(waiting.Load(ctx, tea)) // with the key in memory, which is why it runs out
		g.clock = g.clock.Add(301 * time.Second)
		g.shutTo("the old items put back, 301 s later: bob", waiting, tea, "bob")
		h.become(present)
		dialoguetest.Must(t)(ada.Verify(ctx, tea))

		g.shut("at the end", "bob", "ada", tea)
		g.shut("at the end", "ada", "bob", milk)
		dialoguetest.Must(t)(g.process("bob", "bob").Verify(ctx, milk))
	})
}
