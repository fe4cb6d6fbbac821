package storetest

import (
	"context"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
)

// The events of a process before its first operation on an existing dialogue,
// and on a new one. The first event opens its chain.
var (
	opening = []string{"genesis success", "derive_kek success", "unwrap_dek success"}
	making  = []string{"genesis success", "derive_kek success", "wrap_dek intent", "wrap_dek success", "unwrap_dek success"}
)

// making returns the events of a process before it makes its first dialogue.
func (h Harness) making() []string {
	if !h.StoredKEK {
		return slices.Clone(making)
	}
	return slices.Insert(slices.Clone(making), 1, "derive_kek failure missing", "derive_kek intent")
}

// withOtherKeys returns the events of a process that has the keys of another
// store.
func (h Harness) withOtherKeys() []string {
	if !h.StoredKEK {
		return []string{"genesis success", "derive_kek success", "unwrap_dek failure wrong_key"}
	}
	return []string{"genesis success", "derive_kek failure wrong_key"}
}

// The versions and counts of env.seed: five commits, and 16 items with meta.
const (
	loaded  = "decrypt success v5 n16"
	gotten  = "decrypt success v0 n1"
	nothing = ""
)

// ownEvents maps each call on a dialogue made by env.seed to its event:
// operation, outcome, version, and number of items read or written. The number
// of written items does not include meta.
var ownEvents = map[string]string{
	"Create/dialogue":           "encrypt success v1 n0",
	"Load/dialogue":             loaded,
	"RegisterExpert/expert":     "encrypt success v6 n1",
	"RegisterRound/round":       "encrypt success v6 n13",
	"RecordSignal/round":        "encrypt success v6 n1",
	"RegisterVerdict/verdict":   "encrypt success v6 n1",
	"Transition/perspective":    "encrypt success v6 n2",
	"Transition/tension":        "encrypt success v6 n2",
	"Transition/recommendation": "encrypt success v6 n2",
	"Transition/evidence":       "encrypt success v6 n2",
	"Transition/claim":          "encrypt success v6 n2",
	"Amend/dialogue":            "encrypt success v6 n0",
	"Get/dialogue":              gotten,
	"Get/expert":                gotten,
	"Get/round":                 gotten,
	"Get/perspective":           gotten,
	"Get/tension":               gotten,
	"Get/recommendation":        gotten,
	"Get/evidence":              gotten,
	"Get/claim":                 gotten,
	"Get/verdict":               gotten,
	"Get/move":                  gotten,
	"Get/perspective_event":     gotten,
	"Get/tension_event":         gotten,
	"Get/recommendation_event":  gotten,
	"Get/evidence_event":        gotten,
	"Get/claim_event":           gotten,
	"List/dialogue":             nothing, // clear attributes, without a key
	"ListStatus/dialogue":       nothing,
	"ListTensions/tension":      nothing,
	"ListExpert/expert":         nothing,
	"NextID/dialogue":           nothing,
}

// leaves compares the events of one call on the case's dialogue with the
// expected ones.
func (w *env) leaves(do func(context.Context) error, want ...string) {
	w.Helper()
	w.skipUnsealed("an unsealed store has no audit log")
	before := len(w.events(w.Context()))
	_ = do(w.Context())
	want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == nothing })
	var got []string
	for _, e := range w.events(w.Context())[before:] {
		got = append(got, described(e))
		ofDialogue := e.Operation != audit.DeriveKEK && e.Operation != "genesis"
		if ofDialogue && e.Dialogue != string(dialogue) || !ofDialogue && e.Dialogue != "" {
			w.Errorf("%s is of dialogue %q", described(e), e.Dialogue)
		}
	}
	if len(want) == 0 {
		want = nil
	}
	w.same("the events", got, want)
}

// eventCases check that every operation of a sealed store writes exactly the
// events that the tables list.
func eventCases() []Case {
	var cases []Case
	calls := append([]call{createCall}, existing()...)
	for _, c := range append(calls, across()...) {
		own, listed := ownEvents[c.name]
		if !listed {
			panic("storetest: no events are listed for " + c.name)
		}
		cases = append(cases,
			on(c.name+"/events of its own", func(w *env) {
				w.skipUnsealed("an unsealed store has no audit log")
				first := []string{own}
				if w.prepare(c); c.method() == "Create" {
					first = append(w.h.making(), own)
				}
				before := w.dump()
				w.leaves(func(ctx context.Context) error { return c.do(ctx, w.store, dialogue) }, first...)
				if events := w.events(w.Context()); c.write {
					w.same("written items", events[len(events)-1].ItemCount, w.written(before))
				}
			}),
			on(c.name+"/events in a new process", func(w *env) {
				w.prepare(c)
				first := append(slices.Clone(opening), own)
				switch {
				case c.method() == "Create":
					first = append(w.h.making(), own)
				case own == nothing:
					first = nil
				}
				s := w.again()
				w.leaves(func(ctx context.Context) error { return c.do(ctx, s, dialogue) }, first...)
			}))
	}
	cases = append(cases, unwrittenCases()...)
	for _, c := range existing() {
		cases = append(cases, failureEventCases(c)...)
	}
	return cases
}

// written counts the items that differ from an earlier dump, without meta.
func (w *env) written(before map[string]map[string]string) int64 {
	w.Helper()
	n := int64(0)
	for sk, attrs := range w.dump() {
		if sk != "meta" && attrs["item_mac"] != before[sk]["item_mac"] {
			n++
		}
	}
	return n
}

// unwrittenCases check requests that read the dialogue to change it and then
// write nothing. Each has a decrypt event.
func unwrittenCases() []Case {
	var cases []Case
	for _, c := range []struct {
		name, want string
		do         func(context.Context, Store) error
	}{
		{"RegisterExpert/expert/events of a repeat", loaded, func(ctx context.Context, s Store) error {
			_, err := s.RegisterExpert(ctx, dialogue, newExpert("Muffin"))
			return err
		}},
		{"RegisterRound/round/events of a repeat", loaded, func(ctx context.Context, s Store) error {
			_, err := s.RegisterRound(ctx, dialogue, batch(0))
			return err
		}},
		{"RegisterExpert/expert/events of other content", loaded, func(ctx context.Context, s Store) error {
			n := newExpert("Muffin")
			n.Role = "miller"
			_, err := s.RegisterExpert(ctx, dialogue, n)
			return err
		}},
		{"Transition/tension/events of a refusal", loaded, func(ctx context.Context, s Store) error {
			_, err := s.Transition(ctx, dialogue, blue.Transition{ID: id("T0001"), To: "resolved"})
			return err
		}},
		{"Get/claim/events of an unknown entity", nothing, func(ctx context.Context, s Store) error {
			_, err := s.Get(ctx, dialogue, id("C0099").Key())
			return err
		}},
		{"Create/dialogue/events of a conflict", nothing, func(ctx context.Context, s Store) error {
			_, err := s.Create(ctx, dialogue, newDialogue())
			return err
		}},
		{"Load/dialogue/events of an unknown dialogue", nothing, func(ctx context.Context, s Store) error {
			_, err := s.Load(ctx, "another")
			return err
		}},
		{"Load/dialogue/events of an invalid id", nothing, func(ctx context.Context, s Store) error {
			_, err := s.Load(ctx, "A#b")
			return err
		}},
	} {
		cases = append(cases, on(c.name, func(w *env) {
			w.seed()
			w.leaves(func(ctx context.Context) error { return c.do(ctx, w.store) }, c.want)
		}))
	}
	return cases
}

// failureEventCases check that a call that fails after it read an item writes
// one event of the failure and none of success.
func failureEventCases(c call) []Case {
	failure := func(class string) string {
		op := "decrypt"
		if c.write && class == "unavailable" {
			op = "encrypt"
		}
		return op + " failure " + class
	}
	cases := []Case{
		on(c.name+"/events of damage", func(w *env) {
			w.seed()
			w.faulty.Read = each(mistimed)
			w.leaves(func(ctx context.Context) error { return c.do(ctx, w.store, dialogue) }, failure("tampered"))
		}),
		on(c.name+"/events under keys of another", func(w *env) {
			if w.h.OpenOther == nil {
				w.Skip("skipped: nothing is sealed")
			}
			w.seed()
			other := w.h.OpenOther(w.T, w.faulty, w.clock.now)
			w.leaves(func(ctx context.Context) error { return c.do(ctx, other, dialogue) },
				append(w.h.withOtherKeys(), failure("wrong_key"))...)
		}),
		on(c.name+"/events if the store is unavailable", func(w *env) {
			w.seed()
			w.faulty.Before = func(Call) error { return ErrFault }
			w.leaves(func(ctx context.Context) error { return c.do(ctx, w.store, dialogue) })
		}),
	}
	if !c.write {
		return cases
	}
	return append(cases,
		on(c.name+"/events of a commit that failed", func(w *env) {
			w.seed()
			w.faulty.Before = onData(ErrFault)
			w.leaves(func(ctx context.Context) error { return c.do(ctx, w.store, dialogue) },
				"genesis success", failure("unavailable")) // the old chain is not continued
		}),
		on(c.name+"/events of a commit whose answer was lost", func(w *env) {
			w.seed()
			w.faulty.After = onData(ErrFault)
			w.leaves(func(ctx context.Context) error { return c.do(ctx, w.store, dialogue) },
				ownEvents[c.name], "genesis success", failure("unavailable"))
		}))
}
