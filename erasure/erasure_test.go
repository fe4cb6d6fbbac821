package erasure_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// office is a store with a signed log, a clock, and a notary.
type office struct {
	t         testing.TB
	records   record.Store
	umk       string
	clock     time.Time
	signer    *checkpoint.Signer
	verifiers note.Verifiers
	directory *audit.Directory
	logs      []*audit.Log
}

func newOffice(t testing.TB, records record.Store) *office {
	t.Helper()
	signer, err := checkpoint.NewSigner(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	verifiers, err := checkpoint.ParseVerifiers([]string{signer.VerifierKey()})
	if err != nil {
		t.Fatal(err)
	}
	return &office{t: t, records: records, umk: filepath.Join(t.TempDir(), "umk.key"), clock: time.Date(2026, 2, 3, 10, 0, 0, 5, time.UTC),
		signer: signer, verifiers: verifiers, directory: audit.NewDirectory(records)}
}

func (o *office) now() time.Time { return o.clock }

func (o *office) as(user string) sealedStore {
	provider := sealedtest.Key(o.umk)
	log := audit.NewLog(o.records, user, &audit.Options{Now: o.now, Signer: func(context.Context) (*checkpoint.Signer, error) { return o.signer, nil }, Principals: o.directory, Interval: 1000 * time.Hour})
	o.logs = append(o.logs, log)
	s := sealedStore{encrypted.New(o.records, provider, user, log, &encrypted.Options{Now: o.now})}
	o.t.Cleanup(func() { s.Close(); log.Close(context.Background()) })
	return s
}

func (o *office) checkpoint() {
	o.t.Helper()
	for _, l := range o.logs {
		if err := l.Checkpoint(o.t.Context()); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *office) notary() *erasure.Notary {
	return &erasure.Notary{Store: o.records, Signer: o.signer, Verifiers: o.verifiers, Now: o.now}
}

func (o *office) fill(s sealedStore, id blue.DialogueID, moves int) {
	o.t.Helper()
	if _, err := s.Create(o.t.Context(), id, blue.NewDialogue{Title: "T"}); err != nil {
		o.t.Fatal(err)
	}
	b := blue.RoundBatch{Round: 0, Score: 1}
	for i := range moves {
		b.Moves = append(b.Moves, blue.MoveDraft{Expert: "Muffin", Type: "defend", Context: fmt.Sprint(i)})
	}
	if _, err := s.RegisterRound(o.t.Context(), id, b); err != nil {
		o.t.Fatal(err)
	}
}

// erased erases tea and returns its certificate.
func (o *office) erased() string {
	o.t.Helper()
	o.fill(o.as("ada"), tea, 5)
	o.clock = o.clock.Add(time.Minute)
	done, err := o.as("ada").Erase(o.t.Context(), tea)
	if err != nil {
		o.t.Fatal(err)
	}
	o.checkpoint()
	text, err := o.notary().Issue(o.t.Context(), erasure.Subject{Kind: erasure.KindDialogue, ID: string(tea)}, done.Event)
	if err != nil {
		o.t.Fatal(err)
	}
	return text
}

func (o *office) open(text string) erasure.Certificate {
	o.t.Helper()
	c, err := erasure.Open(text, o.verifiers)
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// vault is a memory store that knows of copies, and has a name.
type vault struct {
	*memory.Store
	name   string
	copies []record.Copy
	err    error
}

func (v *vault) Copies(context.Context) ([]record.Copy, error) { return v.copies, v.err }

func (v *vault) Identity(context.Context) ([]string, error) { return []string{v.name}, v.err }

func TestCertificate(t *testing.T) {
	for name, records := range dialoguetest.Backends {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			o := newOffice(t, records(t))
			text := o.erased()
			c, err := o.notary().Verify(ctx, text)
			if err != nil {
				t.Fatal(err)
			}
			if c.State != erasure.Pending || c.Items != 7 || len(c.Keys) != 1 || c.NotBefore != "2026-02-03T10:06:01Z" || c.StartedAt != "2026-02-03T10:01:00.000000005Z" {
				t.Errorf("%+v", c)
			}
			if found, err := o.notary().Issue(ctx, c.Subject, erasure.Event{}); err != nil || found != text {
				t.Errorf("without the place another certificate: %v", err)
			}
			human := c.String()
			proof, err := checkpoint.ParseProof(c.Proof)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(proof.Note, "\n")
			for _, want := range []string{
				"(pending)", "dialogue tea", c.Keys[0], "7 in blue_dialogues", c.Event.Hash, "until 2026-02-03T10:06:01Z", "physical media",
				fmt.Sprintf("chain %s, event %d\n", c.Event.Chain, c.Event.Seq), "under checkpoint   " + lines[0] + "\n",
				lines[1] + " events, root " + lines[2][:16] + "…\n", fmt.Sprintf("event %d, hashes: %d\n", c.Event.Seq, len(proof.Hashes)),
			} {
				if !strings.Contains(human, want) {
					t.Errorf("the text for people lacks %q:\n%s", want, human)
				}
			}
			if uncovered := strings.Contains(human, "backups and copies of /"); uncovered != (name == "SQLite") {
				t.Errorf("copies of files are named: %v", uncovered)
			}

			if _, err := o.notary().Finalize(ctx, text); !errors.Is(err, blue.ErrRefused) || !strings.Contains(err.Error(), "memory of processes") {
				t.Errorf("final at once: %v", err)
			}
			o.clock = time.Date(2026, 2, 3, 10, 6, 0, 999, time.UTC)
			if _, err := o.notary().Finalize(ctx, text); !errors.Is(err, blue.ErrRefused) {
				t.Errorf("final a second too early: %v", err)
			}
			o.clock = o.clock.Add(time.Second)
			final, err := o.notary().Finalize(ctx, text)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := o.notary().Verify(ctx, final); err != nil || c.State != erasure.Final || !strings.Contains(c.String(), "All of these have ended") {
				t.Errorf("%+v, %v", c, err)
			}
			if same, err := o.notary().Finalize(ctx, final); err != nil || same != final {
				t.Errorf("final again: %v", err)
			}
			o.clock = o.clock.Add(-time.Hour)
			if _, err := o.notary().Verify(ctx, final); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "must not be final before") {
				t.Errorf("final before its date: %v", err)
			}
		})
	}
}

// TestCopies: a certificate waits for every copy that the store knows of, and
// for no other.
func TestCopies(t *testing.T) {
	ctx := t.Context()
	v := &vault{Store: memory.New()}
	o := newOffice(t, v)
	before, after := o.clock, o.clock.Add(2*time.Hour)
	window := record.Copy{Kind: "point_in_time", What: "the window", Window: 24 * time.Hour, Covered: true}
	backup := record.Copy{Kind: "backup", What: "the backup", Made: before, Covered: true}
	ending := record.Copy{Kind: "backup", What: "the ending one", Made: before, Expires: before.Add(72 * time.Hour), Covered: true}
	v.copies = []record.Copy{window, backup, ending, {Kind: "backup", What: "a later one", Made: after, Covered: true}, {Kind: "snapshot", What: "snapshots"}}
	text := o.erased()
	c := o.open(text)
	if len(c.Copies) != 5 || c.NotBefore != "" || strings.Contains(c.String(), "a later one") || !strings.Contains(c.String(), "the backup, until it is deleted") {
		t.Errorf("%+v\n%s", c.Copies, c.String())
	}
	wait := func(want string) {
		t.Helper()
		if _, err := o.notary().Finalize(ctx, text); !errors.Is(err, blue.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("final: %v; want it to wait for %s", err, want)
		}
	}
	o.clock = before.Add(2 * time.Hour)
	wait("the window")
	o.clock = before.Add(100 * time.Hour)
	wait("the backup")
	v.err = blue.ErrUnavailable
	if _, err := o.notary().Finalize(ctx, text); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("final although the copies cannot be listed: %v", err)
	}
	v.err, v.copies = nil, []record.Copy{window} // both backups were deleted
	o.clock = before.Add(71 * time.Hour)
	wait("the ending one") // whose end was promised; that it is not listed is believed of those without an end alone
	o.clock = before.Add(73 * time.Hour)
	final, err := o.notary().Finalize(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.notary().Verify(ctx, final); err != nil {
		t.Error(err)
	}
	v.copies = append(v.copies, backup)
	if _, err := o.notary().Verify(ctx, final); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "a copy is there: the backup") {
		t.Errorf("final beside a copy: %v", err)
	}
}

// TestSlowClock: the clock of the client that erased was behind that of the store.
// What was made before the erasure by the right time is waited for, a window
// until it has certainly passed.
func TestSlowClock(t *testing.T) {
	v := &vault{Store: memory.New()}
	o := newOffice(t, v)
	finished := o.clock.Add(time.Minute)
	made := func(what string, after time.Duration) record.Copy {
		return record.Copy{Kind: "backup", What: what, Made: finished.Add(after), Covered: true}
	}
	v.copies = []record.Copy{made("a just made one", 59*time.Minute), made("a later one", 61*time.Minute), {Kind: "point_in_time", What: "the window", Window: 24 * time.Hour, Covered: true}}
	text := o.erased()
	c := o.open(text)
	human := c.String()
	if !strings.Contains(human, "a just made one, until it is deleted") || strings.Contains(human, "a later one") || !strings.Contains(human, "the window, until 2026-02-04T11:01:01Z") {
		t.Error(human)
	}
	o.clock = o.clock.Add(30 * time.Hour)
	if _, err := o.notary().Finalize(t.Context(), text); !errors.Is(err, blue.ErrRefused) || !strings.Contains(err.Error(), "a just made one") {
		t.Errorf("final: %v", err)
	}
}

// TestListedAfterItsEnd: an end that was promised is no end while the store still
// lists the copy.
func TestListedAfterItsEnd(t *testing.T) {
	ctx := t.Context()
	v := &vault{Store: memory.New()}
	o := newOffice(t, v)
	v.copies = []record.Copy{{Kind: "backup", What: "the backup", Made: o.clock, Expires: o.clock.Add(10 * time.Hour), Covered: true}}
	text := o.erased()
	o.clock = o.clock.Add(11 * time.Hour)
	if _, err := o.notary().Finalize(ctx, text); !errors.Is(err, blue.ErrRefused) || !strings.Contains(err.Error(), "the backup, until it is deleted") {
		t.Errorf("final: %v", err)
	}
	late := v.copies
	v.copies = nil
	final, err := o.notary().Finalize(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	v.copies = late
	if _, err := o.notary().Verify(ctx, final); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "a copy is there: the backup") {
		t.Errorf("final beside a copy: %v", err)
	}
}

// TestFinalElsewhere: a store that holds the same records and knows nothing of
// the copies does not make a certificate final.
func TestFinalElsewhere(t *testing.T) {
	ctx := t.Context()
	v := &vault{Store: memory.New(), name: "arn:aws:dynamodb:eu-central-1:111122223333:table/blue_keys"}
	o := newOffice(t, v)
	v.copies = []record.Copy{{Kind: "backup", What: "the backup", Made: o.clock, Covered: true}}
	text := o.erased()
	o.clock = o.clock.Add(100 * time.Hour)
	for name, other := range map[string]record.Store{
		"another name": &vault{Store: v.Store, name: "arn:aws:dynamodb:ddblocal:000000000000:table/blue_keys"},
		"no name":      v.Store,
	} {
		n := o.notary()
		n.Store = other
		if _, err := n.Verify(ctx, text); err != nil {
			t.Errorf("%s: the records are not the same: %v", name, err)
		}
		if _, err := n.Finalize(ctx, text); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "issued in "+v.name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wait := func(want error) {
		t.Helper()
		if _, err := o.notary().Finalize(ctx, text); !errors.Is(err, want) {
			t.Errorf("%v; want %v", err, want)
		}
	}
	wait(blue.ErrRefused)
	v.err = blue.ErrUnavailable
	wait(blue.ErrUnavailable)
	v.err, v.copies = nil, nil
	wait(nil)
}

// TestCopiesDropped: a certificate lists every copy that the store lists from
// before, with no earlier end, and what nobody can see.
func TestCopiesDropped(t *testing.T) {
	v := &vault{Store: memory.New()}
	o := newOffice(t, v)
	backup := record.Copy{Kind: "backup", What: "the backup", Made: o.clock, Covered: true}
	v.copies = []record.Copy{{Kind: "point_in_time", What: "the window", Window: 40 * time.Hour, Covered: true}, backup, {Kind: "snapshot", What: "snapshots"}}
	text := o.erased()
	drop := func(at int) func(c *erasure.Certificate) {
		return func(c *erasure.Certificate) { c.Copies = slices.Delete(c.Copies, at, at+1) }
	}
	o.refuses(text, map[string]forgery{
		"no window": {drop(1), "it does not list the window"},
		"no backup": {func(c *erasure.Certificate) {
			drop(2)(c)
			c.NotBefore = c.Copies[1].Expires
		}, "it does not list the backup"},
		"no snapshots":   {drop(3), "it does not list snapshots"},
		"a short window": {func(c *erasure.Certificate) { c.Copies[1].Expires = "2026-02-04T10:01:01Z" }, "it does not list the window"},
		"an open window": {func(c *erasure.Certificate) { c.Copies[1].Covered = false }, "it does not list the window"},
		"a backup's end": {func(c *erasure.Certificate) {
			c.Copies[2].Expires, c.NotBefore = "2026-02-05T10:01:01Z", "2026-02-05T10:01:01Z"
		}, "it does not list the backup"},
		"covered snapshots": {func(c *erasure.Certificate) { c.Copies[3].Covered = true }, "it does not list snapshots"},
	})
	o.clock = o.clock.Add(24 * time.Hour) // the window has ended
	v.copies = []record.Copy{{Kind: "snapshot", What: "snapshots, spelt another way"}}
	if _, err := o.notary().Verify(t.Context(), text); err != nil {
		t.Errorf("when the copies have ended: %v", err)
	}
	v.err = blue.ErrUnavailable
	if _, err := o.notary().Verify(t.Context(), text); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("the copies cannot be listed: %v", err)
	}
}

// TestEdited: a certificate of which any member was changed fails, by its
// signature; and one that the signer himself made false fails by what it says.
func TestEdited(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, memory.New())
	text := o.erased()
	body, signatures, _ := strings.Cut(text, "\n\n")
	var members map[string]any
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(body, "\n") {
		for _, at := range []int{len(line) / 2, len(line) - 1} {
			if len(line) < 3 {
				continue
			}
			lines := strings.Split(body, "\n")
			lines[i] = line[:at] + string(line[at]^1) + line[at+1:]
			if _, err := o.notary().Verify(ctx, strings.Join(lines, "\n")+"\n\n"+signatures); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("line %q passes: %v", lines[i], err)
			}
		}
	}
	o.refuses(text, map[string]forgery{
		"final too early": {func(c *erasure.Certificate) { c.State = erasure.Final }, "made final before"},
		"another date":    {func(c *erasure.Certificate) { c.NotBefore = c.IssuedAt }, "final_not_before"},
		"no copies": {func(c *erasure.Certificate) {
			c.Copies, c.NotBefore, c.State, c.IssuedAt = []erasure.Copy{}, "2026-02-03T10:01:01Z", erasure.Final, "2026-02-03T10:01:01Z"
		}, "it does not list keys in the memory of processes that run until 2026-02-03T10:06:01Z"},
		"a cache that ends sooner": {func(c *erasure.Certificate) {
			c.Copies[0].Expires, c.NotBefore = "2026-02-03T10:05:01Z", "2026-02-03T10:05:01Z"
		}, "it does not list keys in the memory"},
		"a cache not covered": {func(c *erasure.Certificate) { c.Copies[0].Covered, c.NotBefore = false, "2026-02-03T10:01:01Z" }, "it does not list keys in the memory"},
		"a copy without end":  {func(c *erasure.Certificate) { c.Copies[0].Expires, c.NotBefore, c.State = "", "", erasure.Final }, "without an end"},
		"another state":       {func(c *erasure.Certificate) { c.State = "done" }, "state"},
		"another kind":        {func(c *erasure.Certificate) { c.Subject.Kind = "store" }, "kind"},
		"another format":      {func(c *erasure.Certificate) { c.Format = "blue-encrypted-store/erasure/v2" }, "format"},
		"another dialogue":    {func(c *erasure.Certificate) { c.Subject.ID = "coffee" }, "another event"},
		"another seq":         {func(c *erasure.Certificate) { c.Event.Seq-- }, "another event"},
		"another chain":       {func(c *erasure.Certificate) { c.Event.Chain = strings.Repeat("ab", 16) }, "not in the log"},
		"another hash":        {func(c *erasure.Certificate) { c.Event.Hash = strings.Repeat("ab", 32) }, "another event"},
		"more items":          {func(c *erasure.Certificate) { c.Items++ }, "counts 7 records"},
		"fewer items":         {func(c *erasure.Certificate) { c.Items = 0 }, "counts 7 records"},
		"another digest":      {func(c *erasure.Certificate) { c.ItemsDigest = strings.Repeat("ab", 32) }, "digest"},
		"a key more":          {func(c *erasure.Certificate) { c.Keys = append(c.Keys, strings.Repeat("ab", 32)) }, "it names the key"},
		"a key fewer":         {func(c *erasure.Certificate) { c.Keys = []string{} }, "it does not name the key"},
		"a key twice":         {func(c *erasure.Certificate) { c.Keys = append(c.Keys, c.Keys...) }, "a key twice"},
		"begun later":         {func(c *erasure.Certificate) { c.StartedAt = "2026-02-03T10:01:00.000000006Z" }, "began at"},
		"begun at no time":    {func(c *erasure.Certificate) { c.StartedAt = "" }, "began at"},
		"finished later":      {func(c *erasure.Certificate) { c.FinishedAt = "2026-02-03T10:01:00.000000006Z" }, "was finished at"},
		"a table fewer":       {func(c *erasure.Certificate) { c.Tables = c.Tables[:1] }, "other tables"},
		"a dialogue more":     {func(c *erasure.Certificate) { c.Erased = []string{"coffee"} }, "other dialogues"},
		"no proof":            {func(c *erasure.Certificate) { c.Proof = "" }, "proof"},
		"a proof of another":  {func(c *erasure.Certificate) { c.Proof = strings.Replace(c.Proof, "\nindex ", "\nindex 1", 1) }, "proof"},
		"no time":             {func(c *erasure.Certificate) { c.FinishedAt = "yesterday" }, "not a valid timestamp"},
		"issued at no time":   {func(c *erasure.Certificate) { c.IssuedAt = "" }, "not a valid timestamp"},
		"a copy's end absurd": {func(c *erasure.Certificate) { c.Copies[0].Expires = "soon" }, "not a valid timestamp"},
	})
	for name, bad := range map[string]string{
		"empty": "", "a checkpoint": o.open(text).Proof, "an array": sign(t, o.signer, "[]\n"), "null": sign(t, o.signer, "null\n"), "text": sign(t, o.signer, "hello\n"),
		"a member more": sign(t, o.signer, strings.Replace(body, "{\n", "{\n  \"more\": 1,\n", 1)+"\n"),
		"a member less": sign(t, o.signer, strings.Replace(body, "  \"state\": \"pending\",\n", "", 1)+"\n"),
		"other spaces":  sign(t, o.signer, strings.Replace(body, "  \"state\"", " \"state\"", 1)+"\n"),
	} {
		if _, err := o.notary().Verify(ctx, bad); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stranger, err := checkpoint.NewSigner(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.notary().Verify(ctx, sign(t, stranger, body+"\n")); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("signed by a stranger: %v", err)
	}
}

// forgery is a certificate that its signer himself made false, and what it fails
// by.
type forgery struct {
	edit func(c *erasure.Certificate)
	want string
}

// refuses expects that a certificate fails once it was changed and signed again,
// a day later too, and holds as it is.
func (o *office) refuses(text string, forgeries map[string]forgery) {
	o.t.Helper()
	o.clock = o.clock.Add(24 * time.Hour)
	forgeries[""] = forgery{edit: func(*erasure.Certificate) {}}
	for name, f := range forgeries {
		c := o.open(text)
		f.edit(&c)
		b, err := json.MarshalIndent(&c, "", "  ")
		if err != nil {
			o.t.Fatal(err)
		}
		switch _, err = o.notary().Verify(o.t.Context(), sign(o.t, o.signer, string(b)+"\n")); {
		case name == "" && err != nil:
			o.t.Fatalf("signed again as it is: %v", err)
		case name != "" && (!errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), f.want)):
			o.t.Errorf("%s: %v; want %q", name, err, f.want)
		}
	}
}

func sign(t testing.TB, s *checkpoint.Signer, text string) string {
	t.Helper()
	signed, err := s.SignStatement(text)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// TestAnotherStore: a certificate is about one store. Another one that has
// erased a dialogue of the same name fails.
func TestAnotherStore(t *testing.T) {
	a, b := newOffice(t, memory.New()), newOffice(t, memory.New())
	text, _ := a.erased(), b.erased()
	if _, err := a.notary().Verify(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if _, err := b.notary().Verify(t.Context(), text); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "another store") {
		t.Errorf("in another store: %v", err)
	}
}

// TestCameBack: whatever of the erased is there again, the certificate fails.
func TestCameBack(t *testing.T) {
	ctx := t.Context()
	at := func(table record.Table, pk, sk string, attrs record.Attrs) func(o *office) {
		return func(o *office) {
			key := record.Key{Partition: record.Partition(pk), Item: sk}
			w := record.Write{Table: table, Record: record.Record{Key: key, Attrs: attrs}}
			if old, err := o.records.Get(ctx, table, key); err == nil {
				w.Prev = old.Attrs
			}
			writes := []record.Write{w}
			if table == record.Dialogues && sk != record.Meta {
				meta, err := o.records.Get(ctx, table, record.Key{Partition: record.Partition(pk), Item: record.Meta})
				if err != nil {
					o.t.Fatal(err)
				}
				writes = append(writes, record.Write{Table: table, Record: meta, Prev: meta.Attrs})
			}
			if err := o.records.Commit(ctx, writes); err != nil {
				o.t.Fatal(err)
			}
		}
	}
	pk := "dialogue#" + string(tea)
	wrap := record.Attrs{"wrapped": record.B(make([]byte, 60)), "umk": record.S("umk:0"), "user": record.S("ada"), "version": record.N(1)}
	for name, c := range map[string]struct {
		damage func(o *office)
		want   string
	}{
		"a wrap":            {at(record.Keys, pk, "wrap#0000000001#ada", wrap), "wrapped keys again"},
		"an active head":    {at(record.Keys, pk, "head", record.Attrs{"state": record.S("active"), "active_version": record.N(1)}), "not erased"},
		"an item":           {at(record.Dialogues, pk, "round#00", record.Attrs{"n": record.N(1)}), "instead of its tombstone"},
		"meta":              {at(record.Dialogues, pk, record.Meta, record.Attrs{"n": record.N(1)}), "instead of its tombstone"},
		"no tombstone":      {at(record.Dialogues, pk, record.Meta, nil), "instead of its tombstone"},
		"no head of keys":   {at(record.Keys, pk, "head", nil), "do not say"},
		"another registry":  {at(record.Keys, "erased", string(tea), record.Attrs{"state": record.S("erased")}), "it names the key"},
		"no registry":       {at(record.Keys, "erased", string(tea), nil), "the registry of erasures does not know dialogue tea"},
		"the event changed": {nil, "hash"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, memory.New())
			text := o.erased()
			if c.damage == nil {
				e := o.open(text).Event
				c.damage = at(record.Audit, "audit#"+e.Chain, fmt.Sprintf("%012d", e.Seq), record.Attrs{"chain": record.S(e.Chain), "seq": record.N(int64(e.Seq)), "event_hash": record.S(e.Hash)})
			}
			c.damage(o)
			_, err := o.notary().Verify(ctx, text)
			if err == nil || c.want != "" && (!errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}

// TestIssueRefused: no certificate without a finished erasure and a checkpoint.
func TestIssueRefused(t *testing.T) {
	ctx := t.Context()
	o := newOffice(t, memory.New())
	subject := erasure.Subject{Kind: erasure.KindDialogue, ID: string(tea)}
	o.fill(o.as("ada"), tea, 2)
	if _, err := o.notary().Issue(ctx, subject, erasure.Event{}); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("not erased: %v", err)
	}
	done, err := o.as("ada").Erase(ctx, tea)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.notary().Issue(ctx, subject, done.Event); !errors.Is(err, blue.ErrNotFound) || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("without a checkpoint: %v", err)
	}
	o.checkpoint()
	for name, s := range map[string]erasure.Subject{"user": {Kind: erasure.KindUser, ID: "ada"}, "kind": {Kind: "store", ID: "x"}, "nothing": {}} {
		if _, err := o.notary().Issue(ctx, s, erasure.Event{}); err == nil {
			t.Errorf("%s: certified", name)
		}
	}
	if _, err := o.notary().Issue(ctx, erasure.Subject{Kind: erasure.KindDialogue, ID: "coffee"}, done.Event); err == nil {
		t.Error("another dialogue by this event: certified")
	}
}

// TestRestored: a certificate fails while restored data stands, and a new one
// is due after the replay.
func TestRestored(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	path := filepath.Join(dir, "blue.db")
	open := func() *sqlite.Store {
		s, err := sqlite.Open(ctx, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	o := newOffice(t, s)
	o.fill(o.as("ada"), tea, 5)
	s.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = open()
	again := &office{t: t, records: s, umk: o.umk, clock: o.clock, signer: o.signer, verifiers: o.verifiers, directory: audit.NewDirectory(s)}
	done, err := again.as("ada").Erase(ctx, tea)
	if err != nil {
		t.Fatal(err)
	}
	again.checkpoint()
	subject := erasure.Subject{Kind: erasure.KindDialogue, ID: string(tea)}
	text, err := again.notary().Issue(ctx, subject, done.Event)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"backups and copies of " + path, "snapshots"} {
		if c := again.open(text); !strings.Contains(c.String(), want) {
			t.Errorf("the certificate does not say that it does not cover %s:\n%s", want, c.String())
		}
	}
	s.Close()
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer s.Close()
	last := &office{t: t, records: s, umk: o.umk, clock: o.clock.Add(time.Hour), signer: o.signer, verifiers: o.verifiers, directory: audit.NewDirectory(s)}
	if _, err := last.notary().Verify(ctx, text); !errors.Is(err, blue.ErrTampered) {
		t.Errorf("after the restore: %v", err)
	}
	replayed, err := last.as("ada").ReplayErasures(ctx)
	if err != nil || len(replayed) != 1 || replayed[0].Already {
		t.Fatalf("%+v, %v", replayed, err)
	}
	last.checkpoint()
	if _, err := last.notary().Issue(ctx, subject, replayed[0].Event); err != nil {
		t.Errorf("after the replay: %v", err)
	}
}
