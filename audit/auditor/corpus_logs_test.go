package auditor

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// logCase is one file of the corpus: a whole log, and one thing done to it.
type logCase struct {
	name  string
	want  string
	base  func(testing.TB) *forge
	edit  func(*editor)
	bytes func([]byte) []byte
}

// editor changes the lines of a log.
type editor struct {
	t     testing.TB
	f     *forge
	a     *link
	lines []record.Record
}

func newEditor(t testing.TB, base func(testing.TB) *forge) *editor {
	f := base(t)
	e := &editor{t: t, f: f, lines: f.lines()}
	if len(f.chains) > 0 {
		e.a = f.chains[0]
	}
	return e
}

// at returns the line of a key.
func (e *editor) at(key record.Key) int {
	e.t.Helper()
	i := slices.IndexFunc(e.lines, func(r record.Record) bool { return r.Key == key })
	if i < 0 {
		e.t.Fatalf("no line %v", key)
	}
	return i
}

// event returns the line of an event of the first chain.
func (e *editor) event(seq uint64) int { return e.at(audit.EventKey(e.a.id, seq)) }

func (e *editor) drop(keys ...record.Key) {
	for _, key := range keys {
		i := e.at(key)
		e.lines = slices.Delete(e.lines, i, i+1)
	}
}

// set changes one attribute; a zero value takes it away.
func (e *editor) set(key record.Key, name string, v record.Value) {
	r := e.lines[e.at(key)].Clone()
	r.Attrs[name] = v
	if v.Type() == 0 {
		delete(r.Attrs, name)
	}
	e.lines[e.at(key)] = r
}

// put adds a line after another.
func (e *editor) put(after record.Key, r record.Record) {
	e.lines = slices.Insert(e.lines, e.at(after)+1, r)
}

// replace stores another event in the place of one.
func (e *editor) replace(seq uint64, event audit.Event) {
	r := eventRecord(event)
	r.Key = audit.EventKey(e.a.id, seq)
	e.lines[e.event(seq)] = r
}

// rehash changes the event at a seq and recomputes its hash and all later ones.
func (e *editor) rehash(from uint64, change func(*audit.Event)) {
	events := slices.Clone(e.a.events)
	for i := from - 1; i < uint64(len(events)); i++ {
		if i == from-1 {
			change(&events[i])
		}
		if i > 0 {
			events[i].Previous = events[i-1].EventHash
		}
		events[i].Close(events[i].RootHash)
		e.replace(i+1, events[i])
	}
}

// note replaces the text of a checkpoint of the first chain.
func (e *editor) note(size uint64, text string) {
	e.set(record.Key{Partition: record.CheckpointPartition(e.a.id), Item: audit.SequenceItem(size)}, "note", record.S(text))
}

func (e *editor) noteOf(i int) string { return e.a.notes[i].Attrs["note"].Str() }

// one is a small closed log: genesis, two commits, a read, close; checkpoints
// over 3 and 5.
func one(t testing.TB) *forge {
	f := newForge(t)
	a := f.chain(0x11)
	a.commit("apple")
	a.commit("apple")
	a.sign()
	a.add(audit.Decrypt, "apple", read)
	a.close()
	return f
}

// copied is a log whose first dialogue came from another store, where its
// first two commits were made, and was written to here.
func copied(t testing.TB) *forge {
	f := newForge(t)
	far := f.chain(0x33)
	f.chains = nil
	for range 2 {
		e := far.commit("apple")
		f.state("apple").copied[e.RootVersion] = eventRecord(e)
	}
	a := f.chain(0x11)
	a.add(audit.Boundary, "apple", func(e *audit.Event) { e.RootVersion, e.ItemCount, e.ItemsDigest = 2, 3, bytes.Repeat([]byte{8}, 32) })
	a.commit("apple")
	a.close()
	return f
}

func build(make func(f *forge, a *link)) func(testing.TB) *forge {
	return func(t testing.TB) *forge {
		f := newForge(t)
		make(f, f.chain(0x11))
		return f
	}
}

var goodLogs = []logCase{
	{name: "ok closed", want: OK, base: one},
	{name: "ok two chains", want: OK, base: ordinary},
	{name: "ok copied", want: OK, base: copied},
	{name: "ok nothing", want: OK, base: func(t testing.TB) *forge { return newForge(t) }},
	{name: "ok only reads", want: OK, base: build(func(_ *forge, a *link) { a.add(audit.Decrypt, "apple", read); a.close() })},
	{name: "ok void", want: OK, base: build(func(_ *forge, a *link) {
		a.add(audit.Void, "apple", func(e *audit.Event) { e.Outcome = audit.Failure })
		a.commit("apple")
		a.close()
	})},
	{name: "ok failure and denied", want: OK, base: build(func(_ *forge, a *link) {
		a.add(audit.Decrypt, "apple", func(e *audit.Event) { e.Outcome, e.ErrorClass = audit.Failure, "tampered" })
		a.add(audit.UnwrapDEK, "apple", func(e *audit.Event) { e.Outcome, e.ErrorClass = audit.Denied, "denied" })
		a.add(audit.Encrypt, "apple", func(e *audit.Event) { e.Outcome, e.ErrorClass = audit.Failure, "busy" })
		a.close()
	})},
	{name: "ok intent", want: OK, base: build(func(_ *forge, a *link) {
		a.add(audit.WrapDEK, "apple", func(e *audit.Event) { e.Outcome = "intent" })
		a.add(audit.WrapDEK, "apple")
		a.commit("apple")
		a.close()
	})},
	{name: "ok checkpoint after each event", want: OK, base: build(func(_ *forge, a *link) {
		for range 4 {
			a.sign()
			a.commit("apple")
		}
		a.close()
	})},
	{name: "ok signed by two", want: OK, base: one, edit: func(e *editor) {
		c := checkpoint.Checkpoint{Origin: checkpoint.Origin(e.a.id), Size: 5, Root: e.a.tree.Root()}
		_, other, _ := strings.Cut(e.f.note(signerOf(e.t, 8), c), "\n\n")
		e.note(5, e.noteOf(1)+strings.Replace(other, "blue-audit", "a-witness", 1))
	}},
	{name: "ok erased", want: OK, base: build(func(f *forge, a *link) {
		a.commit("apple")
		a.add(audit.Erase, "apple", intent)
		a.add(audit.Erase, "apple")
		f.dialogue["apple"].root = Root{State: Erased}
		a.close()
	})},
	{name: "ok being erased", want: OK, base: build(func(f *forge, a *link) {
		a.commit("apple")
		a.add(audit.Erase, "apple", intent)
		f.dialogue["apple"].root = Root{State: Erased}
		a.close()
	})},
	{name: "ok erasure begun", want: OK, base: build(func(f *forge, a *link) {
		a.commit("apple")
		a.add(audit.Erase, "apple", intent)
		a.commit("apple") // by a writer that held the key
		a.close()
	})},
	{name: "ok being copied", want: OK, base: one, edit: func(e *editor) {
		root := record.Key{Partition: "dialogue#apple", Item: rootSK}
		e.drop(record.Key{Partition: "dialogue#apple", Item: audit.SequenceItem(1)}, record.Key{Partition: "dialogue#apple", Item: audit.SequenceItem(2)})
		e.lines[e.at(root)] = record.Record{Key: root, Attrs: record.Attrs{"state": record.S(string(Copying))}}
	}},
	{name: "ok written to meanwhile", want: OK, base: one, edit: func(e *editor) {
		root := record.Key{Partition: "dialogue#apple", Item: rootSK}
		e.drop(record.Key{Partition: "dialogue#apple", Item: audit.SequenceItem(1)}, record.Key{Partition: "dialogue#apple", Item: audit.SequenceItem(2)})
		e.lines[e.at(root)] = record.Record{Key: root, Attrs: record.Attrs{"state": record.S(string(Moving))}}
	}},
	{name: "unproven unclosed", want: Unproven, base: build(func(_ *forge, a *link) { a.commit("apple"); a.sign() })},
	{name: "unproven tail", want: Unproven, base: build(func(_ *forge, a *link) { a.commit("apple"); a.sign(); a.commit("apple") })},
	{name: "unproven without checkpoints", want: Unproven, base: build(func(_ *forge, a *link) { a.commit("apple"); a.add(audit.Close, "") })},
	{name: "unproven close", want: Unproven, base: build(func(_ *forge, a *link) { a.commit("apple"); a.sign(); a.add(audit.Close, "") })},
	{name: "unproven genesis alone", want: Unproven, base: build(func(*forge, *link) {})},
	{name: "unproven tail cut past the checkpoint", want: Unproven, base: one, edit: func(e *editor) {
		e.drop(audit.EventKey(e.a.id, 4), audit.EventKey(e.a.id, 5), e.a.notes[1].Key)
	}},
}

// field changes one attribute of an event and leaves its hash.
func field(name string, seq uint64, attribute string, v record.Value) logCase {
	return logCase{name: "changed " + name, want: string(Changed), base: one, edit: func(e *editor) { e.set(audit.EventKey(e.a.id, seq), attribute, v) }}
}

var badEvents = []logCase{
	field("event id", 2, "event_id", record.S("019c2b5e-0000-7000-8000-000000000099")),
	field("timestamp", 2, "timestamp", record.S("2026-02-03T11:00:00.000000000Z")),
	field("trace id", 4, "trace_id", record.S(strings.Repeat("ef", 16))),
	field("span id taken away", 4, "span_id", record.Value{}),
	field("operation", 4, "operation", record.S("encrypt")),
	field("key id", 2, "key_id", record.S("dek#apple#2")),
	field("principal", 4, "principal", record.S("nobody")),
	field("outcome", 4, "outcome", record.S("failure")),
	field("chain", 4, "chain", record.S(strings.Repeat("0", 32))),
	field("seq", 4, "seq", record.N(3)),
	field("seq as text", 4, "seq", record.S("4")),
	field("dialogue", 4, "dialogue", record.S("berry")),
	field("root version", 2, "root_version", record.N(2)),
	field("item count", 4, "item_count", record.N(2)),
	field("items digest", 4, "items_digest", record.B(bytes.Repeat([]byte{7}, 32))),
	field("item names", 2, "item_names", record.B([]byte{3, 0})),
	field("item tags", 2, "item_tags", record.B(make([]byte, 32))),
	field("error class", 4, "error_class", record.S("sealed")),
	field("previous hash", 3, "previous_hash", record.S(strings.Repeat("0", 64))),
	field("root hash", 3, "root_hash", record.S(strings.Repeat("0", 64))),
	field("event hash", 3, "event_hash", record.S(strings.Repeat("0", 64))),
	field("event hash in capitals", 1, "event_hash", record.S("A")),
	field("by an attribute more", 3, "note", record.S("hello")),
	field("last event", 5, "principal", record.S("nobody")),
}

var badChains = []logCase{
	{name: "missing one", want: string(Missing), base: one, edit: func(e *editor) { e.drop(audit.EventKey(e.a.id, 4)) }},
	{name: "missing two", want: string(Missing), base: one, edit: func(e *editor) { e.drop(audit.EventKey(e.a.id, 2), audit.EventKey(e.a.id, 3)) }},
	{name: "no genesis", want: string(NoGenesis), base: one, edit: func(e *editor) { e.drop(audit.EventKey(e.a.id, 1)) }},
	{name: "no genesis but another operation", want: string(NoGenesis), base: one, edit: func(e *editor) {
		e.rehash(1, func(g *audit.Event) { g.Operation = audit.Decrypt })
	}},
	{name: "no genesis but two", want: string(NoGenesis), base: build(func(_ *forge, a *link) { a.commit("apple"); a.add(audit.Genesis, ""); a.close() })},
	{name: "moved within the chain", want: string(Moved), base: one, edit: func(e *editor) {
		e.replace(3, e.a.events[3])
		e.replace(4, e.a.events[2])
	}},
	{name: "moved twice the same", want: string(Moved), base: one, edit: func(e *editor) { e.replace(4, e.a.events[2]) }},
	{name: "moved from another chain", want: string(Moved), base: ordinary, edit: func(e *editor) { e.replace(2, e.f.chains[1].events[1]) }},
	{name: "moved by one", want: string(Moved), base: one, edit: func(e *editor) {
		e.drop(audit.EventKey(e.a.id, 2))
		for seq := uint64(3); seq <= 5; seq++ {
			e.lines[e.event(seq)].Key.Item = audit.SequenceItem(seq - 1)
		}
	}},
	{name: "inserted between", want: string(Inserted), base: one, edit: func(e *editor) {
		r := e.lines[e.event(3)].Clone()
		r.Key.Item += "5"
		e.put(audit.EventKey(e.a.id, 3), r)
	}},
	{name: "inserted before", want: string(Inserted), base: one, edit: func(e *editor) {
		r := e.lines[e.event(1)].Clone()
		r.Key.Item = audit.SequenceItem(0)
		e.lines = slices.Insert(e.lines, e.event(1), r)
	}},
	{name: "inserted after", want: string(Inserted), base: one, edit: func(e *editor) {
		r := e.lines[e.event(5)].Clone()
		r.Key.Item = "later"
		e.put(audit.EventKey(e.a.id, 5), r)
	}},
	{name: "broken link by an edited event", want: string(BrokenLink), base: one, edit: func(e *editor) {
		x := e.a.events[1]
		x.Principal = "nobody"
		x.Close(x.RootHash)
		e.replace(2, x)
	}},
	{name: "broken link at the start", want: string(BrokenLink), base: one, edit: func(e *editor) {
		x := e.a.events[0]
		x.Previous = strings.Repeat("0", 64)
		x.Close("")
		e.replace(1, x)
	}},
	{name: "broken link by an exchange with new numbers", want: string(BrokenLink), base: one, edit: func(e *editor) {
		x, y := e.a.events[2], e.a.events[3]
		x.Seq, y.Seq = 4, 3
		x.Close(x.RootHash)
		y.Close(y.RootHash)
		e.replace(3, y)
		e.replace(4, x)
	}},
	{name: "broken link to a fork", want: string(BrokenLink), base: one, edit: func(e *editor) {
		x := e.a.events[3]
		x.Previous = e.a.events[1].EventHash
		x.Close(x.RootHash)
		e.replace(4, x)
	}},
	{name: "rewritten from the second", want: string(Rewritten), base: one, edit: func(e *editor) {
		e.rehash(2, func(x *audit.Event) { x.Principal = "nobody" })
	}},
	{name: "rewritten tail", want: string(Rewritten), base: one, edit: func(e *editor) {
		e.rehash(4, func(x *audit.Event) { x.Outcome = audit.Failure })
	}},
	{name: "rewritten last event", want: string(Rewritten), base: one, edit: func(e *editor) {
		e.rehash(5, func(x *audit.Event) { x.Principal = "nobody" })
	}},
	{name: "cut by one", want: string(Cut), base: one, edit: func(e *editor) { e.drop(audit.EventKey(e.a.id, 5)) }},
	{name: "cut to the genesis", want: string(Cut), base: one, edit: func(e *editor) {
		for seq := uint64(2); seq <= 5; seq++ {
			e.drop(audit.EventKey(e.a.id, seq))
		}
		e.drop(e.a.notes[0].Key)
	}},
	{name: "cut to nothing", want: string(Cut), base: one, edit: func(e *editor) {
		for seq := uint64(1); seq <= 5; seq++ {
			e.drop(audit.EventKey(e.a.id, seq))
		}
	}},
	{name: "after close a read", want: string(AfterClose), base: build(func(_ *forge, a *link) {
		a.commit("apple")
		a.close()
		a.add(audit.Decrypt, "apple", read)
	})},
	{name: "after close another", want: string(AfterClose), base: build(func(_ *forge, a *link) { a.close(); a.close() })},
	{name: "missing chain of the index", want: string(MissingChain), base: one, edit: func(e *editor) {
		id := "2" + strings.Repeat("0", 31)
		e.put(e.a.notes[1].Key, record.Record{Key: record.Key{Partition: "chains#2", Item: id}})
	}},
	{name: "malformed without a format", want: "malformed", base: one, edit: func(e *editor) { e.lines = e.lines[1:] }},
	{name: "malformed order of events", want: "malformed", base: one, edit: func(e *editor) {
		i, j := e.event(3), e.event(4)
		e.lines[i], e.lines[j] = e.lines[j], e.lines[i]
	}},
	{name: "malformed order of chains", want: "malformed", base: ordinary, edit: func(e *editor) {
		b := e.at(record.Key{Partition: "chains#2", Item: e.f.chains[1].id})
		d := e.at(record.Key{Partition: "dialogue#apple", Item: rootSK})
		e.lines = slices.Concat(e.lines[:1], e.lines[b:d], e.lines[1:b], e.lines[d:])
	}},
	{name: "malformed chain without its line", want: "malformed", base: one, edit: func(e *editor) { e.lines = slices.Delete(e.lines, 1, 2) }},
	{name: "malformed cut line", want: "malformed", base: one, bytes: func(b []byte) []byte { return b[:len(b)-20] }},
	{name: "malformed json", want: "malformed", base: one, bytes: func(b []byte) []byte { return bytes.Replace(b, []byte(`"PK"`), []byte(`PK`), 1) }},
	{name: "malformed type", want: "malformed", base: one, bytes: func(b []byte) []byte { return bytes.Replace(b, []byte(`{"N":"`), []byte(`{"X":"`), 1) }},
	{name: "malformed number", want: "malformed", base: one, bytes: func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"seq":{"N":"4"}`), []byte(`"seq":{"N":"04"}`), 1)
	}},
	{name: "malformed base64", want: "malformed", base: one, bytes: func(b []byte) []byte { return bytes.Replace(b, []byte(`{"B":"`), []byte(`{"B":"!`), 1) }},
	malformed("name twice", `"principal":{"S":"muffin"}`, `"principal":{"S":"nobody"},"principal":{"S":"muffin"}`),
	malformed("type in lower case", `"principal":{"S":"muffin"}`, `"principal":{"s":"muffin"}`),
	malformed("space", `"principal":{`, `"principal": {`),
	malformed("order of attributes", `"operation":{"S":"genesis"},"outcome":{"S":"success"}`, `"outcome":{"S":"success"},"operation":{"S":"genesis"}`),
	malformed("text after the record", "}}\n", "}}}\n"),
	malformed("carriage return", "}}\n", "}}\r\n"),
	malformed("half a surrogate", "muffin", `\ud800`),
	malformed("state", `"state":{"S":"stored"}`, `"state":{"S":"elsewhere"}`),
	malformed("root version", `"root_version":{"N":"2"},"state"`, `"root_version":{"S":"2"},"state"`),
	malformed("loose bits in base64", `CQk="`, `CQl="`),
	{name: "malformed empty", want: "malformed", base: one, bytes: func([]byte) []byte { return nil }},
}

// malformed replaces a text of the file.
func malformed(name, from, to string) logCase {
	return logCase{name: "malformed " + name, want: "malformed", base: one, bytes: func(b []byte) []byte {
		return bytes.Replace(b, []byte(from), []byte(to), 1)
	}}
}
