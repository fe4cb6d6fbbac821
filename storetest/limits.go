package storetest

import (
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// limitCases check that all stores have the limits of the strictest one. They
// return the same error and write nothing.
func limitCases() []Case {
	large := strings.Repeat("x", record.MaxRecord+1)
	tooLarge := func(name string, do func(*env) error) Case {
		return on(name, func(w *env) {
			w.seed()
			w.refuses(blue.ErrTooLarge, func() error { return do(w) })
		})
	}
	return []Case{
		on("Create/dialogue/over 400 KB", func(w *env) {
			w.refuses(blue.ErrTooLarge, func() error {
				_, err := w.store.Create(w.Context(), dialogue, blue.NewDialogue{Question: large})
				return err
			})
			w.ok(createCall.do(w.Context(), w.store, dialogue))
		}),
		tooLarge("Amend/dialogue/over 400 KB", func(w *env) error {
			_, err := w.store.Amend(w.Context(), dialogue, blue.Amendment{Background: &blue.Background{Subject: large}})
			return err
		}),
		tooLarge("RegisterExpert/expert/over 400 KB", func(w *env) error {
			n := newExpert("Brioche")
			n.Description = large
			_, err := w.store.RegisterExpert(w.Context(), dialogue, n)
			return err
		}),
		tooLarge("RegisterVerdict/verdict/over 400 KB", func(w *env) error {
			return w.tryVerdict(blue.NewVerdict{ID: "v", Type: "interim", Description: large})
		}),
		tooLarge("Transition/tension_event/over 400 KB", func(w *env) error {
			_, err := w.store.Transition(w.Context(), dialogue, blue.Transition{ID: id("T0001"), To: "addressed", Reason: large})
			return err
		}),
		tooLarge("RegisterRound/round/over 400 KB", func(w *env) error {
			return w.tryRound(blue.RoundBatch{Round: 1, Summary: large})
		}),
		tooLarge("RegisterRound/perspective/over 400 KB", func(w *env) error {
			b := batch(1)
			b.Drafts[blue.KindPerspective][0].Text = large
			return w.tryRound(b)
		}),
		on("RegisterRound/expert/texts of all rounds over 400 KB", func(w *env) {
			w.seed()
			half := map[blue.ExpertSlug]string{"Muffin": large[:300<<10]}
			w.round(blue.RoundBatch{Round: 1, RawContent: half})
			w.refuses(blue.ErrTooLarge, func() error { return w.tryRound(blue.RoundBatch{Round: 2, RawContent: half}) })
		}),
		tooLarge("RegisterRound/round/over 10,000 records", func(w *env) error {
			b := blue.RoundBatch{Round: 1}
			for n := range record.MaxBatch/99 + 1 {
				move := blue.MoveDraft{Expert: blue.ExpertSlug(fmt.Sprintf("e%d", n)), Type: "defend"}
				b.Moves = append(b.Moves, slices.Repeat([]blue.MoveDraft{move}, 99)...)
			}
			return w.tryRound(b)
		}),
		tooLarge("RegisterRound/round/over 30 MB", func(w *env) error {
			b := blue.RoundBatch{Round: 1, Drafts: map[blue.Kind][]blue.Draft{}}
			b.Drafts[blue.KindClaim] = slices.Repeat([]blue.Draft{{Label: "x", Text: large[:340<<10]}}, 99)
			return w.tryRound(b)
		}),
		on("RegisterRound/round/300 records at once", func(w *env) {
			w.create(newDialogue())
			b := blue.RoundBatch{Drafts: map[blue.Kind][]blue.Draft{}}
			for _, kind := range blue.NumberedKinds()[:3] {
				b.Drafts[kind] = slices.Repeat([]blue.Draft{draft("x")}, 50)
			}
			w.round(b)
			w.same("records", len(w.dump()), 2+2*150)
		}),
		on("RegisterRound/expert/more changes than fit one commit", func(w *env) {
			w.create(newDialogue())
			b := blue.RoundBatch{ExpertScores: map[blue.ExpertSlug]int64{}}
			for n := range record.MaxChanges {
				slug := blue.ExpertSlug(fmt.Sprintf("e%d", n))
				w.expert(newExpert(slug))
				b.ExpertScores[slug] = 1
			}
			w.refuses(blue.ErrTooLarge, func() error { return w.tryRound(b) })
			delete(b.ExpertScores, "e0")
			w.same("scores", len(w.round(b).Scores), record.MaxChanges-1)
		}),
	}
}
