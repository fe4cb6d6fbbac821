package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// dialogue is the id that most cases use.
const dialogue blue.DialogueID = "how-large-is-a-muffin"

// env is the environment of one case: a store on empty records, and a clock that
// moves only on request.
type env struct {
	*testing.T
	h       Harness
	faulty  *Faulty // around the records, without a fault at first
	records record.Store
	store   Store
	clock   *clock
	checked bool // the log was compared with the dialogues
}

func newEnv(t *testing.T, h Harness) *env {
	t.Helper()
	w := &env{T: t, h: h, clock: newClock()}
	w.records = h.Records(t)
	w.faulty = &Faulty{Inner: w.records}
	t.Cleanup(w.checkLog)
	w.store = h.Open(t, w.faulty, w.clock.now)
	return w
}

// clock returns a fixed time with nine digits until step moves it.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(time.Date(2031, 2, 3, 4, 5, 6, 123456789, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *clock) step(d time.Duration) { c.nanos.Add(int64(d)) }

// ok ends the case on an error.
func (w *env) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("got the error %v", err)
	}
}

// must returns the value of an answer and ends the case on an error.
func must[T any](w *env, answer blue.Scoped[T], err error) T {
	w.Helper()
	w.ok(err)
	if answer.Dialogue != dialogue {
		w.Fatalf("the answer belongs to dialogue %q", answer.Dialogue)
	}
	return answer.Value
}

// fails checks that err wraps the wanted error.
func (w *env) fails(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("got the error %v, want %v", err, want)
	}
}

// same compares two values field by field.
func (w *env) same(what string, got, want any) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// refuses checks that do returns the wanted error and changes no byte of the
// dialogue.
func (w *env) refuses(want error, do func() error) {
	w.Helper()
	before := w.dump()
	w.fails(do(), want)
	w.same("the stored records after a refusal", w.dump(), before)
}

// dump returns every stored record of the case's dialogue, as text.
func (w *env) dump() map[string]map[string]string {
	w.Helper()
	all := map[string]map[string]string{}
	records, err := w.records.Query(w.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(dialogue))})
	w.ok(err)
	for _, r := range records {
		attrs := map[string]string{}
		for _, name := range r.Names() {
			v := r.Attrs[name]
			attrs[name] = string(v.Type()) + string(v.Canonical())
		}
		all[r.Key.Item] = attrs
	}
	return all
}

func (w *env) create(d blue.NewDialogue) blue.Dialogue {
	w.Helper()
	answer, err := w.store.Create(w.Context(), dialogue, d)
	return must(w, answer, err)
}

func (w *env) load() *blue.Snapshot {
	w.Helper()
	s, err := w.store.Load(w.Context(), dialogue)
	w.ok(err)
	return s
}

func (w *env) get(key blue.EntityKey) blue.Entity {
	w.Helper()
	answer, err := w.store.Get(w.Context(), dialogue, key)
	return must(w, answer, err)
}

func (w *env) expert(n blue.NewExpert) blue.Expert {
	w.Helper()
	answer, err := w.store.RegisterExpert(w.Context(), dialogue, n)
	return must(w, answer, err)
}

func (w *env) round(b blue.RoundBatch) blue.Registered {
	w.Helper()
	answer, err := w.store.RegisterRound(w.Context(), dialogue, b)
	return must(w, answer, err)
}

func (w *env) tryRound(b blue.RoundBatch) error {
	_, err := w.store.RegisterRound(w.Context(), dialogue, b)
	return err
}

func (w *env) verdict(n blue.NewVerdict) blue.Decided {
	w.Helper()
	answer, err := w.store.RegisterVerdict(w.Context(), dialogue, n)
	return must(w, answer, err)
}

func (w *env) transition(t blue.Transition) blue.Event {
	w.Helper()
	answer, err := w.store.Transition(w.Context(), dialogue, t)
	return must(w, answer, err)
}

// again opens another store on the same records, as another process does.
func (w *env) again() Store { return w.h.Open(w.T, w.faulty, w.clock.now) }

// below returns the record store in which a case writes the items of a later
// version.
func (w *env) below() record.Store {
	w.Helper()
	switch {
	case w.h.Below != nil:
		return w.h.Below(w.T, w.faulty, w.clock.now)
	case w.h.Encrypted:
		w.Skip("skipped: this harness has no access to the store below the engine")
	}
	return w.faulty
}

func id(text string) blue.EntityID {
	e, err := blue.ParseEntityID(text)
	if err != nil {
		panic("storetest: " + err.Error())
	}
	return e
}
