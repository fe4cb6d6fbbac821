package auditor

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// forge makes logs as records, with a fixed clock and fixed ids, so that a log
// is the same each time.
type forge struct {
	t        testing.TB
	signer   *checkpoint.Signer
	clock    time.Time
	events   int
	chains   []*link
	dialogue map[string]*state
}

// state is what a forged store holds of a dialogue.
type state struct {
	root     Root
	pointers []record.Record
	copied   map[uint64]record.Record // events of other chains, by version
}

// link is a chain under the hammer.
type link struct {
	f      *forge
	id     string
	events []audit.Event
	tree   checkpoint.Tree
	notes  []record.Record
}

func newForge(t testing.TB) *forge {
	return &forge{t: t, signer: signerOf(t, 7), clock: time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC), dialogue: map[string]*state{}}
}

func signerOf(t testing.TB, seed byte) *checkpoint.Signer {
	t.Helper()
	s, err := checkpoint.NewSigner(bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *forge) verifiers() note.Verifiers {
	v, err := checkpoint.ParseVerifiers([]string{f.signer.VerifierKey()})
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// chain begins a chain; names ascend with n.
func (f *forge) chain(n byte) *link {
	sum := sha256.Sum256([]byte{n})
	sum[0] = n
	c := &link{f: f, id: hex.EncodeToString(sum[:16])}
	f.chains = append(f.chains, c)
	c.add(audit.Genesis, "", func(e *audit.Event) { e.KeyID = f.signer.VerifierKey() })
	return c
}

// draft is the chain's next event, not closed.
func (c *link) draft(op audit.Operation, dialogue string) audit.Event {
	c.f.events++
	c.f.clock = c.f.clock.Add(time.Second)
	e := audit.Event{
		EventID: fmt.Sprintf("019c2b5e-0000-7000-8000-%012d", c.f.events), Timestamp: c.f.clock.Format(timestamp),
		Operation: op, Principal: "muffin", Outcome: audit.Success, Chain: c.id, Seq: uint64(len(c.events)) + 1,
		Dialogue: dialogue, Previous: audit.FirstPrevious(c.id),
	}
	if dialogue != "" {
		e.KeyID = "dek#" + dialogue + "#1"
	}
	if n := len(c.events); n > 0 {
		e.Previous = c.events[n-1].EventHash
	}
	return e
}

func (c *link) append(e audit.Event) audit.Event {
	c.events = append(c.events, e)
	leaf, _ := hex.DecodeString(e.EventHash)
	c.tree.Append(leaf)
	return e
}

// add appends an event that belongs to no commit.
func (c *link) add(op audit.Operation, dialogue string, fill ...func(*audit.Event)) audit.Event {
	e := c.draft(op, dialogue)
	for _, f := range fill {
		f(&e)
	}
	e.Close(e.RootHash)
	return c.append(e)
}

func intent(e *audit.Event) { e.Outcome = audit.Intent }

func read(e *audit.Event) {
	e.RootVersion, e.ItemCount, e.ItemsDigest, e.TraceID, e.SpanID = 1, 3, bytes.Repeat([]byte{9}, 32), strings.Repeat("ab", 16), strings.Repeat("cd", 8)
}

// commit appends the event of a dialogue's next version, with its pointer and root.
func (c *link) commit(dialogue string) audit.Event {
	s := c.f.state(dialogue)
	e := c.draft(audit.Encrypt, dialogue)
	e.RootVersion = s.root.Version + 1
	if err := e.Write([]audit.Item{{SK: "round#00", Tag: [16]byte{1}}, {SK: "tension#00#01", Tag: [16]byte{2}}}); err != nil {
		c.f.t.Fatal(err)
	}
	e.Close(audit.RootHash(sealed(dialogue, e.RootVersion)))
	s.root = Root{Stored, e.RootVersion, e.RootHash}
	s.pointers = append(s.pointers, e.Writes(nil)[1].Record)
	return c.append(e)
}

// sealed stands for the bytes of a sealed root.
func sealed(dialogue string, version uint64) []byte {
	return fmt.Appendf(nil, "root %d of %s", version, dialogue)
}

func (f *forge) state(dialogue string) *state {
	if f.dialogue[dialogue] == nil {
		f.dialogue[dialogue] = &state{root: Root{State: Gone}, copied: map[uint64]record.Record{}}
	}
	return f.dialogue[dialogue]
}

// sign makes a checkpoint over all events of the chain.
func (c *link) sign() string {
	text := c.f.note(c.f.signer, checkpoint.Checkpoint{Origin: checkpoint.Origin(c.id), Size: c.tree.Size(), Root: c.tree.Root()})
	c.notes = append(c.notes, noteRecord(c.id, c.tree.Size(), text))
	return text
}

func (f *forge) note(s *checkpoint.Signer, c checkpoint.Checkpoint) string {
	text, err := s.Sign(c)
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

func noteRecord(chain string, size uint64, text string) record.Record {
	return record.Record{Key: record.Key{Partition: record.CheckpointPartition(chain), Item: audit.SequenceItem(size)}, Attrs: record.Attrs{"note": record.S(text)}}
}

func (c *link) close() { c.add(audit.Close, ""); c.sign() }

func eventRecord(e audit.Event) record.Record { return e.Writes(nil)[0].Record }

// lines returns the log as an exported file holds it.
func (f *forge) lines() []record.Record {
	lines := []record.Record{{Key: record.Key{Partition: "format", Item: fileFormat}}}
	for _, c := range f.chains {
		lines = append(lines, record.Record{Key: record.Key{Partition: record.IndexPartition(c.id), Item: c.id}})
		for _, e := range c.events {
			lines = append(lines, eventRecord(e))
		}
		lines = append(lines, c.notes...)
	}
	var ids []string
	for id := range f.dialogue {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s := f.dialogue[id]
		root := record.Record{Key: record.Key{Partition: record.DialoguePartition(id), Item: rootSK}, Attrs: record.Attrs{"state": record.S(string(s.root.State))}}
		if s.root.State == Stored {
			root.Attrs["root_version"], root.Attrs["root_hash"] = record.N(int64(s.root.Version)), record.S(s.root.Hash)
		}
		lines = append(lines, root)
		for i, p := range s.pointers {
			if e, ok := s.copied[uint64(i)+1]; ok {
				lines = append(lines, e)
			}
			lines = append(lines, p)
		}
	}
	return lines
}

// encode writes lines as a file.
func encode(t testing.TB, lines []record.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, r := range lines {
		line, err := encodeLine(r)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(line)
	}
	return b.Bytes()
}

// store returns the log in a store.
func (f *forge) store() *memory.Store {
	s := memory.New()
	for _, c := range f.chains {
		f.put(s, record.Audit, record.Record{Key: record.Key{Partition: record.IndexPartition(c.id), Item: c.events[0].Timestamp[:10] + "#" + c.id}, Attrs: record.Attrs{"first": record.N(1)}})
		for _, e := range c.events {
			f.put(s, record.Audit, eventRecord(e))
		}
		f.put(s, record.Audit, c.notes...)
	}
	for id, d := range f.dialogue {
		f.put(s, record.Audit, d.pointers...)
		for _, e := range d.copied {
			f.put(s, record.Audit, e)
		}
		switch d.root.State {
		case Stored:
			f.put(s, record.Dialogues, metaOf(id, d.root.Version))
		case Erased:
			f.put(s, record.Dialogues, record.Record{Key: record.Key{Partition: record.DialoguePartition(id), Item: record.Meta}, Attrs: record.Attrs{"entity_type": record.S(record.Erased)}})
		}
	}
	return s
}

func metaOf(dialogue string, version uint64) record.Record {
	return record.Record{Key: record.Key{Partition: record.DialoguePartition(dialogue), Item: record.Meta}, Attrs: record.Attrs{
		"root_version": record.N(int64(version)), "root_sealed": record.B(sealed(dialogue, version)),
		"GSI1PK": record.S("status#open"), "GSI1SK": record.S("2026-02-03#" + dialogue),
	}}
}

func (f *forge) put(s record.Store, table record.Table, records ...record.Record) {
	f.t.Helper()
	for _, r := range records {
		if err := s.Commit(f.t.Context(), []record.Write{{Table: table, Record: r}}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// ordinary is a small log with two chains and two dialogues: one chain closed
// and covered, the other too.
func ordinary(t testing.TB) *forge {
	f := newForge(t)
	a, b := f.chain(0x11), f.chain(0x22)
	a.commit("apple")
	a.commit("apple")
	b.commit("berry")
	a.add(audit.Decrypt, "apple", read)
	a.sign()
	b.add(audit.Decrypt, "berry", read, func(e *audit.Event) { e.Outcome, e.ErrorClass = audit.Failure, "tampered" })
	a.commit("apple")
	b.close()
	a.close()
	return f
}
