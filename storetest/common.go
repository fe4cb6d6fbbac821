package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

// seedStamp is the time at which env.seed registers round 0. The clock does not
// move, and each commit is a nanosecond later than the one before.
const seedStamp = "2031-02-03T04:05:06.123456792Z"

// idCases check that every method refuses an invalid dialogue id with
// ErrInvalid.
func idCases() []Case {
	bad := []struct{ name, id string }{
		{"empty id", ""},
		{"upper case id", "Muffin"},
		{"id with a slash", "a/b"},
		{"id with a number sign", "a#b"},
		{"id with a control", "a\x00b"},
		{"id that is not UTF-8", "a\xffb"},
		{"id not in form C", "cafe\u0301"},
		{"id of 513 bytes", strings.Repeat("a", 513)},
	}
	var cases []Case
	for _, c := range append([]call{createCall}, perMethod()...) {
		for _, b := range bad {
			cases = append(cases, on(c.name+"/"+b.name, func(w *env) {
				w.fails(c.do(w.Context(), w.store, blue.DialogueID(b.id)), blue.ErrInvalid)
			}))
		}
	}
	return cases
}

// absenceCases check that every method returns ErrNotFound for a missing
// dialogue or entity and creates nothing.
func absenceCases() []Case {
	var cases []Case
	for _, c := range existing() {
		cases = append(cases, on(c.name+"/unknown dialogue", func(w *env) {
			w.refuses(blue.ErrNotFound, func() error { return c.do(w.Context(), w.store, dialogue) })
		}))
	}
	for _, c := range append(perKind(), transitionCall("P0001", "refined")) {
		if c.name == "Get/dialogue" {
			continue
		}
		cases = append(cases, on(c.name+"/unknown entity", func(w *env) {
			w.create(newDialogue())
			w.refuses(blue.ErrNotFound, func() error { return c.do(w.Context(), w.store, dialogue) })
		}))
	}
	return cases
}

// endedCases check that every method reports an ended context and a closed
// store, and writes nothing.
func endedCases() []Case {
	var cases []Case
	calls := append([]call{createCall}, perMethod()...)
	for _, c := range append(calls, across()...) {
		cases = append(cases, on(c.name+"/cancelled context", func(w *env) {
			w.prepare(c)
			ctx, cancel := context.WithCancel(w.Context())
			cancel()
			w.refuses(context.Canceled, func() error { return c.do(ctx, w.store, dialogue) })
		}), on(c.name+"/closed store", func(w *env) {
			w.prepare(c)
			w.checkLog()
			w.ok(w.records.Close())
			w.fails(c.do(w.Context(), w.store, dialogue), blue.ErrUnavailable)
		}))
	}
	return cases
}

// prepare makes the dialogue that a call needs. Create needs none.
func (w *env) prepare(c call) {
	w.Helper()
	if c.method() != "Create" {
		w.seed()
	}
}

// faultCases run each call on a record store that fails once. A call that was
// not executed stores nothing and works when it is retried. A call whose answer
// was lost also works when it is retried, and has no second effect.
func faultCases() []Case {
	var cases []Case
	calls := append([]call{createCall}, perMethod()...)
	for _, c := range append(calls, across()...) {
		cases = append(cases, on(c.name+"/every call of the records fails", func(w *env) {
			w.prepare(c)
			w.refuses(blue.ErrUnavailable, func() error {
				w.faulty.Before = func(Call) error { return ErrFault }
				return c.do(w.Context(), w.store, dialogue)
			})
			w.faulty.Heal()
			w.ok(c.do(w.Context(), w.store, dialogue))
		}))
	}
	for _, c := range append([]call{createCall}, existing()...) {
		if !c.write {
			continue
		}
		cases = append(cases,
			on(c.name+"/each call of the records fails in turn", func(w *env) { failInTurn(w.T, w.h, c) }),
			on(c.name+"/commit fails before it takes effect", func(w *env) { w.failBefore(c) }),
			on(c.name+"/commit fails after it took effect", func(w *env) { w.failAfter(c) }))
	}
	return cases
}

// failInTurn makes the call in a new environment for each n, and fails its n-th
// call of the record store. It ends when the call makes fewer than n.
func failInTurn(t *testing.T, h Harness, c call) {
	for n := 1; ; n++ {
		w := newEnv(t, h)
		w.prepare(c)
		calls := 0
		w.faulty.Before = func(Call) error {
			if calls++; calls == n {
				return ErrFault
			}
			return nil
		}
		err := c.do(w.Context(), w.store, dialogue)
		w.faulty.Heal()
		if calls < n {
			w.ok(err)
			w.same("at least one call failed", n > 1, true)
			return
		}
		if err == nil { // the audit log opens another chain if it cannot continue one
			w.same("only a sealed store recovers from a failure", w.h.Encrypted, true)
			w.load()
			continue
		}
		w.fails(err, blue.ErrUnavailable)
		w.ok(c.do(w.Context(), w.store, dialogue))
		w.load()
	}
}

func (w *env) failBefore(c call) {
	w.prepare(c)
	w.refuses(blue.ErrUnavailable, func() error {
		w.faulty.Before = onData(ErrFault)
		return c.do(w.Context(), w.store, dialogue)
	})
	w.faulty.Heal()
	w.ok(c.do(w.Context(), w.store, dialogue))
	w.load()
}

func (w *env) failAfter(c call) {
	w.prepare(c)
	w.faulty.After = onData(ErrFault)
	w.fails(c.do(w.Context(), w.store, dialogue), blue.ErrUnavailable)
	w.faulty.Heal()
	events, items := len(w.load().Events), len(w.dump())
	err := c.do(w.Context(), w.store, dialogue)
	if c.method() == "Create" {
		w.fails(err, blue.ErrConflict)
	} else {
		w.ok(err)
	}
	w.same("events after the retry", len(w.load().Events), events)
	w.same("items after the retry", len(w.dump()), items)
}

// onData returns a function that fails the commits of entities. Commits of keys
// and of a read's event succeed.
func onData(err error) func(Call) error {
	return func(c Call) error {
		if c.Method == "Commit" && c.Table == "blue_dialogues" {
			return err
		}
		return nil
	}
}

// skipUnsealed ends a case that an unsealed store cannot pass.
func (w *env) skipUnsealed(why string) {
	w.Helper()
	if !w.h.Encrypted {
		w.Skip("skipped: " + why)
	}
}

// firstOf returns the first id of each numbered kind in a round.
func firstOf(round blue.Round) []blue.EntityID {
	var ids []blue.EntityID
	for _, kind := range blue.NumberedKinds() {
		ids = append(ids, blue.EntityID{Kind: kind, Round: round, Seq: 1})
	}
	return ids
}

// digest returns the source of an import.
func digest(n int) string { return fmt.Sprintf("%064x", n) }
