package view

import (
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// ScoreboardRow is one round of the scoreboard (Blue, SPEC §9). The numbers
// are the judge's, as given; nothing is counted from the entities. Sums stop
// at the ends of int64.
type ScoreboardRow struct {
	Round           blue.Round   `json:"round"`
	Total           int64        `json:"total"` // the round's score, not the sum of its parts
	Wisdom          int64        `json:"W"`
	Consistency     int64        `json:"C"`
	Truth           int64        `json:"T"`
	Relationships   int64        `json:"R"`
	OpenTensions    int64        `json:"open_tensions"`
	NewPerspectives int64        `json:"new_perspectives"`
	Velocity        int64        `json:"velocity"` // open tensions and new perspectives
	ConvergeSignals int64        `json:"converge_signals"`
	PanelSize       int64        `json:"panel_size"`
	ConvergePercent blue.Decimal `json:"converge_percent"` // 0 for an empty panel; may exceed 100
	// Sums over this round and all before it.
	CumulativeScore         int64 `json:"cumulative_score"`
	CumulativeWisdom        int64 `json:"cumulative_W"`
	CumulativeConsistency   int64 `json:"cumulative_C"`
	CumulativeTruth         int64 `json:"cumulative_T"`
	CumulativeRelationships int64 `json:"cumulative_R"`
}

// Scoreboard returns one row per round, by round.
func Scoreboard(s *blue.Snapshot) []ScoreboardRow {
	rows := make([]ScoreboardRow, 0, len(s.Rounds))
	var sum ScoreboardRow
	for _, r := range byRound(s) {
		sum.CumulativeScore = bounded.Sum(sum.CumulativeScore, r.Score)
		sum.CumulativeWisdom = bounded.Sum(sum.CumulativeWisdom, r.Wisdom)
		sum.CumulativeConsistency = bounded.Sum(sum.CumulativeConsistency, r.Consistency)
		sum.CumulativeTruth = bounded.Sum(sum.CumulativeTruth, r.Truth)
		sum.CumulativeRelationships = bounded.Sum(sum.CumulativeRelationships, r.Relationships)
		row := sum
		row.Round, row.Total = r.Round, r.Score
		row.Wisdom, row.Consistency, row.Truth, row.Relationships = r.Wisdom, r.Consistency, r.Truth, r.Relationships
		row.OpenTensions, row.NewPerspectives, row.Velocity = r.OpenTensions, r.NewPerspectives, r.Velocity()
		row.ConvergeSignals, row.PanelSize, row.ConvergePercent = r.ConvergeSignals, r.PanelSize, r.ConvergePercent()
		rows = append(rows, row)
	}
	return rows
}

// byRound returns the rounds by number, whatever order the snapshot has.
func byRound(s *blue.Snapshot) []*blue.RoundRecord {
	rounds := slices.Clone(s.Rounds)
	slices.SortStableFunc(rounds, func(a, b *blue.RoundRecord) int { return int(a.Round) - int(b.Round) })
	return rounds
}
