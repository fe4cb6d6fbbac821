package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

func final() blue.NewVerdict {
	return blue.NewVerdict{ID: "final", Type: blue.VerdictFinal, Round: 0, Recommendation: "small", Description: "as agreed"}
}

func (w *env) tryVerdict(n blue.NewVerdict) error {
	_, err := w.store.RegisterVerdict(w.Context(), dialogue, n)
	return err
}

func verdictCases() []Case {
	cases := []Case{
		on("RegisterVerdict/verdict/a final verdict converges the dialogue", func(w *env) {
			w.seed()
			w.clock.step(time.Hour)
			w.same("forced", w.verdict(final()).Forced, false)
			d := w.load().Dialogue
			w.same("the status", d.Status, blue.StatusConverged)
			w.same("converged_at", d.ConvergedAt, w.clock.now())
		}),
		on("RegisterVerdict/verdict/gate without rounds", func(w *env) {
			w.create(newDialogue())
			w.refusesAtGate(final(), []string{"no rounds registered"})
		}),
		on("RegisterVerdict/verdict/gate with velocity", func(w *env) {
			w.create(newDialogue())
			w.round(blue.RoundBatch{OpenTensions: 1, NewPerspectives: 2, ConvergeSignals: 2, PanelSize: 2})
			w.refusesAtGate(final(), []string{"velocity=3 (open_tensions=1, new_perspectives=2)"})
		}),
		on("RegisterVerdict/verdict/gate without all signals", func(w *env) {
			w.create(newDialogue())
			w.round(blue.RoundBatch{ConvergeSignals: 1, PanelSize: 2})
			w.refusesAtGate(final(), []string{"converge_percent=50% (1/2)"})
		}),
		on("RegisterVerdict/verdict/gate looks at the last round alone", func(w *env) {
			w.create(newDialogue())
			w.round(blue.RoundBatch{Round: 4, ConvergeSignals: 2, PanelSize: 2})
			w.round(blue.RoundBatch{Round: 1, OpenTensions: 9, PanelSize: 2})
			w.verdict(final())
		}),
		on("RegisterVerdict/verdict/forced through the gate", func(w *env) {
			w.create(newDialogue())
			n := final()
			n.Force = true
			got := w.verdict(n)
			w.same("forced", got.Forced, true)
			w.same("blockers", got.Blockers, []string{"no rounds registered"})
			w.same("forced as stored", w.load().Verdicts[0].Forced, true)
		}),
		on("RegisterVerdict/verdict/force that was not needed", func(w *env) {
			w.seed()
			n := final()
			n.Force = true
			w.same("forced", w.verdict(n).Forced, false)
			w.same("blockers", w.load().Verdicts[0].Forced, false)
		}),
		on("RegisterVerdict/verdict/same request again", func(w *env) {
			w.seed()
			first := w.verdict(final())
			before := w.dump()
			again := w.verdict(final())
			w.same("repeated", again.Repeated, true)
			w.same("the verdict", again.Verdict, first.Verdict)
			w.same("the stored records", w.dump(), before)
		}),
		on("RegisterVerdict/verdict/other content", func(w *env) {
			w.seed()
			w.verdict(final())
			n := final()
			n.Description = "as not agreed"
			w.refuses(blue.ErrConflict, func() error { return w.tryVerdict(n) })
		}),
		on("RegisterVerdict/verdict/ids differ by case", func(w *env) {
			w.create(newDialogue())
			w.verdict(blue.NewVerdict{ID: "a", Type: "dissent"})
			w.verdict(blue.NewVerdict{ID: "A", Type: "dissent"})
			w.same("verdicts", len(w.load().Verdicts), 2)
		}),
		on("RegisterVerdict/verdict/by round, then creation", func(w *env) {
			w.create(newDialogue())
			for _, v := range []struct {
				id    blue.VerdictID
				round blue.Round
			}{{"z", 1}, {"y", 0}, {"a", 1}, {"x", 0}} {
				w.verdict(blue.NewVerdict{ID: v.id, Type: "interim", Round: v.round})
			}
			var ids []blue.VerdictID
			for _, v := range w.load().Verdicts {
				ids = append(ids, v.ID)
			}
			w.same("ids", ids, []blue.VerdictID{"y", "x", "z", "a"})
		}),
		on("RegisterVerdict/verdict/a long confidence is sealed", func(w *env) {
			w.create(newDialogue())
			w.verdict(blue.NewVerdict{ID: "a", Type: "interim", Confidence: "high"})
			w.verdict(blue.NewVerdict{ID: "b", Type: "interim", Confidence: "high, if it rains"})
			s := w.load()
			w.same("one word", []string{s.Verdicts[0].Confidence, s.Verdicts[0].ConfidenceText}, []string{"high", ""})
			w.same("more words", []string{s.Verdicts[1].Confidence, s.Verdicts[1].ConfidenceText}, []string{"", "high, if it rains"})
		}),
		on("RegisterVerdict/verdict/another type leaves the dialogue open", func(w *env) {
			w.seed()
			for _, t := range []blue.VerdictType{"interim", "minority", "dissent"} {
				w.verdict(blue.NewVerdict{ID: blue.VerdictID(t), Type: t})
			}
			w.same("the status", w.load().Dialogue.Status, blue.StatusOpen)
		}),
	}
	for _, bad := range []struct {
		name string
		want error
		set  func(*blue.NewVerdict)
	}{
		{"empty verdict id", blue.ErrInvalid, func(n *blue.NewVerdict) { n.ID = "" }},
		{"verdict id with a number sign", blue.ErrInvalid, func(n *blue.NewVerdict) { n.ID = "a#b" }},
		{"unknown type", blue.ErrRefused, func(n *blue.NewVerdict) { n.Type = "maybe" }},
		{"round 100", blue.ErrRefused, func(n *blue.NewVerdict) { n.Round = 100 }},
		{"broken ethos compliance", blue.ErrInvalid, func(n *blue.NewVerdict) { n.EthosCompliance = []byte(`{`) }},
	} {
		cases = append(cases, on("RegisterVerdict/verdict/"+bad.name, func(w *env) {
			w.seed()
			n := final()
			bad.set(&n)
			w.refuses(bad.want, func() error { return w.tryVerdict(n) })
		}))
	}
	return cases
}

func (w *env) refusesAtGate(n blue.NewVerdict, blockers []string) {
	w.Helper()
	w.refuses(blue.ErrRefused, func() error {
		err := w.tryVerdict(n)
		gate, _ := errors.AsType[*blue.GateError](err)
		if gate == nil || !slices.Equal(gate.Blockers, blockers) {
			w.Fatalf("got %v, want the blockers %q", err, blockers)
		}
		return err
	})
	w.same("the status", w.load().Dialogue.Status, blue.StatusOpen)
}

// adoptionCases check that adopted_in_verdict is stored on the recommendation.
func adoptionCases() []Case {
	adopts := func(id blue.VerdictID, t blue.VerdictType, names ...string) blue.NewVerdict {
		return blue.NewVerdict{ID: id, Type: t, RecommendationsAdopted: names}
	}
	adopted := func(w *env) blue.VerdictID { w.Helper(); return w.load().Recommendations()[0].AdoptedInVerdict }
	return []Case{
		on("RegisterVerdict/recommendation/adopted", func(w *env) {
			w.seed()
			w.same("warnings", len(w.verdict(adopts("v", "interim", "R0001")).Warnings), 0)
			w.same("adopted_in_verdict", adopted(w), blue.VerdictID("v"))
		}),
		on("RegisterVerdict/recommendation/adoption leaves its status", func(w *env) {
			w.seed()
			w.verdict(adopts("v", "interim", "R0001"))
			w.same("the status", string(w.load().Recommendations()[0].Status), "proposed")
		}),
		on("RegisterVerdict/recommendation/a later interim verdict replaces it", func(w *env) {
			w.seed()
			w.verdict(adopts("v", "interim", "R0001"))
			w.verdict(adopts("w", "minority", "R0001"))
			w.same("adopted_in_verdict", adopted(w), blue.VerdictID("w"))
		}),
		on("RegisterVerdict/recommendation/a final verdict replaces it", func(w *env) {
			w.seed()
			w.verdict(adopts("v", "interim", "R0001"))
			w.verdict(adopts("w", blue.VerdictFinal, "R0001"))
			w.same("adopted_in_verdict", adopted(w), blue.VerdictID("w"))
		}),
		on("RegisterVerdict/recommendation/a final verdict is kept", func(w *env) {
			w.seed()
			w.verdict(adopts("v", blue.VerdictFinal, "R0001"))
			w.verdict(adopts("w", "minority", "R0001"))
			w.same("adopted_in_verdict", adopted(w), blue.VerdictID("v"))
		}),
		on("RegisterVerdict/recommendation/a second final verdict replaces it", func(w *env) {
			w.seed()
			w.verdict(adopts("v", blue.VerdictFinal, "R0001"))
			w.verdict(adopts("w", blue.VerdictFinal, "R0001"))
			w.same("adopted_in_verdict", adopted(w), blue.VerdictID("w"))
		}),
		on("RegisterVerdict/recommendation/unknown recommendations are warnings", func(w *env) {
			w.seed()
			got := w.verdict(adopts("v", "interim", "R0009", "P0001", "soup", "R0001"))
			w.same("warnings", len(got.Warnings), 3)
			w.same("adopted_in_verdict", adopted(w), blue.VerdictID("v"))
		}),
	}
}

func transitionCases() []Case {
	try := func(w *env, t blue.Transition) error {
		_, err := w.store.Transition(w.Context(), dialogue, t)
		return err
	}
	cases := []Case{
		on("Transition/tension/status and event together", func(w *env) {
			w.seed()
			w.clock.step(time.Second)
			got := w.transition(blue.Transition{ID: id("T0001"), To: "addressed", Round: 2, By: []blue.ExpertSlug{"Muffin"},
				Reason: "baked", Reference: "R0001", ResultID: "V1"})
			s := w.load()
			stored := s.Events[slices.IndexFunc(s.Events, func(e *blue.Event) bool { return e.Type == "addressed" })]
			w.same("the answer and the stored event", &got, stored)
			w.same("the event", got, blue.Event{Of: id("T0001"), Stamp: w.clock.now().Format("2006-01-02T15:04:05.000000000Z"), Type: "addressed",
				Round: 2, CreatedAt: w.clock.now(), UpdatedAt: w.clock.now(), Actors: []blue.ExpertSlug{"Muffin"}, Reason: "baked", Reference: "R0001", ResultID: "V1"})
			w.same("the tension's change", s.Tensions()[0].UpdatedAt, w.clock.now())
			w.same("the tension's creation", s.Tensions()[0].CreatedAt != w.clock.now(), true)
		}),
		on("Transition/tension/same request again", func(w *env) {
			w.seed()
			t := blue.Transition{ID: id("T0001"), To: "addressed", By: []blue.ExpertSlug{"Muffin"}}
			first := w.transition(t)
			before := w.dump()
			w.same("the answer", w.transition(t), first)
			w.same("the stored records", w.dump(), before)
		}),
		on("Transition/tension/same status by another", func(w *env) {
			w.seed()
			w.transition(blue.Transition{ID: id("T0001"), To: "addressed", By: []blue.ExpertSlug{"Muffin"}})
			w.refuses(blue.ErrRefused, func() error {
				return try(w, blue.Transition{ID: id("T0001"), To: "addressed", By: []blue.ExpertSlug{"Scone"}})
			})
		}),
		on("Transition/tension/there and back", func(w *env) {
			w.seed()
			for _, to := range []blue.Status{"addressed", "resolved", "reopened", "addressed", "resolved"} {
				w.transition(blue.Transition{ID: id("T0001"), To: to})
			}
			var types []string
			for _, e := range w.load().Events {
				if e.Of == id("T0001") {
					types = append(types, e.Type)
				}
			}
			w.same("events in order", types, []string{"created", "addressed", "resolved", "reopened", "addressed", "resolved"})
		}),
		on("Transition/tension/two events in one instant of the clock", func(w *env) {
			w.seed()
			w.transition(blue.Transition{ID: id("T0001"), To: "addressed"})
			w.transition(blue.Transition{ID: id("T0001"), To: "resolved"})
			stamps := map[string]bool{}
			for _, e := range w.load().Events {
				if e.Of == id("T0001") {
					stamps[e.Stamp] = true
				}
			}
			w.same("distinct stamps", len(stamps), 3)
		}),
		on("Transition/dialogue/no kind", func(w *env) {
			w.seed()
			w.refuses(blue.ErrRefused, func() error { return try(w, blue.Transition{To: "open"}) })
		}),
	}
	for _, of := range firstOf(0) {
		kind := string(of.Kind)
		cases = append(cases,
			on("Transition/"+kind+"/unknown status", func(w *env) {
				w.seed()
				w.refuses(blue.ErrRefused, func() error { return try(w, blue.Transition{ID: of, To: "gone"}) })
			}),
			on("Transition/"+kind+"/round 100", func(w *env) {
				w.seed()
				w.refuses(blue.ErrRefused, func() error { return try(w, blue.Transition{ID: of, To: of.Kind.Statuses()[1], Round: 100}) })
			}),
			on("Transition/"+kind+"/the whole lifecycle", func(w *env) { w.lifecycle(of) }))
	}
	return cases
}

// lifecycle tries every step between two statuses of a kind. Each step starts
// from a new entity that was brought to the first status.
func (w *env) lifecycle(of blue.EntityID) {
	w.create(newDialogue())
	kind := of.Kind
	b := blue.RoundBatch{Drafts: map[blue.Kind][]blue.Draft{kind: slices.Repeat([]blue.Draft{draft("x")}, 40)}}
	w.round(b)
	for _, from := range kind.Statuses() {
		for _, to := range kind.Statuses() {
			for _, step := range wayTo(kind, from) {
				w.transition(blue.Transition{ID: of, To: step})
			}
			_, err := w.store.Transition(w.Context(), dialogue, blue.Transition{ID: of, To: to, Reason: "a try"})
			want := from
			if kind.CanChange(from, to) {
				w.ok(err)
				want = to
			} else {
				w.fails(err, blue.ErrRefused)
			}
			e, _ := w.load().Find(of)
			w.same(fmt.Sprintf("the status from %s to %s", from, to), e.Common().Status, want)
			of.Seq++
		}
	}
}

// wayTo returns the steps that lead from a kind's first status to another.
func wayTo(kind blue.Kind, status blue.Status) []blue.Status {
	type way []blue.Status
	ways := map[blue.Status]way{kind.InitialStatus(): {}}
	for range kind.Statuses() {
		for from, w := range ways {
			for _, to := range kind.Statuses() {
				if _, known := ways[to]; !known && kind.CanChange(from, to) {
					ways[to] = append(slices.Clone(w), to)
				}
			}
		}
	}
	return ways[status]
}
