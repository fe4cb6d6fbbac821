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

// List implements blue.AnalyticsStore with one index read per status. The rows
// come from clear attributes, are not verified, and need no key.
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
	rows, err := list(ctx, s, record.ByStatus, byStatus(status), func(id blue.DialogueID, e blue.Entity, _ string, r record.Attrs) (row blue.Listed, ok bool) {
		_, ok = e.(*blue.Dialogue)
		return blue.Listed{
			ID: id, Status: status, UpdatedAt: r["updated_at"].Str(),
			TotalRounds: r["total_rounds"].Int(), TotalAlignment: r["total_alignment"].Int(),
		}, ok
	})
	slices.Reverse(rows)
	return rows, err
}

// ListTensions implements blue.AnalyticsStore.
func (s *Store) ListTensions(ctx context.Context, status blue.Status) ([]blue.ListedTension, error) {
	if !blue.KindTension.HasStatus(status) {
		return nil, fmt.Errorf("%w: a tension is never %q", blue.ErrInvalid, status)
	}
	rows, err := list(ctx, s, record.ByTensionStatus, byTensionStatus(status), func(id blue.DialogueID, e blue.Entity, rest string, r record.Attrs) (row blue.ListedTension, ok bool) {
		t, ok := e.(*blue.Tension)
		if !ok || entryOfKind(blue.KindTension).setKey(t, id, rest) != nil {
			return row, false
		}
		return blue.ListedTension{Dialogue: id, ID: t.ID, Status: status, UpdatedAt: r["updated_at"].Str()}, true
	})
	slices.SortStableFunc(rows, func(a, b blue.ListedTension) int {
		return cmp.Or(strings.Compare(string(a.Dialogue), string(b.Dialogue)), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return rows, err
}

// ListExpert implements blue.AnalyticsStore.
func (s *Store) ListExpert(ctx context.Context, slug blue.ExpertSlug) ([]blue.ListedActivity, error) {
	slug, err := blue.ParseExpertSlug(string(slug))
	if err != nil {
		return nil, err
	}
	rows, err := list(ctx, s, record.ByExpert, byExpertPartition(slug), func(id blue.DialogueID, e blue.Entity, rest string, r record.Attrs) (row blue.ListedActivity, ok bool) {
		row = blue.ListedActivity{Dialogue: id, Kind: e.EntityKind(), UpdatedAt: r["updated_at"].Str()}
		if _, isExpert := e.(*blue.Expert); isExpert {
			row.Round, row.Tier = blue.Round(r["first_round"].Int()), blue.Tier(r["tier"].Str())
			return row, true
		}
		if _, ok = e.(*blue.Move); ok {
			row.Round, _, row.Seq, ok = parseMoveRest(rest)
			row.MoveType = blue.MoveType(r["move_type"].Str())
		}
		return row, ok
	})
	slices.SortStableFunc(rows, func(a, b blue.ListedActivity) int {
		return cmp.Or(strings.Compare(string(a.Dialogue), string(b.Dialogue)),
			strings.Compare(string(a.Kind), string(b.Kind)), // expert before move
			cmp.Compare(a.Round, b.Round), cmp.Compare(a.Seq, b.Seq))
	})
	return rows, err
}

// list reads a partition of an index and makes a row of each record that read
// accepts. read gets the dialogue, an entity of the record's kind without
// values, what follows the prefix of the sort key, and the attributes. Rows of
// an index are hints, so list ignores a record that no encoder wrote.
func list[T any](ctx context.Context, s *Store, index record.Index, partition string,
	read func(id blue.DialogueID, e blue.Entity, rest string, attrs record.Attrs) (T, bool)) ([]T, error) {
	records, err := s.records.Index(ctx, index, partition)
	if err != nil {
		return nil, err
	}
	rows := make([]T, 0, len(records))
	for _, r := range records {
		id, isDialogue := r.Key.Partition.Dialogue()
		en := entryOf(r.Key.Item)
		if !isDialogue || en == nil {
			continue
		}
		if row, ok := read(blue.DialogueID(id), en.fresh(), strings.TrimPrefix(r.Key.Item, en.prefix), r.Attrs); ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
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
