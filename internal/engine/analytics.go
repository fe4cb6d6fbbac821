package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// List implements blue.AnalyticsStore: one index read per status. The rows
// come from clear attributes, are not verified, and cost no key.
func (s *Store) List(ctx context.Context) ([]blue.Listed, error) {
	all := []blue.Listed{}
	for _, status := range blue.KindDialogue.Statuses() {
		rows, err := s.ListStatus(ctx, status)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// ListStatus implements blue.AnalyticsStore.
func (s *Store) ListStatus(ctx context.Context, status blue.Status) ([]blue.Listed, error) {
	if !blue.KindDialogue.HasStatus(status) {
		return nil, fmt.Errorf("%w: a dialogue is never %q", blue.ErrInvalid, status)
	}
	records, err := s.records.Index(ctx, record.ByStatus, byStatus(status))
	if err != nil {
		return nil, err
	}
	rows := make([]blue.Listed, 0, len(records))
	for _, r := range slices.Backward(records) {
		id, ok := dialogueOf(r)
		if !ok || r.Key.Item != record.Meta {
			continue
		}
		rows = append(rows, blue.Listed{
			ID: id, Status: status, UpdatedAt: r.Attrs["updated_at"].Str(),
			TotalRounds: r.Attrs["total_rounds"].Int(), TotalAlignment: r.Attrs["total_alignment"].Int(),
		})
	}
	return rows, nil
}

// ListTensions implements blue.AnalyticsStore.
func (s *Store) ListTensions(ctx context.Context, status blue.Status) ([]blue.ListedTension, error) {
	if !blue.KindTension.HasStatus(status) {
		return nil, fmt.Errorf("%w: a tension is never %q", blue.ErrInvalid, status)
	}
	records, err := s.records.Index(ctx, record.ByTensionStatus, byTensionStatus(status))
	if err != nil {
		return nil, err
	}
	rows := make([]blue.ListedTension, 0, len(records))
	for _, r := range records {
		dialogue, entity, ok := rowOf(r)
		tension, isTension := entity.(*blue.Tension)
		if !ok || !isTension {
			continue
		}
		rows = append(rows, blue.ListedTension{Dialogue: dialogue, ID: tension.ID, Status: status, UpdatedAt: r.Attrs["updated_at"].Str()})
	}
	slices.SortStableFunc(rows, func(a, b blue.ListedTension) int {
		return cmp.Or(strings.Compare(string(a.Dialogue), string(b.Dialogue)), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return rows, nil
}

// ListExpert implements blue.AnalyticsStore.
func (s *Store) ListExpert(ctx context.Context, slug blue.ExpertSlug) ([]blue.ListedActivity, error) {
	slug, err := blue.ParseExpertSlug(string(slug))
	if err != nil {
		return nil, err
	}
	records, err := s.records.Index(ctx, record.ByExpert, byExpertPK(slug))
	if err != nil {
		return nil, err
	}
	rows := make([]blue.ListedActivity, 0, len(records))
	for _, r := range records {
		dialogue, entity, ok := rowOf(r)
		if !ok {
			continue
		}
		row := blue.ListedActivity{Dialogue: dialogue, Kind: entity.EntityKind(), UpdatedAt: r.Attrs["updated_at"].Str()}
		if _, isExpert := entity.(*blue.Expert); isExpert {
			row.Round, row.Tier = blue.Round(r.Attrs["first_round"].Int()), blue.Tier(r.Attrs["tier"].Str())
		} else if _, isMove := entity.(*blue.Move); isMove {
			round, _, seq, ok := moveKey(strings.TrimPrefix(r.Key.Item, "move#"))
			if !ok {
				continue
			}
			row.Round, row.Seq, row.MoveType = round, seq, blue.MoveType(r.Attrs["move_type"].Str())
		} else {
			continue
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b blue.ListedActivity) int {
		return cmp.Or(strings.Compare(string(a.Dialogue), string(b.Dialogue)),
			strings.Compare(string(a.Kind), string(b.Kind)), // expert before move
			cmp.Compare(a.Round, b.Round), cmp.Compare(a.Seq, b.Seq))
	})
	return rows, nil
}

// dialogueOf returns the dialogue that a row of an index belongs to. Rows are
// hints: what cannot be one of ours is passed over.
func dialogueOf(r record.Record) (blue.DialogueID, bool) {
	id, ok := r.Key.Partition.Dialogue()
	return blue.DialogueID(id), ok
}

// rowOf returns the dialogue of a row and an entity of its kind, of which only
// what stands in the sort key is set.
func rowOf(r record.Record) (blue.DialogueID, blue.Entity, bool) {
	id, ok := dialogueOf(r)
	en := entryOf(r.Key.Item)
	if !ok || en == nil {
		return "", nil, false
	}
	e := en.fresh()
	if _, isNumbered := e.(blue.Contributed); !isNumbered {
		return id, e, true
	}
	return id, e, en.setKey(e, id, strings.TrimPrefix(r.Key.Item, en.prefix)) == nil
}

// NextID implements blue.AnalyticsStore.
func (s *Store) NextID(ctx context.Context, title string) (blue.DialogueID, error) {
	slug, err := blue.SlugID(title)
	if err != nil {
		return "", err
	}
	rows, err := s.List(ctx)
	if err != nil {
		return "", err
	}
	taken := make(map[blue.DialogueID]bool, len(rows))
	for _, row := range rows {
		taken[row.ID] = true
	}
	ids := slug.Candidates()
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return "", err
		}
		if !taken[id] {
			return id, nil
		}
	}
	return "", fmt.Errorf("%w: too many dialogues with similar titles: %s to %s-%d are taken", blue.ErrRefused, slug, slug, len(ids))
}
