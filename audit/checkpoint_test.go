package audit_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestDue fails a checkpoint that is due. The operation must not happen, and the
// next attempt must accept what the failed one stored.
func TestDue(t *testing.T) {
	for name, c := range map[string]struct {
		fault  func(w *faultStore, a *memoryAnchor)
		stored []string // after the failure
	}{
		"put fails":                     {func(w *faultStore, _ *memoryAnchor) { w.before = to("checkpoint#", record.ErrBusy) }, nil},
		"put lost":                      {func(w *faultStore, _ *memoryAnchor) { w.before = to("checkpoint#", errLost) }, nil},
		"put is committed, answer lost": {func(w *faultStore, _ *memoryAnchor) { w.after = to("checkpoint#", errLost) }, []string{"3"}},
		"an anchor fails":               {func(_ *faultStore, a *memoryAnchor) { a.fail(errLost) }, []string{"3"}},
	} {
		t.Run(name, func(t *testing.T) {
			w, good, bad := newFaultStore(), &memoryAnchor{}, &memoryAnchor{}
			log := audit.NewLog(w, "muffin", &audit.Options{Now: func() time.Time { return noon }, Signer: signs(t), Anchors: []audit.Anchor{good, bad}, Every: 3})
			mustRead(t, log)
			mustRead(t, log)
			w.heal()
			c.fault(w, bad)
			if err := read(t.Context(), log); !errors.Is(err, blue.ErrAudit) {
				t.Errorf("%v, want ErrAudit", err)
			}
			chain := chainsIn(t, w)[0]
			if n := len(eventsIn(t, w, chain)); n != 3 {
				t.Errorf("%d events, want 3: the operation happened", n)
			}
			if got := stored(t, w); !slices.Equal(got, c.stored) {
				t.Errorf("stored %v, want %v", got, c.stored)
			}
			w.heal()
			bad.fail(nil)
			mustRead(t, log)
			if got := stored(t, w); !slices.Equal(got, []string{"3"}) || len(chainsIn(t, w)) != 1 {
				t.Errorf("stored %v in %d chains afterwards", got, len(chainsIn(t, w)))
			}
			for _, a := range []*memoryAnchor{good, bad} {
				if got := a.sizes(t, w); !slices.Equal(got, []uint64{3}) {
					t.Errorf("published %v", got)
				}
			}
			if n := len(eventsIn(t, w, chain)); n != 4 {
				t.Errorf("%d events, want 4", n)
			}
		})
	}
}

// TestAge checks that a checkpoint is due an interval after the first event
// without one, even if more events followed.
func TestAge(t *testing.T) {
	w, c := newFaultStore(), &clock{at: noon}
	log := audit.NewLog(w, "muffin", &audit.Options{Now: c.now, Signer: signs(t)})
	for _, step := range []struct {
		at   time.Duration
		want []string
	}{
		{0, nil}, {40 * time.Second, nil}, {59 * time.Second, nil}, {60 * time.Second, []string{"4"}},
		{119 * time.Second, []string{"4"}}, {120 * time.Second, []string{"4", "6"}},
	} {
		c.set(noon.Add(step.at))
		mustRead(t, log)
		if got := stored(t, w); !slices.Equal(got, step.want) {
			t.Errorf("after %v: stored %v, want %v", step.at, got, step.want)
		}
	}
}

// TestAnotherCheckpoint stores another note at the key of a checkpoint. The
// operation must fail.
func TestAnotherCheckpoint(t *testing.T) {
	w := newFaultStore()
	log := audit.NewLog(w, "muffin", &audit.Options{Signer: signs(t)})
	mustRead(t, log)
	key := record.Key{Partition: record.CheckpointPartition(chainsIn(t, w)[0]), Item: "000000000002"}
	strange := record.Record{Key: key, Attrs: record.Attrs{"note": record.S("strange")}}
	if err := w.Store.Commit(t.Context(), []record.Write{{Table: record.Audit, Record: strange}}); err != nil {
		t.Fatal(err)
	}
	if err := log.Checkpoint(t.Context()); !errors.Is(err, blue.ErrAudit) || !errors.Is(err, blue.ErrTampered) {
		t.Errorf("%v, want ErrAudit and ErrTampered", err)
	}
}

// TestCheckpoint checks that Checkpoint signs the free chains, and none twice.
func TestCheckpoint(t *testing.T) {
	w := newFaultStore()
	log := audit.NewLog(w, "muffin", &audit.Options{Signer: signs(t)})
	held := lease(t, log)
	mustRead(t, log)
	for range 2 {
		if err := log.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := stored(t, w); !slices.Equal(got, []string{"2"}) {
			t.Errorf("stored %v", got)
		}
	}
	held.Failed()
	if err := log.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, w); !slices.Contains(got, "1") || len(got) != 2 {
		t.Errorf("stored %v", got)
	}
	bare := audit.NewLog(newFaultStore(), "muffin", nil)
	mustRead(t, bare)
	if err := bare.Checkpoint(t.Context()); err != nil {
		t.Errorf("without a signer: %v", err)
	}
}

// TestLeft checks that the certain events of an abandoned chain are signed.
func TestLeft(t *testing.T) {
	w, anchor := newFaultStore(), &memoryAnchor{}
	log := audit.NewLog(w, "muffin", &audit.Options{Signer: signs(t), Anchors: []audit.Anchor{anchor}})
	mustRead(t, log)
	w.heal()
	w.after = nth(1, errLost)
	if err := read(t.Context(), log); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	w.heal()
	for range 2 {
		if err := log.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := operations(eventsIn(t, w, chainsIn(t, w)[0])); got != "genesis decrypt decrypt" {
		t.Errorf("events %s", got)
	}
	if got := anchor.sizes(t, w); !slices.Equal(got, []uint64{2}) || w.count() != 1 {
		t.Errorf("published %v in %d commits", got, w.count())
	}
}

// TestClose fails the commit of the close event or its publication, and closes
// again.
func TestClose(t *testing.T) {
	for name, c := range map[string]struct {
		fault  func(w *faultStore, a *memoryAnchor)
		failed bool
		events string // after a second Close without faults
		sizes  []uint64
	}{
		"fine":            {func(*faultStore, *memoryAnchor) {}, false, "genesis decrypt close", []uint64{3}},
		"definite":        {func(w *faultStore, _ *memoryAnchor) { w.before = to("audit#", record.ErrBusy) }, true, "genesis decrypt close", []uint64{3}},
		"unknown":         {func(w *faultStore, _ *memoryAnchor) { w.before = to("audit#", errLost) }, true, "genesis decrypt", []uint64{2}},
		"unknown, landed": {func(w *faultStore, _ *memoryAnchor) { w.after = to("audit#", errLost) }, true, "genesis decrypt close", []uint64{2}},
		"an anchor fails": {func(_ *faultStore, a *memoryAnchor) { a.fail(errLost) }, true, "genesis decrypt close", []uint64{3}},
	} {
		t.Run(name, func(t *testing.T) {
			w, anchor := newFaultStore(), &memoryAnchor{}
			log := audit.NewLog(w, "muffin", &audit.Options{Signer: signs(t), Anchors: []audit.Anchor{anchor}})
			mustRead(t, log)
			c.fault(w, anchor)
			if err := log.Close(t.Context()); (err != nil) != c.failed || err != nil && !errors.Is(err, blue.ErrAudit) {
				t.Errorf("%v, want ErrAudit: %v", err, c.failed)
			}
			w.heal()
			anchor.fail(nil)
			for range 2 {
				if err := log.Close(t.Context()); err != nil {
					t.Errorf("the second Close: %v", err)
				}
			}
			if got := operations(eventsIn(t, w, chainsIn(t, w)[0])); got != c.events {
				t.Errorf("events %s, want %s", got, c.events)
			}
			if got := anchor.sizes(t, w); !slices.Equal(got, c.sizes) {
				t.Errorf("published %v, want %v", got, c.sizes)
			}
		})
	}
	w := newFaultStore()
	if err := newLog(w).Close(t.Context()); err != nil || w.count() != 0 {
		t.Errorf("a log that wrote nothing: %v, %d commits", err, w.count())
	}
}

// TestAlarm checks that an idle log is signed an interval after its first event
// without a checkpoint, and that a failed attempt is repeated.
func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, anchor := newFaultStore(), &memoryAnchor{}
		log := audit.NewLog(w, "muffin", &audit.Options{Signer: signs(t), Anchors: []audit.Anchor{anchor}})
		expect := func(what string, want ...uint64) {
			t.Helper()
			synctest.Wait()
			if got := anchor.sizes(t, w); !slices.Equal(got, want) {
				t.Errorf("%s: published %v, want %v", what, got, want)
			}
		}
		mustRead(t, log)
		time.Sleep(40 * time.Second)
		mustRead(t, log)
		time.Sleep(19 * time.Second)
		expect("before the interval")
		time.Sleep(2 * time.Second)
		expect("after it", 3)
		commits := w.count()
		time.Sleep(time.Hour)
		if n := w.count(); n != commits {
			t.Errorf("an idle log made %d commits", n-commits)
		}

		anchor.fail(errLost)
		mustRead(t, log)
		time.Sleep(61 * time.Second)
		expect("while the anchor fails", 3)
		anchor.fail(nil)
		time.Sleep(59 * time.Second)
		expect("at the next alarm", 3, 4)

		held := lease(t, log)
		time.Sleep(time.Hour)
		e, err := held.Draft(audit.Decrypt, "d", "", audit.Success)
		if err != nil {
			t.Fatal(err)
		}
		e.Close("")
		if err := w.Commit(t.Context(), e.Writes(nil)); err != nil {
			t.Fatal(err)
		}
		held.End(nil, e, audit.Event{})
		time.Sleep(59 * time.Second)
		expect("of a long operation, before the interval", 3, 4)
		time.Sleep(2 * time.Second)
		expect("of a long operation", 3, 4, 5)

		mustRead(t, log)
		if err := log.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		commits = w.count()
		time.Sleep(time.Hour)
		if n := w.count(); n != commits {
			t.Errorf("a closed log made %d commits", n-commits)
		}
	})
}

// TestOverdue holds a chain longer than an interval. It must be signed as soon as
// it is free, even if the alarm of another chain is set for later.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFaultStore()
		log := audit.NewLog(w, "muffin", &audit.Options{Signer: signs(t)})
		held := lease(t, log) // its genesis has no checkpoint
		time.Sleep(70 * time.Second)
		mustRead(t, log) // another chain
		held.Failed()
		synctest.Wait()
		if got := stored(t, w); !slices.Contains(got, "1") {
			t.Errorf("stored %v", got)
		}
		if err := log.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestCloseInAlarm checks that Close stops the work of the alarm and waits for it.
func TestCloseInAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFaultStore()
		slow := stuck{faultStore: w}
		log := audit.NewLog(slow, "muffin", &audit.Options{Signer: signs(t)})
		mustRead(t, log)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		began := time.Now()
		if err := log.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("Close waited %v", took)
		}
		if got := operations(eventsIn(t, w, chainsIn(t, w)[0])); got != "genesis decrypt close" {
			t.Errorf("events %s", got)
		}
	})
}

// stuck blocks in the commit of a checkpoint until the context ends.
type stuck struct{ *faultStore }

func (s stuck) Commit(ctx context.Context, writes []record.Write) error {
	if len(writes) == 1 && writes[0].Record.Key.Partition[0] == 'c' {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.faultStore.Commit(ctx, writes)
}
