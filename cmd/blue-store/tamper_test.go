package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/demo"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// The campaign damages a stored dialogue without the program and then runs the
// program. Every tampering must end with exit code 7, name exactly the damaged
// items with their classes, and show no word of the text.
//
//	class        the change
//	changed      an attribute, a bit of ciphertext, nonce, tag or MAC
//	missing      an item deleted
//	extra        an item that no commit wrote, or a copy under a new key
//	rolled back  an older version of an item, of meta, of the whole partition
//	moved        an item in another's place, of this dialogue or another
//	stripped     no MAC, or one of another length
//	malformed    not an envelope: nothing encrypted, or a malformed key id

// bench is one home with stored dialogues and a copy of their intact rows.
type bench struct {
	t        *testing.T
	home     string
	records  *sqlite.Store // the database, opened without the program
	dialogue string
	early    map[string]record.Attrs // right after the import, by sort key
	intact   map[string]record.Attrs // now
	secrets  []string                // texts that no error may show
}

// cli runs the program and returns its exit code and streams.
func cli(t *testing.T, home string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return cliContext(t.Context(), home, args...)
}

func cliContext(ctx context.Context, home string, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	env := map[string]string{"BLUE_HOME": home, "BLUE_USER": "tester"}
	a := &app{in: strings.NewReader(""), out: &out, err: &err, env: func(name string) string { return env[name] }}
	code = a.run(ctx, args)
	return code, out.String(), err.String()
}

// mustCLI runs the program and expects exit code 0.
func mustCLI(t *testing.T, home string, args ...string) string {
	t.Helper()
	code, stdout, stderr := cli(t, home, args...)
	if code != exitOK {
		t.Fatalf("blue-store %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// demoFolder writes the demo's dialogue into a folder and returns its path.
func demoFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	if err := os.CopyFS(dir, demo.FS()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newBench imports a dialogue and changes it, so that a tension, an expert, a
// round and meta have older versions. The store also has a small second dialogue
// of the same user.
func newBench(t *testing.T, source string) *bench {
	t.Helper()
	b := &bench{t: t, home: t.TempDir()}
	var imported importAnswer
	if err := json.Unmarshal([]byte(mustCLI(t, b.home, "import", source)), &imported); err != nil {
		t.Fatal(err)
	}
	b.dialogue = imported.DialogueID
	b.store(func(ctx context.Context, s *session) error {
		_, err := s.store.Create(ctx, "other", blue.NewDialogue{Title: "Other"})
		if err != nil {
			return err
		}
		_, err = s.store.RegisterRound(ctx, "other", laterRound(0, ""))
		return err
	})
	var err error
	b.records, err = sqlite.Open(t.Context(), filepath.Join(b.home, "db", "blue.db"), &sqlite.Options{Views: engine.Views()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.records.Close() })
	b.early = b.rows(b.dialogue)
	b.change()
	b.intact = b.rows(b.dialogue)
	b.secrets = b.texts()
	return b
}

// store opens the store as the program does and calls work.
func (b *bench) store(work func(context.Context, *session) error) {
	b.t.Helper()
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}, env: func(name string) string {
		return map[string]string{"BLUE_HOME": b.home, "BLUE_USER": "tester"}[name]
	}}
	s, err := a.open(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	defer s.close()
	if err := work(b.t.Context(), s); err != nil {
		b.t.Fatal(err)
	}
}

// laterRound returns a small round with a tension. It has a score if there is an
// expert.
func laterRound(n blue.Round, expert blue.ExpertSlug) blue.RoundBatch {
	batch := blue.RoundBatch{Round: n, Drafts: map[blue.Kind][]blue.Draft{
		blue.KindTension: {{Label: "Does a late tension count", Text: "A tension that nobody has looked at yet."}},
	}}
	if expert != "" {
		batch.ExpertScores = map[blue.ExpertSlug]int64{expert: 5}
	}
	return batch
}

// change commits a new round with a score, a signal and a change of a tension.
func (b *bench) change() {
	b.t.Helper()
	b.store(func(ctx context.Context, s *session) error {
		snapshot, err := s.store.Load(ctx, blue.DialogueID(b.dialogue))
		if err != nil {
			return err
		}
		expert, last := snapshot.Experts[0].Slug, snapshot.Rounds[len(snapshot.Rounds)-1].Round
		if _, err := s.store.RegisterRound(ctx, snapshot.Dialogue.ID, laterRound(last+1, expert)); err != nil {
			return err
		}
		if _, err := s.store.RecordSignal(ctx, snapshot.Dialogue.ID, blue.Signal{Round: 0, Expert: expert}); err != nil {
			return err
		}
		t := snapshot.Tensions()[0]
		for _, to := range blue.KindTension.Statuses() {
			if blue.KindTension.CanChange(t.Status, to) {
				_, err := s.store.Transition(ctx, snapshot.Dialogue.ID, blue.Transition{ID: t.ID, To: to, Round: last + 1})
				return err
			}
		}
		return fmt.Errorf("no way from %s", t.Status)
	})
}

func (b *bench) rows(dialogue string) map[string]record.Attrs {
	b.t.Helper()
	return rowsOf(b.t, b.records, record.Dialogues, record.DialoguePartition(dialogue))
}

func rowsOf(t *testing.T, records *sqlite.Store, table record.Table, pk record.Partition) map[string]record.Attrs {
	t.Helper()
	items, err := records.Query(t.Context(), record.Query{Table: table, Partition: pk})
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]record.Attrs, len(items))
	for _, r := range items {
		rows[r.Key.Item] = r.Attrs
	}
	return rows
}

// load returns the current dialogue.
func (b *bench) load() (snapshot *blue.Snapshot) {
	b.t.Helper()
	b.store(func(ctx context.Context, s *session) (err error) {
		snapshot, err = s.store.Load(ctx, blue.DialogueID(b.dialogue))
		return err
	})
	return snapshot
}

// texts lists every encrypted text of the dialogue that is too long to be in a
// message by chance.
func (b *bench) texts() []string {
	var list []string
	for _, e := range inspectedEntities(b.load()) {
		for _, f := range openedOf(e) {
			if len(f.Value) >= 12 {
				list = append(list, f.Value)
			}
		}
	}
	return list
}

// put replaces the dialogue's partition by the rows.
func (b *bench) put(rows map[string]record.Attrs) {
	b.t.Helper()
	b.putRows(record.Dialogues, record.DialoguePartition(b.dialogue), rows)
}

// putRows replaces a partition by the rows. Each commit must contain the meta
// item. The other rows are deleted without a condition.
func (b *bench) putRows(table record.Table, pk record.Partition, rows map[string]record.Attrs) {
	b.t.Helper()
	now := rowsOf(b.t, b.records, table, pk)
	var writes []record.Write
	for sk, attrs := range rows {
		old, there := now[sk]
		if there && sameAttrs(old, attrs) && sk != record.Meta {
			continue
		}
		w := record.Write{Table: table, Record: record.Record{Key: record.Key{Partition: pk, Item: sk}, Attrs: attrs}}
		if there {
			w.Prev = record.Attrs{}
		}
		writes = append(writes, w)
	}
	for sk := range now {
		if rows[sk] == nil {
			b.sql("DELETE FROM "+string(table)+" WHERE PK = ? AND SK = ?", pk, sk)
		}
	}
	if len(writes) == 0 {
		return
	}
	if err := b.records.Commit(b.t.Context(), writes); err != nil {
		b.t.Fatal(err)
	}
}

func sameAttrs(a, b record.Attrs) bool { return maps.EqualFunc(a, b, record.Value.Equal) }

// tampering is one change of the stored rows and its expected findings.
type tampering struct {
	name string
	rows map[string]record.Attrs // the partition afterwards
	want []suspect               // by item
}

type suspect struct{ item, class string }

// with returns the intact rows with some replaced, or deleted if nil.
func (b *bench) with(changes map[string]record.Attrs) map[string]record.Attrs {
	rows := maps.Clone(b.intact)
	for sk, attrs := range changes {
		if attrs == nil {
			delete(rows, sk)
			continue
		}
		rows[sk] = attrs
	}
	return rows
}

func (b *bench) one(name, sk string, attrs record.Attrs, class string) tampering {
	return tampering{name + " " + sk, b.with(map[string]record.Attrs{sk: attrs}), []suspect{{sk, class}}}
}

// expect damages the store, checks the findings, and restores the store.
func (b *bench) expect(t *testing.T, c tampering, show bool) {
	t.Helper()
	b.put(c.rows)
	defer b.put(b.intact)
	b.seen(t, c.name, c.want, show)
}

// seen checks the findings of verify, and of show if requested.
func (b *bench) seen(t *testing.T, name string, want []suspect, show bool) {
	t.Helper()
	code, stdout, stderr := cli(t, b.home, "verify", b.dialogue)
	var answer verifyAnswer
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil || len(answer.Dialogues) != 1 {
		t.Fatalf("%s: verify answers %q, %s", name, stdout, stderr)
	}
	var got []suspect
	for _, d := range answer.Dialogues[0].Damage {
		got = append(got, suspect{d.Item, d.Class})
	}
	byItem := func(a, b suspect) int { return strings.Compare(a.item, b.item) }
	slices.SortFunc(got, byItem)
	slices.SortFunc(want, byItem)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(suspect{})); code != exitIntegrity || diff != "" {
		t.Errorf("%s: verify exits with %d, finds (-want +got):\n%s", name, code, diff)
	}
	b.silent(t, name, stdout+stderr)
	if !show {
		return
	}
	code, stdout, stderr = cli(t, b.home, "show", b.dialogue)
	if code != exitIntegrity || stdout != "" {
		t.Errorf("%s: show exits with %d and prints %d bytes", name, code, len(stdout))
	}
	for _, f := range want {
		if !strings.Contains(stderr, f.item) || !strings.Contains(stderr, f.class) {
			t.Errorf("%s: show does not say %v: %s", name, f, stderr)
		}
	}
	b.silent(t, name, stderr)
}

// silent checks that the program printed no text of the dialogue.
func (b *bench) silent(t *testing.T, name, printed string) {
	t.Helper()
	for _, text := range b.secrets {
		if strings.Contains(printed, text) {
			t.Errorf("%s: the output shows %q", name, text)
		}
	}
}

// byKind returns the sort keys of each kind of item in ascending order. The kind
// of an event includes the kind of its entity.
func (b *bench) byKind() map[string][]string {
	kinds := map[string][]string{}
	for _, sk := range slices.Sorted(maps.Keys(b.intact)) {
		kind := b.intact[sk]["entity_type"].Str()
		kinds[kind] = append(kinds[kind], sk)
	}
	return kinds
}

// edits lists the possible edits of one attribute. A nil result means that the
// edit does not apply to the value.
var edits = []struct {
	name string
	edit func(name string, v record.Value) record.Attrs
}{
	{"changed", func(name string, v record.Value) record.Attrs {
		switch v.Type() {
		case record.String:
			return record.Attrs{name: record.S(v.Str() + "x")}
		case record.Number:
			return record.Attrs{name: record.N(v.Int() + 1)}
		case record.Bool:
			return record.Attrs{name: record.T(!v.True())}
		}
		return record.Attrs{name: flipped(v, 0)}
	}},
	{"emptied", func(name string, v record.Value) record.Attrs {
		switch {
		case v.Type() == record.String && v.Str() != "":
			return record.Attrs{name: record.S("")}
		case v.Type() == record.Number && v.Int() != 0:
			return record.Attrs{name: record.N(0)}
		case v.Type() == record.Bytes:
			return record.Attrs{name: record.B([]byte{})}
		}
		return nil
	}},
	{"retyped", func(name string, v record.Value) record.Attrs {
		switch v.Type() {
		case record.String:
			return record.Attrs{name: record.B([]byte(v.Str()))}
		case record.Number:
			return record.Attrs{name: record.S(string(v.Canonical()))}
		case record.Bool:
			return record.Attrs{name: record.S(fmt.Sprint(v.True()))}
		}
		return record.Attrs{name: record.S(hex.EncodeToString(v.Bin()))}
	}},
	{"renamed", func(name string, v record.Value) record.Attrs { return record.Attrs{name + "2": v} }},
	{"removed", func(string, record.Value) record.Attrs { return record.Attrs{} }},
}

// flipped returns bytes with one flipped bit. A negative position counts from
// the end.
func flipped(v record.Value, at int) record.Value {
	b := bytes.Clone(v.Bin())
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 0x10
	return record.B(b)
}

// editClass returns the class of an edit of one attribute.
func editClass(attr, edit string) string {
	switch {
	case attr == "item_mac" && edit != "changed":
		return record.DamageStripped
	case attr == "key_id":
		return record.DamageMalformed
	case (attr == "content_encrypted" || attr == "content_nonce") && edit != "changed":
		return record.DamageMalformed
	}
	return record.DamageChanged
}

func verifyAnswerOf(t *testing.T, text string) verifyAnswer {
	t.Helper()
	var answer verifyAnswer
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("verify answers %q: %v", text, err)
	}
	return answer
}
