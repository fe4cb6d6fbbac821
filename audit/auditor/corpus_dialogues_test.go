package auditor

import (
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

func pointer(version uint64) record.Key { return audit.PointerKey("apple", version) }

var apple = record.Key{Partition: "dialogue#apple", Item: rootSK}

var badDialogues = []logCase{
	{name: "write without event tombstone", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) {
		e.lines[e.at(apple)] = record.Record{Key: apple, Attrs: record.Attrs{"state": record.S(string(Erased))}}
	}},
	{name: "write without event tombstone after a failed erasure", want: string(WriteWithoutEvent), base: build(func(f *forge, a *link) {
		a.commit("apple")
		a.add(audit.Erase, "apple", func(e *audit.Event) { e.Outcome = audit.Failure })
		f.dialogue["apple"].root = Root{State: Erased}
		a.close()
	})},
	{name: "write without event tombstone and a pointer gone", want: string(WriteWithoutEvent), base: build(func(f *forge, a *link) {
		a.commit("apple")
		a.commit("apple")
		a.add(audit.Erase, "apple", intent)
		f.dialogue["apple"].root = Root{State: Erased}
		a.close()
	}), edit: func(e *editor) { e.drop(pointer(1)) }},
	{name: "write without event pointer gone", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) { e.drop(pointer(1)) }},
	{name: "write without event last pointer gone", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) { e.drop(pointer(2)) }},
	{name: "write without event pointer to a read", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) { e.set(pointer(2), "seq", record.N(4)) }},
	{name: "write without event pointer to another version", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) { e.set(pointer(2), "seq", record.N(2)) }},
	{name: "write without event pointer beyond the end", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) { e.set(pointer(2), "seq", record.N(9)) }},
	{name: "write without event pointer into another dialogue", want: string(WriteWithoutEvent), base: ordinary, edit: func(e *editor) {
		e.set(pointer(1), "chain", record.S(e.f.chains[1].id))
	}},
	{name: "write without event root ahead", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) { e.set(apple, "root_version", record.N(3)) }},
	{name: "write without event other root", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) {
		e.set(apple, "root_hash", record.S(audit.RootHash([]byte("another"))))
	}},
	{name: "write without event root without version", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) {
		e.put(pointer(2), record.Record{Key: record.Key{Partition: "dialogue#berry", Item: rootSK}, Attrs: record.Attrs{"state": record.S(string(Stored)), "root_version": record.N(0), "root_hash": record.S("")}})
	}},
	{name: "write without event dialogue nobody wrote", want: string(WriteWithoutEvent), base: one, edit: func(e *editor) {
		e.put(pointer(2), record.Record{Key: record.Key{Partition: "dialogue#berry", Item: rootSK},
			Attrs: record.Attrs{"state": record.S(string(Stored)), "root_version": record.N(1), "root_hash": record.S(audit.RootHash(nil))}})
	}},
	{name: "write without event copied event gone", want: string(WriteWithoutEvent), base: copied, edit: func(e *editor) { e.drop(e.f.dialogue["apple"].copied[2].Key) }},
	{name: "write without event copied event changed", want: string(WriteWithoutEvent), base: copied, edit: func(e *editor) {
		e.set(e.f.dialogue["apple"].copied[2].Key, "principal", record.S("nobody"))
	}},
	{name: "missing chain of a pointer", want: string(MissingChain), base: one, edit: func(e *editor) { e.set(pointer(2), "chain", record.S(strings.Repeat("0", 32))) }},
	{name: "missing chain of a copied event beyond the boundary", want: string(MissingChain), base: func(t testing.TB) *forge {
		f := newForge(t)
		far := f.chain(0x33)
		f.chains = nil
		for range 2 {
			e := far.commit("apple")
			f.state("apple").copied[e.RootVersion] = eventRecord(e)
		}
		a := f.chain(0x11)
		a.add(audit.Boundary, "apple", func(e *audit.Event) { e.RootVersion, e.ItemCount = 1, 3 })
		a.close()
		return f
	}},
	{name: "event without write root behind", want: string(EventWithoutWrite), base: one, edit: func(e *editor) {
		e.set(apple, "root_version", record.N(1))
		e.set(apple, "root_hash", record.S(e.a.events[1].RootHash))
	}},
	{name: "event without write dialogue gone", want: string(EventWithoutWrite), base: one, edit: func(e *editor) {
		e.lines[e.at(apple)] = record.Record{Key: apple, Attrs: record.Attrs{"state": record.S(string(Gone))}}
	}},
	{name: "event without write erased and stored again", want: string(EventWithoutWrite), base: build(func(_ *forge, a *link) {
		a.commit("apple")
		a.add(audit.Erase, "apple", intent)
		a.add(audit.Erase, "apple")
		a.close()
	})},
	{name: "event without write erased and its tombstone gone too early", want: string(EventWithoutWrite), base: build(func(f *forge, a *link) {
		a.commit("apple")
		a.add(audit.Erase, "apple", intent)
		f.dialogue["apple"].root = Root{State: Gone}
		a.close()
	})},
	{name: "event without write no pointers and no root", want: string(EventWithoutWrite), base: one, edit: func(e *editor) { e.drop(apple, pointer(1), pointer(2)) }},
	{name: "event without write two events of a version", want: string(EventWithoutWrite), base: build(func(f *forge, a *link) {
		a.commit("apple")
		s := *f.state("apple")
		f.dialogue["apple"] = &state{root: Root{State: Gone}, copied: map[uint64]record.Record{}}
		a.commit("apple")
		f.dialogue["apple"] = &s
		a.close()
	})},
	{name: "event without write no root named", want: string(EventWithoutWrite), base: build(func(_ *forge, a *link) { a.add(audit.Encrypt, "apple"); a.close() })},
	{name: "event without write boundary ahead", want: string(EventWithoutWrite), base: build(func(_ *forge, a *link) {
		a.commit("apple")
		a.add(audit.Boundary, "apple", func(e *audit.Event) { e.RootVersion = 4 })
		a.close()
	})},
}
