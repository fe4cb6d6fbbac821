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

// dialogue is the one most cases work on.
const dialogue blue.DialogueID = "how-large-is-a-muffin"

// world is what one case sees: a store on fresh records, and a clock that
// moves only when told to.
type world struct {
	*testing.T
	h       Harness
	faulty  *Faulty // around the records, without a fault to begin with
	records record.Store
	store   Store
	clock   *clock
	checked bool // the log was compared with the dialogues
}

func newWorld(t *testing.T, h Harness) *world {
	t.Helper()
	w := &world{T: t, h: h, clock: newClock()}
	w.records = h.Records(t)
	w.faulty = &Faulty{Inner: w.records}
	t.Cleanup(w.checkLog)
	w.store = h.Open(t, w.faulty, w.clock.now)
	return w
}

// clock stands still at a time with nine digits.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(time.Date(2031, 2, 3, 4, 5, 6, 123456789, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *clock) step(d time.Duration) { c.nanos.Add(int64(d)) }

// ok ends the case on an error.
func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("got the error %v", err)
	}
}

// must unwraps an answer that has to be there.
func must[T any](w *world, answer blue.Scoped[T], err error) T {
	w.Helper()
	w.ok(err)
	if answer.Dialogue != dialogue {
		w.Fatalf("the answer belongs to dialogue %q", answer.Dialogue)
	}
	return answer.Value
}

// fails asks for a sentinel.
func (w *world) fails(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("got the error %v, want %v", err, want)
	}
}

// same compares two values field by field.
func (w *world) same(what string, got, want any) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// refuses asks for a sentinel and that not a byte of the dialogues changed.
func (w *world) refuses(want error, do func() error) {
	w.Helper()
	before := w.dump()
	w.fails(do(), want)
	w.same("the stored records after a refusal", w.dump(), before)
}

// dump returns every stored record of the case's dialogue, as text.
func (w *world) dump() map[string]map[string]string {
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

func (w *world) create(d blue.NewDialogue) blue.Dialogue {
	w.Helper()
	answer, err := w.store.Create(w.Context(), dialogue, d)
	return must(w, answer, err)
}

func (w *world) load() *blue.Snapshot {
	w.Helper()
	s, err := w.store.Load(w.Context(), dialogue)
	w.ok(err)
	return s
}

func (w *world) get(key blue.EntityKey) blue.Entity {
	w.Helper()
	answer, err := w.store.Get(w.Context(), dialogue, key)
	return must(w, answer, err)
}

func (w *world) expert(n blue.NewExpert) blue.Expert {
	w.Helper()
	answer, err := w.store.RegisterExpert(w.Context(), dialogue, n)
	return must(w, answer, err)
}

func (w *world) round(b blue.RoundBatch) blue.Registered {
	w.Helper()
	answer, err := w.store.RegisterRound(w.Context(), dialogue, b)
	return must(w, answer, err)
}

func (w *world) tryRound(b blue.RoundBatch) error {
	_, err := w.store.RegisterRound(w.Context(), dialogue, b)
	return err
}

func (w *world) verdict(n blue.NewVerdict) blue.Decided {
	w.Helper()
	answer, err := w.store.RegisterVerdict(w.Context(), dialogue, n)
	return must(w, answer, err)
}

func (w *world) transition(t blue.Transition) blue.Event {
	w.Helper()
	answer, err := w.store.Transition(w.Context(), dialogue, t)
	return must(w, answer, err)
}

// again opens another store on the same records, as another process does.
func (w *world) again() Store { return w.h.Open(w.T, w.faulty, w.clock.now) }

// below is where a case writes what a later version would.
func (w *world) below() record.Store {
	w.Helper()
	switch {
	case w.h.Below != nil:
		return w.h.Below(w.T, w.faulty, w.clock.now)
	case w.h.Encrypted:
		w.Skip("skipped: this harness does not show the store below the engine, so nothing can be sealed past it")
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
