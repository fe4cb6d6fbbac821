package storetest

import (
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// auditCases check that a sealed store returns nothing without an audit event.
// An unsealed store has no audit log. A chain continues after a definite
// failure, and ends after an unknown outcome.
func auditCases() []Case {
	failing := func(c Call) error {
		if c.Method == "Commit" && c.Table == record.Audit {
			return ErrFault
		}
		return nil
	}
	cases := []Case{
		on("Load/dialogue/audit event cannot be stored", func(w *env) {
			w.seed()
			w.faulty.Before = failing
			s, err := w.store.Load(w.Context(), dialogue)
			if !w.h.Encrypted {
				w.ok(err)
				return
			}
			w.fails(err, blue.ErrAudit)
			w.same("the snapshot next to the error", s, (*blue.Snapshot)(nil))
		}),
		on("RegisterExpert/expert/audit chain continues after a definite failure", func(w *env) {
			w.chainAfter(func() { w.faulty.Before = onData(record.ErrBusy) }, blue.ErrBusy, 1)
		}),
		on("RegisterExpert/expert/audit chain ends after an unknown outcome", func(w *env) {
			w.chainAfter(func() { w.faulty.After = onData(ErrFault) }, blue.ErrUnavailable, 2)
		}),
		on("RegisterExpert/expert/audit chain ends after a failure of unknown outcome", func(w *env) {
			w.chainAfter(func() { w.faulty.Before = onData(ErrFault) }, blue.ErrUnavailable, 2)
		}),
	}
	for _, c := range slices.DeleteFunc(existing(), func(c call) bool { return c.method() != "Get" }) {
		cases = append(cases, on(c.name+"/audit event cannot be stored", func(w *env) {
			w.seed()
			w.faulty.Before = failing
			err := c.do(w.Context(), w.store, dialogue)
			if !w.h.Encrypted {
				w.ok(err)
				return
			}
			w.fails(err, blue.ErrAudit)
		}))
	}
	return cases
}

// chainAfter counts the chains of a dialogue's commits around a failed commit.
func (w *env) chainAfter(fault func(), want error, chains int) {
	w.skipUnsealed("an unsealed store has no audit log")
	w.create(newDialogue())
	fault()
	_, err := w.store.RegisterExpert(w.Context(), dialogue, newExpert("Muffin"))
	w.fails(err, want)
	w.faulty.Heal()
	w.expert(newExpert("Scone"))
	pointers, err := w.records.Query(w.Context(), record.Query{Table: record.Audit, Partition: record.DialoguePartition(string(dialogue))})
	w.ok(err)
	seen := map[string]bool{}
	for _, p := range pointers {
		place := p.Attrs["chain"].Str()
		seen[place] = true
	}
	w.same("chains used", len(seen), chains)
	w.load()
}

// damageCases check that altered bytes are ErrTampered and keys of another store
// are ErrSealed. The call returns no data with the error.
func damageCases() []Case {
	var cases []Case
	for _, c := range existing() {
		cases = append(cases,
			on(c.name+"/an item is malformed", func(w *env) {
				w.seed()
				w.refuses(blue.ErrTampered, func() error {
					w.faulty.Read = each(func(r record.Record) { r.Attrs["updated_at"] = record.S("yesterday") })
					return c.do(w.Context(), w.store, dialogue)
				})
			}),
			on(c.name+"/an item's time was changed", func(w *env) {
				w.skipUnsealed("an unsealed store does not verify its items")
				w.seed()
				w.refuses(blue.ErrTampered, func() error {
					w.faulty.Read = each(mistimed)
					return c.do(w.Context(), w.store, dialogue)
				})
			}),
			on(c.name+"/keys of another", func(w *env) {
				if w.h.OpenOther == nil {
					w.Skip("skipped: nothing is sealed")
				}
				w.seed()
				other := w.h.OpenOther(w.T, w.faulty, w.clock.now)
				w.refuses(blue.ErrSealed, func() error { return c.do(w.Context(), other, dialogue) })
			}))
	}
	return append(cases,
		on("Load/dialogue/another item's bytes", func(w *env) {
			w.skipUnsealed("an unsealed store does not verify its items")
			w.seed()
			w.faulty.Read = swapped("perspective#00#01", "claim#00#01")
			w.refuses(blue.ErrTampered, func() error { _, err := w.store.Load(w.Context(), dialogue); return err })
		}),
		on("Load/dialogue/an item is gone", func(w *env) {
			w.seed()
			w.faulty.Read = func(all []record.Record) []record.Record {
				return slices.DeleteFunc(all, func(r record.Record) bool { return r.Key.Item == "claim#00#01" })
			}
			if !w.h.Encrypted {
				w.same("claims without the item", len(w.load().Numbered(blue.KindClaim)), 0)
				return
			}
			w.refuses(blue.ErrTampered, func() error { _, err := w.store.Load(w.Context(), dialogue); return err })
		}),
		on("Load/dialogue/meta is gone", func(w *env) {
			w.seed()
			w.faulty.Read = func(all []record.Record) []record.Record {
				return slices.DeleteFunc(all, func(r record.Record) bool { return r.Key.Item == record.Meta })
			}
			w.refuses(blue.ErrTampered, func() error { _, err := w.store.Load(w.Context(), dialogue); return err })
		}))
}

// mistimed changes the time of an item.
func mistimed(r record.Record) { r.Attrs["updated_at"] = record.S("2031-02-03T04:05:07.000000000Z") }

// each changes every record that is read.
func each(change func(record.Record)) func([]record.Record) []record.Record {
	return func(all []record.Record) []record.Record {
		for _, r := range all {
			change(r)
		}
		return all
	}
}

// swapped exchanges the attributes of two items.
func swapped(a, b string) func([]record.Record) []record.Record {
	return func(all []record.Record) []record.Record {
		i := slices.IndexFunc(all, func(r record.Record) bool { return strings.HasSuffix(r.Key.Item, a) })
		j := slices.IndexFunc(all, func(r record.Record) bool { return strings.HasSuffix(r.Key.Item, b) })
		if i >= 0 && j >= 0 {
			all[i].Attrs, all[j].Attrs = all[j].Attrs, all[i].Attrs
		}
		return all
	}
}
