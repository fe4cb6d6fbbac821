package erasure_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
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
	o.fill(ada, "water", 1)
	var taken record.Attrs
	for _, r := range o.wrapsIn("shared") {
		if strings.HasSuffix(r.Key.Item, "#bob") {
			taken = r.Attrs
			delete(taken, "user")
		}
	}
	if _, err := bob.EraseUser(ctx, "bob", dialogues(o)); !errors.Is(err, blue.ErrRefused) {
		t.Errorf("bob takes the shared one from himself: %v", err)
	}
	if _, err := bob.Load(ctx, "theirs"); err != nil {
		t.Errorf("the refusal came too late: %v", err)
	}
	done, err := o.as("ada").EraseUser(ctx, "bob", dialogues(o))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done.Revoked, []blue.DialogueID{"shared"}) || len(done.Wraps) != 1 || len(done.Erased) != 1 || done.Erased[0].Dialogue != "theirs" {
		t.Errorf("%+v", done)
	}
	o.checkpoint()
	subject := erasure.Subject{Kind: erasure.KindUser, ID: "bob"}
	text, err := o.notary().Issue(ctx, subject, done.Event)
	if err != nil {
		t.Fatal(err)
	}
	if c := o.open(text); c.StartedAt != "2026-02-03T10:00:00.000000005Z" || !strings.Contains(c.String(), c.StartedAt) {
		t.Errorf("begun %q", c.StartedAt)
	}
	if _, err := o.notary().Verify(ctx, text); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "directory") {
		t.Errorf("before his name is forgotten: %v", err)
	}
	if err := o.as("ada").ForgetUser(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.as("ada").EraseUser(ctx, "bob", dialogues(o)); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("once more: %v", err)
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
	c, err := o.notary().Verify(ctx, text)
	if err != nil || !slices.Equal(c.Revoked, []string{"shared"}) || len(c.Keys) != 2 || !slices.Equal(c.Erased, []string{"theirs"}) || !slices.Contains(c.Keys, done.Wraps[0]) {
		t.Errorf("%+v, %v", c, err)
	}
	o.wantCounted(c, done, 6, "theirs")
	o.refuses(text, map[string]forgery{
		"no items":  {func(c *erasure.Certificate) { c.Items = 0 }, "counts 6 records"},
		"no digest": {func(c *erasure.Certificate) { c.ItemsDigest = "" }, "another digest"},
		"a wrap fewer": {func(c *erasure.Certificate) {
			c.Keys = slices.DeleteFunc(c.Keys, func(k string) bool { return k == done.Wraps[0] })
		}, "it does not name the key"},
		"keys of dialogue": {func(c *erasure.Certificate) { c.Keys = done.Wraps }, "it does not name the key"},
		"a key more":       {func(c *erasure.Certificate) { c.Keys = append(c.Keys, strings.Repeat("ff", 32)) }, "it names the key"},
		"begun later":      {func(c *erasure.Certificate) { c.StartedAt = "2026-02-03T10:00:00.000000006Z" }, "began at"},
		"finished later":   {func(c *erasure.Certificate) { c.FinishedAt = "2026-02-03T10:00:00.000000006Z" }, "was finished at"},
		"none erased":      {func(c *erasure.Certificate) { c.Erased = []string{} }, "other dialogues"},
		"none taken":       {func(c *erasure.Certificate) { c.Revoked = []string{} }, "other dialogues"},
		"no copies":        {func(c *erasure.Certificate) { c.Copies, c.NotBefore = []erasure.Copy{}, "2026-02-03T10:00:01Z" }, "it does not list keys in the memory"},
	})
	e, err := audit.ReadEvent(ctx, o.records, done.Event.Chain, done.Event.Seq)
	if err != nil {
		t.Fatal(err)
	}
	items, err := e.Items()
	if err != nil || slices.ContainsFunc(items, func(i audit.Item) bool { return strings.HasPrefix(i.SK, "p-") }) {
		t.Errorf("the outcome names the user: %v, %v", items, err)
	}
	wrap := o.wrapsIn("shared")[0].Attrs
	delete(wrap, "user")
	forget := func() {
		if err := o.directory.Forget(ctx, "bob"); err != nil {
			t.Fatal(err)
		}
	}
	for want, back := range map[string]func() (away func()){
		"user bob holds a key of dialogue shared": func() func() {
			if _, err := ada.Grant(ctx, "shared", "bob"); err != nil {
				t.Fatal(err)
			}
			return func() { forget(); o.drop("shared", "wrap#0000000002#bob") }
		},
		"user bob holds a key of dialogue mine": func() func() {
			if _, err := ada.Grant(ctx, "mine", "bob"); err != nil {
				t.Fatal(err)
			}
			return func() { forget(); o.drop("mine", "wrap#0000000001#bob") }
		},
		`the key "` + done.Wraps[0] + `" is stored again, in dialogue mine`: func() func() {
			o.put("mine", "moved", taken)
			return func() { o.drop("mine", "moved") }
		},
		"user bob holds a key of dialogue water": func() func() {
			o.put("water", "wrap#1#bob", wrap)
			return func() { o.drop("water", "wrap#1#bob") }
		},
		"dialogue theirs has wrapped keys again": func() func() {
			o.put("theirs", "elsewhere", wrap)
			return func() { o.drop("theirs", "elsewhere") }
		},
	} {
		away := back()
		if _, err := o.notary().Verify(ctx, text); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
		away()
		if _, err := o.notary().Verify(ctx, text); err != nil {
			t.Errorf("%s, and is gone again: %v", want, err)
		}
	}
}

// wantCounted: a certificate of a user counts the records of the dialogues that
// went with them, as their tombstones do.
func (o *office) wantCounted(c erasure.Certificate, done erasure.UserReport, items int64, dialogues ...string) {
	o.t.Helper()
	h := sha256.New()
	for _, id := range dialogues {
		tomb, err := o.records.Get(o.t.Context(), record.Dialogues, record.MetaKey(id))
		if err != nil {
			o.t.Fatal(err)
		}
		fmt.Fprintf(h, "\x00\x00\x00\x00\x00\x00\x00%c%s%s", len(id), id, tomb.Attrs["items_digest"].Bin())
		items -= tomb.Attrs["items"].Int()
	}
	if digest := fmt.Sprintf("%x", h.Sum(nil)); items != 0 || c.ItemsDigest != digest || done.Digest != digest || c.Items == 0 || done.Items != c.Items {
		o.t.Errorf("%d records, digest %s; the tombstones leave %d, digest %s", c.Items, c.ItemsDigest, items, digest)
	}
	if want := fmt.Sprintf("%d in blue_dialogues", c.Items); !strings.Contains(c.String(), want) {
		o.t.Errorf("the text for people lacks %q:\n%s", want, c.String())
	}
}

// wrapsIn are the wraps of a dialogue.
func (o *office) wrapsIn(dialogue string) []record.Record {
	o.t.Helper()
	all, err := o.records.Query(o.t.Context(), record.Query{Table: record.Keys, Partition: record.DialoguePartition(dialogue)})
	if err != nil {
		o.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(r record.Record) bool { return r.Key.Item == "head" })
}

func (o *office) put(dialogue, sk string, attrs record.Attrs) {
	o.t.Helper()
	err := o.records.Commit(o.t.Context(), []record.Write{{Table: record.Keys, Record: record.Record{Key: record.DialogueKey(dialogue, sk), Attrs: attrs}}})
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) drop(dialogue, sk string) {
	o.t.Helper()
	err := o.records.Commit(o.t.Context(), []record.Write{{Table: record.Keys, Record: record.Record{Key: record.DialogueKey(dialogue, sk)}, Prev: record.Attrs{}}})
	if err != nil {
		o.t.Fatal(err)
	}
}

// TestUserOfNothing: an outcome that took nothing from anybody is certified for
// nobody, not even under a name that was never there.
func TestUserOfNothing(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, memory.New())
	o.fill(o.as("ada"), "mine", 1)
	if _, err := o.as("ada").EraseUser(ctx, "bbo", dialogues(o)); !errors.Is(err, blue.ErrNotFound) {
		t.Fatal(err)
	}
	log := audit.NewLog(o.records, "ada", &audit.Options{Now: o.now, Signer: func(context.Context) (*checkpoint.Signer, error) { return o.signer, nil }, Principals: o.directory})
	defer log.Close(ctx)
	var empty *audit.Event
	if err := log.Append(ctx, func(e *audit.Event) { empty = e }, audit.Erase, "", "", audit.Success); err != nil {
		t.Fatal(err)
	}
	if err := log.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := o.notary().Issue(ctx, erasure.Subject{Kind: erasure.KindUser, ID: "bbo"}, erasure.Event{Chain: empty.Chain, Seq: empty.Seq, Hash: empty.EventHash})
	if !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("%v; want ErrNotFound", err)
	}
}

func dialogues(o *office) iter.Seq2[blue.DialogueID, error] {
	return erasure.DialoguesOf(o.t.Context(), o.records)
}
