package erasure_test

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/memory"
)

// TestUser: a user who held one dialogue alone and one with others.
func TestUser(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, memory.New())
	ada, bob := o.as("ada"), o.as("bob")
	o.fill(ada, "shared", 3)
	o.fill(ada, "mine", 3)
	o.fill(bob, "theirs", 4)
	if _, err := ada.Grant(ctx, "shared", "bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Load(ctx, "shared"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.EraseUser(ctx, "bob", dialogues(o), o.directory); !errors.Is(err, blue.ErrRefused) {
		t.Errorf("bob takes the shared one from himself: %v", err)
	}
	if _, err := bob.Load(ctx, "theirs"); err != nil {
		t.Errorf("the refusal came too late: %v", err)
	}
	done, err := o.as("ada").EraseUser(ctx, "bob", dialogues(o), o.directory)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done.Revoked, []blue.DialogueID{"shared"}) || len(done.Wraps) != 1 || len(done.Erased) != 1 || done.Erased[0].Dialogue != "theirs" {
		t.Errorf("%+v", done)
	}
	if _, err := ada.Load(ctx, "shared"); err != nil {
		t.Errorf("ada and the shared one: %v", err)
	}
	for id, want := range map[blue.DialogueID]error{"shared": blue.ErrSealed, "theirs": blue.ErrErased} {
		if _, err := o.as("bob").Load(ctx, id); !errors.Is(err, want) {
			t.Errorf("bob and %s: %v", id, err)
		}
	}
	names, err := o.directory.Names(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for pseudonym, name := range names {
		if name == "bob" { // he has just tried to read, and got another
			if err := o.directory.Forget(ctx, "bob"); err != nil {
				t.Fatal(err)
			}
			for e, err := range auditor.Events(ctx, auditor.FromStore(o.records), auditor.Filter{Principal: pseudonym, Operation: audit.Encrypt}) {
				t.Errorf("his writes have his new name: %+v %v", e, err)
			}
		}
	}
	o.checkpoint()
	subject := erasure.Subject{Kind: erasure.KindUser, ID: "bob"}
	text, err := o.notary().Issue(ctx, subject, done.Event)
	if err != nil {
		t.Fatal(err)
	}
	c, err := o.notary().Verify(ctx, text)
	if err != nil || !slices.Equal(c.Revoked, []string{"shared"}) || len(c.Keys) != 2 || !slices.Equal(c.Erased, []string{"theirs"}) || !slices.Contains(c.Keys, done.Wraps[0]) {
		t.Errorf("%+v, %v", c, err)
	}
	e, err := audit.ReadEvent(ctx, o.records, done.Event.Chain, done.Event.Seq)
	if err != nil {
		t.Fatal(err)
	}
	items, err := e.Items()
	if err != nil || slices.ContainsFunc(items, func(i audit.Item) bool { return strings.HasPrefix(i.SK, "p-") }) {
		t.Errorf("the outcome names the user: %v, %v", items, err)
	}
	for name, back := range map[string]func(){
		"a key of the shared one": func() {
			if _, err := ada.Grant(ctx, "shared", "bob"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		back()
		if _, err := o.notary().Verify(ctx, text); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "bob") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func dialogues(o *office) iter.Seq2[blue.DialogueID, error] {
	return erasure.Dialogues(o.t.Context(), o.records)
}
