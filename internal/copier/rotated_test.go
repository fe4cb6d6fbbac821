package copier_test

import (
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

// between returns a source that calls happen after each read of its items.
func (w fixture) between(from record.Store, happen func(read int)) record.Store {
	reads := 0
	return &storetest.Faulty{Inner: from, After: func(c storetest.Call) error {
		if c.Method == "Query" && c.Table == record.Dialogues {
			reads++
			happen(reads)
		}
		return nil
	}}
}

func (w fixture) rotate(s record.Store) {
	w.Helper()
	_, err := w.open(s).Rotate(w.Context(), dialogue)
	w.ok(err)
}

// TestRotatedMeanwhile rotates the keys after the items were read. The copy must
// have the keys of its items.
func TestRotatedMeanwhile(t *testing.T) {
	w := newFixture(t)
	inner, to := w.seed(), memory.New()
	from := w.between(inner, func(read int) {
		if read == 1 {
			w.rotate(inner)
		}
	})
	got, err := copyTo(w, from, to)
	w.ok(err)
	if got.Wraps != 1 || got.Version <= 12 {
		t.Errorf("got %+v", got)
	}
	w.whole(inner, to)
}

// TestRotatedAgainAndAgain rotates the keys during each read. Copy must return
// ErrBusy and copy nothing.
func TestRotatedAgainAndAgain(t *testing.T) {
	w := newFixture(t)
	inner, to := w.seed(), memory.New()
	_, err := copyTo(w, w.between(inner, func(int) { w.rotate(inner) }), to)
	w.fails(err, blue.ErrBusy)
	if left := len(w.dump(to, record.Dialogues)) + len(w.dump(to, record.Keys)); left > 0 {
		t.Errorf("%d records were copied", left)
	}
}

// TestWrittenMeanwhile commits during the read. A writer that changes no key must
// not disturb the copy.
func TestWrittenMeanwhile(t *testing.T) {
	w := newFixture(t)
	inner, to := w.seed(), memory.New()
	from := w.between(inner, func(read int) { w.round(w.open(inner), blue.Round(10+read), 1) })
	got, err := copyTo(w, from, to)
	w.ok(err)
	if got.Version != 12 {
		t.Errorf("got %+v", got)
	}
	_, err = w.open(to).Load(w.Context(), dialogue)
	w.ok(err)
}
