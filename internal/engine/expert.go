package engine

import (
	"context"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
)

// RegisterExpert implements blue.DialogueStore.
func (s *Store) RegisterExpert(ctx context.Context, id blue.DialogueID, n blue.NewExpert) (blue.Scoped[blue.Expert], error) {
	if err := n.Validate(); err != nil {
		return blue.Scoped[blue.Expert]{}, err
	}
	var answer blue.Expert
	err := s.update(ctx, id, func(tx *transaction) error {
		e := &blue.Expert{
			Slug: n.Slug, Tier: n.Tier, Source: n.Source, Relevance: n.Relevance, FirstRound: n.FirstRound, CreatedAt: tx.now,
			Role: n.Role, Description: n.Description, Focus: n.Focus, CreationReason: n.CreationReason, Color: n.Color,
		}
		if found, ok := tx.snapshot.Expert(n.Slug); ok && n.Step == nil {
			if !sameExpert(found, e) {
				return fmt.Errorf("%w: dialogue %s already has the expert %s; nothing was written", blue.ErrConflict, id, found.Slug)
			}
			answer = *found
			return nil
		}
		if err := tx.add(e); err != nil {
			return err
		}
		answer = *e
		return tx.step(n.Step)
	})
	return answered(id, answer, err)
}

// sameExpert reports whether a request repeats the one that made the expert.
func sameExpert(a, b *blue.Expert) bool {
	return a.Slug == b.Slug && a.Tier == b.Tier && a.Source == b.Source &&
		samePointer(a.Relevance, b.Relevance) && samePointer(a.FirstRound, b.FirstRound) &&
		a.Role == b.Role && a.Description == b.Description && a.Focus == b.Focus &&
		a.CreationReason == b.CreationReason && a.Color == b.Color
}

func samePointer[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}
