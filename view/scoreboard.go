package view

import (
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// A ScoreboardRow is one round of the scoreboard (Blue, SPEC §9). The numbers
// are those that the judge gave. Nothing is counted from the entities. Sums
// stop at the ends of int64.
type ScoreboardRow struct {
	Round           blue.Round   `json:"round"`
	Total           int64        `json:"total"` // the round's score, not the sum of its parts
	Wisdom          int64        `json:"W"`
	Consistency     int64        `json:"C"`
	Truth           int64        `json:"T"`
	Relationships   int64        `json:"R"`
	OpenTensions    int64        `json:"open_tensions"`
	NewPerspectives int64        `json:"new_perspectives"`
	Velocity        int64        `json:"velocity"` // open tensions plus new perspectives
	ConvergeSignals int64        `json:"converge_signals"`
	PanelSize       int64        `json:"panel_size"`
	ConvergePercent blue.Decimal `json:"converge_percent"` // 0 for an empty panel; can exceed 100
	// Sums over this round and all earlier ones.
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
		sum = ScoreboardRow{
			Round: r.Round, Total: r.Score, Wisdom: r.Wisdom, Consistency: r.Consistency, Truth: r.Truth, Relationships: r.Relationships,
			OpenTensions: r.OpenTensions, NewPerspectives: r.NewPerspectives, Velocity: r.Velocity(),
			ConvergeSignals: r.ConvergeSignals, PanelSize: r.PanelSize, ConvergePercent: r.ConvergePercent(),
			CumulativeScore:         bounded.Sum(sum.CumulativeScore, r.Score),
			CumulativeWisdom:        bounded.Sum(sum.CumulativeWisdom, r.Wisdom),
			CumulativeConsistency:   bounded.Sum(sum.CumulativeConsistency, r.Consistency),
			CumulativeTruth:         bounded.Sum(sum.CumulativeTruth, r.Truth),
			CumulativeRelationships: bounded.Sum(sum.CumulativeRelationships, r.Relationships),
		}
		rows = append(rows, sum)
	}
	return rows
}

// byRound returns the rounds by number.
func byRound(s *blue.Snapshot) []*blue.RoundRecord {
	return slices.SortedStableFunc(slices.Values(s.Rounds), func(a, b *blue.RoundRecord) int { return int(a.Round) - int(b.Round) })
}
