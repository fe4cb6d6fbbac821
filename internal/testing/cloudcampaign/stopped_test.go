package cloudcampaign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// run is one run.
func (c *stopCampaign) run(t *testing.T, proxy *faultproxy.Proxy, s stop) {
	id, err := c.create(t.Context())
	if err != nil {
		t.Errorf("%v: %v", s, err)
		return
	}
	r := &stopRun{stopCampaign: c, t: t, proxy: proxy, stop: s, id: id, want: 1}
	first := make(chan error, 1)
	slept := make(chan struct{})
	wake := make(chan struct{})
	r.play()
	go func() { first <- r.write(slept, wake) }()
	ended := false
	select {
	case err = <-first:
		ended = true
	case <-slept:
	}
	if ended {
		proxy.Settle()
	}
	r.look("stopped")
	if s.early {
		r.release()
		r.look("late requests delivered")
	}
	if _, err := c.clean.RegisterRound(t.Context(), r.id, batch(2, s.second.entities, s.second.moves)); err != nil {
		r.failed(&c.figures.Stuck, "the second writer: %v", err)
		return
	}
	r.want++
	if !ended {
		close(wake)
		err = <-first
		proxy.Settle()
	}
	proxy.Play(nil)
	r.release()
	r.end(err)
}

// stopRun is a run under way.
type stopRun struct {
	*stopCampaign
	t     *testing.T
	proxy *faultproxy.Proxy
	stop
	id   blue.DialogueID
	want uint64 // the version without the first writer's round
}

// play instructs the proxy what happens from the k-th request on.
func (r *stopRun) play() {
	faults := map[way]faultproxy.Rule{
		lost: {Fault: faultproxy.Lose()}, unheard: {Fault: faultproxy.LoseAnswer()}, stray: {Fault: faultproxy.Late(0)},
		cutOff: {Fault: faultproxy.Lose(), Times: 1 << 30}, allLate: {Fault: faultproxy.Late(0), Times: 1 << 30},
		oneUnheard: {Fault: faultproxy.LoseAnswer()}, oneLate: {Fault: faultproxy.Late(0)},
		thriceUnheard: {Fault: faultproxy.LoseAnswer(), Times: 3}, thriceLate: {Fault: faultproxy.Late(0), Times: 3},
		asleep: {}, asleepLate: {Fault: faultproxy.Double(1 << 30)},
	}
	rule := faults[r.way]
	rule.Nth = r.k
	r.proxy.Play(faultproxy.Script{rule}.Decide)
}

// write registers round 1 as a process of its own, which may end at its k-th
// request, or sleep.
func (r *stopRun) write(slept, wake chan struct{}) error {
	ctx, kill := context.WithCancel(r.t.Context())
	defer kill()
	gate := &gate{inner: r.world.plain, before: func(n int) {
		if r.way == asleep && n == r.k || r.way == asleepLate && n == r.k+1 {
			close(slept)
			<-wake
		}
	}, after: func(n int) {
		if n == r.k && (r.way == lost || r.way == unheard || r.way == stray) {
			kill()
		}
	}}
	store := r.world.open(r.t, r.world.records(r.t, r.proxy.URL, gate))
	defer store.Close()
	_, err := store.RegisterRound(ctx, r.id, batch(1, r.size.entities, r.size.moves))
	return err
}

// gate counts the requests of a client, and tells before and after each.
type gate struct {
	inner         *http.Client
	n             atomic.Int64
	before, after func(n int)
}

func (g *gate) Do(req *http.Request) (*http.Response, error) {
	n := int(g.n.Add(1))
	g.before(n)
	defer g.after(n)
	return g.inner.Do(req)
}

func (r *stopRun) release() {
	n := r.proxy.Release()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.figures.Released += n
}

// look loads the dialogue without a fault and reports whether round 1 is there,
// whole. version is the version of the dialogue.
func (r *stopRun) look(when string) (there bool, version uint64) {
	s, err := r.clean.Load(r.t.Context(), r.id)
	if err != nil {
		r.failed(&r.figures.FalseAlarms, "%s: %v", when, err)
		return false, 0
	}
	return r.whole(s, when), s.Version
}

func (r *stopRun) whole(s *blue.Snapshot, when string) bool {
	entities, events, moves, rounds := entitiesOf(s, 1)
	if entities+events+moves+rounds == 0 {
		return false
	}
	if entities != r.size.entities || events != entities || moves != r.size.moves || rounds != 1 {
		r.failed(&r.figures.Torn, "%s: torn: %d entities, %d events, %d moves, %d rounds", when, entities, events, moves, rounds)
	}
	return true
}

// end checks what became of the round, now that all requests have arrived.
func (r *stopRun) end(err error) {
	there, version := r.look("all has arrived")
	definite := err != nil && !errors.Is(err, blue.ErrUnavailable) && !errors.Is(err, context.Canceled)
	switch {
	case err == nil && !there:
		r.failed(&r.figures.Lost, "acknowledged and not there")
	case definite && there:
		r.failed(&r.figures.Doubled, "refused (%v) and there", err)
	}
	want := r.want
	if there {
		want++
	}
	if version != want {
		r.failed(&r.figures.Doubled, "version %d, not %d", version, want)
	}
	if r.k%4 == 0 {
		r.again(there)
		want = r.want + 1
	}
	s, verifyErr := r.clean.Verify(r.t.Context(), r.id)
	if verifyErr != nil {
		r.failed(&r.figures.FalseAlarms, "verify: %v", verifyErr)
	} else if r.whole(s, "at the end") != (want > r.want) || s.Version != want {
		r.failed(&r.figures.Doubled, "at the end version %d, not %d", s.Version, want)
	}
	r.count(err, there)
}

// again registers the round again: it is taken if it was absent, and
// known if it was there.
func (r *stopRun) again(there bool) {
	again, err := r.clean.RegisterRound(r.t.Context(), r.id, batch(1, r.size.entities, r.size.moves))
	if err != nil || again.Value.Repeated != there {
		r.failed(&r.figures.Doubled, "registered again: repeated %t, %v; it was there: %t", again.Value.Repeated, err, there)
	}
}

func (r *stopRun) count(err error, there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.figures
	f.Runs++
	f.ByWay[r.way]++
	f.BySize[r.size.writes]++
	if there {
		f.Whole++
	} else {
		f.Absent++
	}
	if err == nil {
		f.Acknowledged++
	} else {
		f.Failed[kindOf(err)]++
	}
}

func (r *stopRun) failed(count *int, format string, args ...any) {
	r.mu.Lock()
	*count++
	r.mu.Unlock()
	r.t.Errorf("%v: %s", r.stop, fmt.Sprintf(format, args...))
	for _, e := range r.proxy.Log() {
		r.t.Log(e)
	}
}

// kindOf names an error.
func kindOf(err error) string {
	kinds := map[string]error{
		"ended": context.Canceled, "unavailable": blue.ErrUnavailable, "busy": blue.ErrBusy, "conflict": blue.ErrConflict,
		"tampered": blue.ErrTampered, "audit": blue.ErrAudit, "refused": blue.ErrRefused, "rolled back": blue.ErrRolledBack,
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		if errors.Is(err, kinds[name]) {
			return name
		}
	}
	return err.Error()
}
