package storetest

import (
	"context"

	blue "github.com/superviber/blue-encrypted-store"
)

// stepped is a request that carries a Step.
type stepped struct {
	name string
	do   func(ctx context.Context, s Store, step *blue.Step) error
}

func steppedCalls() []stepped {
	return []stepped{
		{"RegisterExpert/expert", func(ctx context.Context, s Store, step *blue.Step) error {
			n := newExpert("Brioche")
			n.Step = step
			_, err := s.RegisterExpert(ctx, dialogue, n)
			return err
		}},
		{"RegisterRound/round", func(ctx context.Context, s Store, step *blue.Step) error {
			b := batch(1)
			b.Step = step
			_, err := s.RegisterRound(ctx, dialogue, b)
			return err
		}},
		{"RecordSignal/round", func(ctx context.Context, s Store, step *blue.Step) error {
			_, err := s.RecordSignal(ctx, dialogue, blue.Signal{Expert: "Muffin", Step: step})
			return err
		}},
		{"RegisterVerdict/verdict", func(ctx context.Context, s Store, step *blue.Step) error {
			_, err := s.RegisterVerdict(ctx, dialogue, blue.NewVerdict{ID: "v", Type: "interim", Step: step})
			return err
		}},
		{"Amend/dialogue", func(ctx context.Context, s Store, step *blue.Step) error {
			_, err := s.Amend(ctx, dialogue, blue.Amendment{Step: step})
			return err
		}},
	}
}

// stepCases check that an import executes each operation of a source once and in
// order.
func stepCases() []Case {
	cases := []Case{
		on("Create/dialogue/step is taken", func(w *env) {
			w.create(blue.NewDialogue{Step: &blue.Step{Source: digest(1)}})
			w.same("imports", w.load().Dialogue.Imports, map[string]blue.ImportProgress{digest(1): {Done: 1}})
		}),
		on("Create/dialogue/step out of order", func(w *env) {
			w.refuses(blue.ErrInvalid, func() error {
				_, err := w.store.Create(w.Context(), dialogue, blue.NewDialogue{Step: &blue.Step{Source: digest(1), Op: 1}})
				return err
			})
		}),
		on("Amend/dialogue/refused operations are kept in order", func(w *env) {
			w.create(newDialogue())
			for op := range 3 {
				_, err := w.store.Amend(w.Context(), dialogue, blue.Amendment{Step: &blue.Step{Source: digest(1), Op: op},
					Refused: &blue.ImportRefusal{Op: op, Kind: "round-register", Reason: "no"}})
				w.ok(err)
			}
			progress := w.load().Dialogue.Imports[digest(1)]
			w.same("done", progress.Done, 3)
			w.same("the last refusal", progress.Refused[2], blue.ImportRefusal{Op: 2, Kind: "round-register", Reason: "no"})
		}),
		on("Amend/dialogue/two sources do not mix", func(w *env) {
			w.create(newDialogue())
			for _, step := range []blue.Step{{Source: digest(1)}, {Source: digest(2)}, {Source: digest(1), Op: 1}} {
				_, err := w.store.Amend(w.Context(), dialogue, blue.Amendment{Step: &step})
				w.ok(err)
			}
			w.same("imports", w.load().Dialogue.Imports, map[string]blue.ImportProgress{digest(1): {Done: 2}, digest(2): {Done: 1}})
		}),
		on("RegisterRound/round/a step on an existing round", func(w *env) {
			w.seed()
			b := batch(0)
			b.Step = &blue.Step{Source: digest(1)}
			w.refuses(blue.ErrConflict, func() error { return w.tryRound(b) })
		}),
		on("RegisterRound/round/a refused operation does not count as a step", func(w *env) {
			w.seed()
			b := batch(1)
			b.Step, b.TensionUpdates = &blue.Step{Source: digest(1)}, []blue.TensionUpdate{{ID: "T0909", Status: "open"}}
			w.refuses(blue.ErrRefused, func() error { return w.tryRound(b) })
			w.same("imports", len(w.load().Dialogue.Imports), 0)
		}),
	}
	for _, c := range steppedCalls() {
		step := func(op int) *blue.Step { return &blue.Step{Source: digest(1), Op: op} }
		cases = append(cases,
			on(c.name+"/step is taken with the request", func(w *env) {
				w.seed()
				w.ok(c.do(w.Context(), w.store, step(0)))
				w.same("done", w.load().Dialogue.Imports[digest(1)].Done, 1)
			}),
			on(c.name+"/step taken before", func(w *env) {
				w.seed()
				w.ok(c.do(w.Context(), w.store, step(0)))
				w.refuses(blue.ErrConflict, func() error { return c.do(w.Context(), w.store, step(0)) })
			}),
			on(c.name+"/step out of order", func(w *env) {
				w.seed()
				w.refuses(blue.ErrInvalid, func() error { return c.do(w.Context(), w.store, step(1)) })
			}))
	}
	return cases
}
