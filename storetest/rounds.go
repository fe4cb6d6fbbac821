package storetest

import (
	"fmt"
	"math"

	blue "github.com/superviber/blue-encrypted-store"
)

func roundCases() []Case {
	return []Case{
		on("RegisterRound/round/numbers each kind from 1", func(w *env) {
			w.create(newDialogue())
			b := batch(3)
			for _, kind := range blue.NumberedKinds() {
				b.Drafts[kind] = []blue.Draft{draft("a"), draft("b"), draft("c")}
			}
			got := w.round(b)
			for _, kind := range blue.NumberedKinds() {
				for i, n := range got.Entities[kind] {
					w.same("the id", n.ID, blue.EntityID{Kind: kind, Round: 3, Seq: blue.Seq(i + 1)})
				}
			}
			w.same("display id", got.Entities[blue.KindTension][2].ID.String(), "T0303")
			w.same("entities stored", len(w.load().Contributed()), 15)
		}),
		on("RegisterRound/round/99 of each kind", func(w *env) {
			w.create(newDialogue())
			b := batch(99)
			for _, kind := range blue.NumberedKinds() {
				b.Drafts[kind] = nil
				for n := range 99 {
					b.Drafts[kind] = append(b.Drafts[kind], draft(fmt.Sprint(n)))
				}
			}
			got := w.round(b)
			w.same("the last id", got.Entities[blue.KindClaim][98].ID.String(), "C9999")
			s := w.load()
			w.same("claims", len(s.Numbered(blue.KindClaim)), 99)
			w.same("the last label", s.Numbered(blue.KindClaim)[98].Common().Label, "98")
			w.same("events", len(s.Events), 5*99)
		}),
		on("RegisterRound/round/same batch again", func(w *env) {
			w.seed()
			before := w.dump()
			got := w.round(batch(0))
			w.same("repeated", got.Repeated, true)
			w.same("entities in the answer", len(got.Entities), 5)
			w.same("the stored records", w.dump(), before)
		}),
		on("RegisterRound/round/a repeat answers as the first time", func(w *env) {
			w.create(newDialogue())
			w.expert(newExpert("Muffin"))
			first := w.round(fullBatch(0))
			again := w.round(fullBatch(0))
			again.Repeated = false
			again.Warnings, first.Warnings = nil, nil
			w.same("the second answer", again, first)
		}),
		on("RegisterRound/round/same batch again after a transition", func(w *env) {
			w.seed()
			w.transition(blue.Transition{ID: id("P0001"), To: "merged"})
			before := w.dump()
			w.same("repeated", w.round(batch(0)).Repeated, true)
			w.same("the stored records", w.dump(), before)
		}),
		on("RegisterRound/round/other content", func(w *env) {
			w.seed()
			b := batch(0)
			b.Score++
			w.refuses(blue.ErrConflict, func() error { return w.tryRound(b) })
		}),
		on("RegisterRound/round/empty batch", func(w *env) {
			w.create(newDialogue())
			got := w.round(blue.RoundBatch{})
			w.same("entities", len(got.Entities), 0)
			s := w.load()
			w.same("rounds", len(s.Rounds), 1)
			w.same("entities stored", len(s.Contributed()), 0)
		}),
		on("RegisterRound/round/request is not modified", func(w *env) {
			w.create(newDialogue())
			b := fullBatch(0)
			w.round(b)
			w.same("the request", b, fullBatch(0))
		}),
		on("RegisterRound/round/created events", func(w *env) {
			w.create(newDialogue())
			b := batch(0)
			b.Drafts[blue.KindClaim][0].Contributors = []blue.ExpertSlug{"Muffin"}
			w.round(b)
			s := w.load()
			w.same("events", len(s.Events), 5)
			for _, e := range s.Events {
				w.same("type", e.Type, "created")
				if e.Of.Kind == blue.KindClaim {
					w.same("actors", e.Actors, []blue.ExpertSlug{"Muffin"})
				}
			}
		}),
		on("RegisterRound/round/unknown expert's score is a warning", func(w *env) {
			w.create(newDialogue())
			got := w.round(batch(0))
			w.same("scores", len(got.Scores), 0)
			w.same("warnings", len(got.Warnings), 1)
			w.same("its type", got.Warnings[0].Type, "unknown_expert")
		}),
		on("RegisterRound/round/unknown expert's text is one warning", func(w *env) {
			w.create(newDialogue())
			b := batch(0)
			b.ExpertScores, b.RawContent = nil, map[blue.ExpertSlug]string{"Eclair": "text"}
			w.same("warnings", len(w.round(b).Warnings), 1)
		}),
		on("RegisterRound/move/numbered by expert", func(w *env) {
			w.create(newDialogue())
			b := batch(0)
			b.Moves = []blue.MoveDraft{{Expert: "Muffin", Type: "defend"}, {Expert: "Scone", Type: "bridge"}, {Expert: "MUFFIN", Type: "concede"}}
			w.same("moves", w.round(b).Moves, 3)
			var keys []string
			for _, m := range w.load().Moves {
				keys = append(keys, m.EntityKey().Key+" "+string(m.Display))
			}
			w.same("moves stored", keys, []string{"0#muffin#1 Muffin", "0#muffin#2 MUFFIN", "0#scone#1 Scone"})
		}),
		on("RegisterRound/tension/updates in one round leave an event each", func(w *env) {
			w.create(newDialogue())
			b := batch(0)
			b.TensionUpdates = []blue.TensionUpdate{
				{ID: "T0001", Status: "addressed", By: []blue.ExpertSlug{"Muffin"}},
				{ID: "T0001", Status: "resolved", By: []blue.ExpertSlug{"Scone"}},
				{ID: "T0001", Status: "resolved", By: []blue.ExpertSlug{"Muffin"}, Via: "R0001"},
			}
			w.round(b)
			s := w.load()
			w.same("the status", s.Tensions()[0].Status, blue.StatusResolved)
			var stamps, types []string
			for _, e := range s.Events {
				if e.Of == id("T0001") {
					stamps, types = append(stamps, e.Stamp[len(e.Stamp)-4:]), append(types, e.Type)
				}
			}
			w.same("types in order", types, []string{"created", "addressed", "resolved", "resolved"})
			w.same("ends of the stamps", stamps, []string{"790Z", "Z-01", "Z-02", "Z-03"})
		}),
		on("RegisterRound/tension/update of an earlier round's", func(w *env) {
			w.seed()
			b := batch(1)
			b.TensionUpdates = []blue.TensionUpdate{{ID: "T0001", Status: "reopened"}}
			w.round(b)
			w.same("the status", w.load().Tensions()[0].Status, blue.Status("reopened"))
		}),
	}
}

func totalCases() []Case {
	return []Case{
		on("RegisterRound/dialogue/rounds out of order", func(w *env) {
			w.create(newDialogue())
			for _, n := range []blue.Round{5, 0, 3} {
				w.round(blue.RoundBatch{Round: n, Score: int64(n) + 1})
			}
			s := w.load()
			w.same("total_rounds", s.Dialogue.TotalRounds, int64(6))
			w.same("total_alignment", s.Dialogue.TotalAlignment, int64(6+1+4))
			var order []blue.Round
			for _, r := range s.Rounds {
				order = append(order, r.Round)
			}
			w.same("rounds", order, []blue.Round{0, 3, 5})
		}),
		on("RegisterRound/dialogue/negative scores", func(w *env) {
			w.create(newDialogue())
			w.round(blue.RoundBatch{Round: 0, Score: -8})
			w.round(blue.RoundBatch{Round: 1, Score: 3})
			w.same("total_alignment", w.load().Dialogue.TotalAlignment, int64(-5))
		}),
		on("RegisterRound/dialogue/totals stop at the ends of int64", func(w *env) {
			w.create(newDialogue())
			w.round(blue.RoundBatch{Round: 0, Score: math.MaxInt64})
			w.round(blue.RoundBatch{Round: 1, Score: math.MaxInt64})
			w.same("total_alignment", w.load().Dialogue.TotalAlignment, int64(math.MaxInt64))
		}),
		on("RegisterRound/expert/scores add up", func(w *env) {
			w.create(newDialogue())
			w.expert(newExpert("Muffin"))
			for n, score := range []int64{5, -7, 3} {
				w.round(blue.RoundBatch{Round: blue.Round(n), ExpertScores: map[blue.ExpertSlug]int64{"MUFFIN": score}})
			}
			e := w.load().Experts[0]
			w.same("scores", e.Scores, map[blue.Round]int64{0: 5, 1: -7, 2: 3})
			w.same("total_score", e.TotalScore, int64(1))
		}),
		on("RegisterRound/expert/totals stop at the ends of int64", func(w *env) {
			w.create(newDialogue())
			w.expert(newExpert("Muffin"))
			for n := range blue.Round(2) {
				w.round(blue.RoundBatch{Round: n, ExpertScores: map[blue.ExpertSlug]int64{"Muffin": math.MinInt64}})
			}
			w.same("total_score", w.load().Experts[0].TotalScore, int64(math.MinInt64))
		}),
		on("RegisterRound/dialogue/a refused round counts for nothing", func(w *env) {
			w.seed()
			b := batch(1)
			b.TensionUpdates = []blue.TensionUpdate{{ID: "T0909", Status: "resolved"}}
			w.refuses(blue.ErrRefused, func() error { return w.tryRound(b) })
			w.same("total_rounds", w.load().Dialogue.TotalRounds, int64(1))
		}),
	}
}
