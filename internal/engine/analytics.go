package engine

import (
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
	for _, status := range blue.DialogueStatuses() {
		records, err := s.records.Index(ctx, record.ByStatus, "status#"+string(status))
		if err != nil {
			return nil, err
		}
		for _, r := range slices.Backward(records) {
			id, ok := strings.CutPrefix(r.Key.PK, "dialogue#")
			if !ok || r.Key.SK != record.Head {
				continue
			}
			all = append(all, blue.Listed{
				ID: blue.DialogueID(id), Status: status, UpdatedAt: r.Attrs["updated_at"].Str(),
				TotalRounds: r.Attrs["total_rounds"].Int(), TotalAlignment: r.Attrs["total_alignment"].Int(),
			})
		}
	}
	return all, nil
}

// maxSameTitle bounds the ids of one slug: the slug itself, then -2 to -99.
const maxSameTitle = 99

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
	for n := 1; n <= maxSameTitle; n++ {
		id := blue.CandidateID(slug, n)
		if err := checkID(id); err != nil {
			return "", err
		}
		if !taken[id] {
			return id, nil
		}
	}
	return "", fmt.Errorf("%w: too many dialogues with similar titles: %s to %s-%d are taken", blue.ErrRefused, slug, slug, maxSameTitle)
}
