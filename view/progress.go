package view

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// Progress describes how far a dialogue is (Blue, SPEC §9). Its velocity is the
// last score minus the one before. The scoreboard has another velocity.
type Progress struct {
	DialogueID         blue.DialogueID   `json:"dialogue_id"`
	Status             blue.Status       `json:"status"`
	TotalRounds        int64             `json:"total_rounds"`
	CurrentRound       int64             `json:"current_round"`
	TotalAlignment     int64             `json:"total_alignment"`
	RoundScores        []int64           `json:"round_scores"` // by round
	Velocity           int64             `json:"velocity"`     // 0 with fewer than two rounds
	Converging         bool              `json:"converging"`   // three rounds, and the last two steps below 5
	OpenTensions       int64             `json:"open_tensions"`
	ResolvedTensions   int64             `json:"resolved_tensions"`
	ActiveExperts      []blue.ExpertSlug `json:"active_experts"` // highest total first, then by slug
	Leaderboard        []Standing        `json:"leaderboard"`    // the same order
	EstRoundsRemaining *int64            `json:"est_rounds_remaining"`
}

// A Standing is one line of the leaderboard. Its JSON form is [slug, total].
type Standing struct {
	Expert blue.ExpertSlug
	Total  int64
}

// MarshalJSON writes the pair.
func (s Standing) MarshalJSON() ([]byte, error) { return json.Marshal([]any{s.Expert, s.Total}) }

// NewProgress returns the progress of a dialogue. It is computed the same way
// for a converged dialogue.
func NewProgress(s *blue.Snapshot) Progress {
	p := Progress{
		DialogueID: s.Dialogue.ID, Status: s.Dialogue.Status, TotalRounds: s.Dialogue.TotalRounds,
		CurrentRound: max(s.Dialogue.TotalRounds-1, 0), TotalAlignment: s.Dialogue.TotalAlignment,
		RoundScores: []int64{}, ActiveExperts: []blue.ExpertSlug{}, Leaderboard: []Standing{},
	}
	for _, r := range byRound(s) {
		p.RoundScores = append(p.RoundScores, r.Score)
	}
	for _, t := range s.Tensions() {
		if t.Status == blue.StatusResolved {
			p.ResolvedTensions++
		} else {
			p.OpenTensions++
		}
	}
	for _, e := range slices.SortedFunc(slices.Values(s.Experts), func(a, b *blue.Expert) int {
		return cmp.Or(cmp.Compare(b.TotalScore, a.TotalScore), cmp.Compare(a.Slug, b.Slug))
	}) {
		p.Leaderboard = append(p.Leaderboard, Standing{e.Slug, e.TotalScore})
		if e.FirstRound != nil && int64(*e.FirstRound) <= p.CurrentRound {
			p.ActiveExperts = append(p.ActiveExperts, e.Slug)
		}
	}
	p.addPace()
	return p
}

// addPace sets what follows from the last scores.
func (p *Progress) addPace() {
	step := func(back int) int64 { // to the score that is so far from the end
		i := len(p.RoundScores) - 1 - back
		return bounded.Sum(p.RoundScores[i], -max(p.RoundScores[i-1], -math.MaxInt64))
	}
	isSmall := func(n int64) bool { return n > -5 && n < 5 }
	if len(p.RoundScores) >= 2 {
		p.Velocity = step(0)
	}
	p.Converging = len(p.RoundScores) >= 3 && isSmall(step(0)) && isSmall(step(1))
	if p.Converging || p.OpenTensions == 0 {
		p.EstRoundsRemaining = new(int64(1))
	} else if p.Velocity > 0 {
		p.EstRoundsRemaining = new(max(p.OpenTensions/2, 1))
	}
}

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
