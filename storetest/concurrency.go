package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	blue "github.com/superviber/blue-encrypted-store"
)

const writers = 8

// atOnce runs work in several goroutines, each with a separate store over the
// same records, and returns their errors.
func (w *env) atOnce(work func(ctx context.Context, n int, s Store) error) []error {
	w.Helper()
	errs := make([]error, writers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for n := range writers {
		s := w.again()
		wg.Go(func() {
			<-start
			errs[n] = work(w.Context(), n, s)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// onlyOne checks that one writer succeeded and that each other one got
// ErrConflict.
func (w *env) onlyOne(errs []error) {
	w.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			w.fails(err, blue.ErrConflict)
		}
	}
	w.same("winners", won, 1)
}

func concurrencyCases() []Case {
	return []Case{
		on("Create/dialogue/eight creations at once", func(w *env) {
			errs := w.atOnce(func(ctx context.Context, n int, s Store) error {
				_, err := s.Create(ctx, dialogue, blue.NewDialogue{Title: fmt.Sprint(n)})
				return err
			})
			w.onlyOne(errs)
			w.load()
		}),
		on("Create/dialogue/eight dialogues at once", func(w *env) {
			errs := w.atOnce(func(ctx context.Context, n int, s Store) error {
				_, err := s.Create(ctx, blue.DialogueID(fmt.Sprintf("d%d", n)), newDialogue())
				return err
			})
			w.ok(errors.Join(errs...))
			rows, err := w.store.List(w.Context())
			w.ok(err)
			w.same("dialogues", len(rows), writers)
		}),
		on("RegisterExpert/expert/eight experts at once", func(w *env) {
			w.create(newDialogue())
			w.ok(errors.Join(w.atOnce(func(ctx context.Context, n int, s Store) error {
				_, err := s.RegisterExpert(ctx, dialogue, newExpert(blue.ExpertSlug(fmt.Sprintf("e%d", n))))
				return err
			})...))
			w.same("experts", len(w.load().Experts), writers)
		}),
		on("RegisterExpert/expert/eight experts of one slug at once", func(w *env) {
			w.create(newDialogue())
			w.onlyOne(w.atOnce(func(ctx context.Context, n int, s Store) error {
				e := newExpert("Muffin")
				e.Role = fmt.Sprint(n)
				_, err := s.RegisterExpert(ctx, dialogue, e)
				return err
			}))
			w.same("experts", len(w.load().Experts), 1)
		}),
		on("RegisterRound/round/eight rounds at once", func(w *env) {
			w.seed()
			w.ok(errors.Join(w.atOnce(func(ctx context.Context, n int, s Store) error {
				_, err := s.RegisterRound(ctx, dialogue, batch(blue.Round(n+1)))
				return err
			})...))
			s := w.load()
			w.same("rounds", len(s.Rounds), writers+1)
			w.same("total_rounds", s.Dialogue.TotalRounds, int64(writers+1))
			w.same("total_alignment", s.Dialogue.TotalAlignment, int64(7*(writers+1)))
			w.same("the expert's total", s.Experts[0].TotalScore, int64(4*(writers+1)))
			ids := map[blue.EntityID]bool{}
			for _, e := range s.Contributed() {
				ids[e.Common().ID] = true
			}
			w.same("distinct ids", len(ids), 5*(writers+1))
		}),
		on("RegisterRound/round/eight different batches of one round at once", func(w *env) {
			w.seed()
			w.onlyOne(w.atOnce(func(ctx context.Context, n int, s Store) error {
				b := batch(1)
				b.Score = int64(n)
				_, err := s.RegisterRound(ctx, dialogue, b)
				return err
			}))
			w.same("entities", len(w.load().Contributed()), 10)
		}),
		on("RegisterRound/round/one batch eight times at once", func(w *env) {
			w.seed()
			var mu sync.Mutex
			repeated := 0
			w.ok(errors.Join(w.atOnce(func(ctx context.Context, n int, s Store) error {
				got, err := s.RegisterRound(ctx, dialogue, batch(1))
				mu.Lock()
				defer mu.Unlock()
				if got.Value.Repeated {
					repeated++
				}
				return err
			})...))
			w.same("answers marked as repeated", repeated, writers-1)
			w.same("entities", len(w.load().Contributed()), 10)
		}),
		on("RecordSignal/round/eight signals at once", func(w *env) {
			w.seed()
			w.ok(errors.Join(w.atOnce(func(ctx context.Context, n int, s Store) error {
				_, err := s.RecordSignal(ctx, dialogue, blue.Signal{Expert: blue.ExpertSlug(fmt.Sprintf("e%d", n))})
				return err
			})...))
			w.same("signals", len(w.load().Rounds[0].Signals), writers)
		}),
		on("Transition/tension/eight changes to one status at once", func(w *env) {
			w.seed()
			errs := w.atOnce(func(ctx context.Context, n int, s Store) error {
				_, err := s.Transition(ctx, dialogue, blue.Transition{ID: id("T0001"), To: "addressed", Reason: fmt.Sprint(n)})
				return err
			})
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else {
					w.fails(err, blue.ErrRefused)
				}
			}
			w.same("winners", won, 1)
			w.same("events", len(w.load().Events), 6)
		}),
		on("RegisterVerdict/verdict/eight final verdicts at once", func(w *env) {
			w.seed()
			w.ok(errors.Join(w.atOnce(func(ctx context.Context, n int, s Store) error {
				_, err := s.RegisterVerdict(ctx, dialogue, blue.NewVerdict{ID: blue.VerdictID(fmt.Sprintf("v%d", n)), Type: blue.VerdictFinal, RecommendationsAdopted: []string{"R0001"}})
				return err
			})...))
			w.same("verdicts", len(w.load().Verdicts), writers+1)
		}),
		on("Amend/dialogue/eight steps at once are taken once each", func(w *env) {
			w.create(newDialogue())
			w.onlyOne(w.atOnce(func(ctx context.Context, n int, s Store) error {
				_, err := s.Amend(ctx, dialogue, blue.Amendment{Step: &blue.Step{Source: digest(1)}})
				return err
			}))
			w.same("done", w.load().Dialogue.Imports[digest(1)].Done, 1)
		}),
		on("Load/dialogue/readers never see half a round", func(w *env) {
			w.seed()
			w.ok(errors.Join(w.atOnce(func(ctx context.Context, n int, s Store) error {
				if n < 2 {
					for round := range blue.Round(4) {
						if _, err := s.RegisterRound(ctx, dialogue, batch(1+round+blue.Round(n)*4)); err != nil {
							return err
						}
					}
					return nil
				}
				for range 6 {
					if err := whole(ctx, s); err != nil {
						return err
					}
				}
				return nil
			})...))
			w.same("rounds", len(w.load().Rounds), 9)
		}),
	}
}

// whole loads a dialogue whose rounds are all of batch and counts its parts.
func whole(ctx context.Context, s Store) error {
	snapshot, err := s.Load(ctx, dialogue)
	if err != nil {
		return err
	}
	rounds := len(snapshot.Rounds)
	if snapshot.Dialogue.TotalRounds < int64(rounds) || len(snapshot.Contributed()) != 5*rounds || len(snapshot.Events) != 5*rounds ||
		len(snapshot.Moves) != rounds || len(snapshot.Experts[0].Scores) != rounds || snapshot.Dialogue.TotalAlignment != int64(7*rounds) {
		return fmt.Errorf("half a round: %d rounds, %d entities, %d events, %d moves", rounds, len(snapshot.Contributed()), len(snapshot.Events), len(snapshot.Moves))
	}
	return nil
}
