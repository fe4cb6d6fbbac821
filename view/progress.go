package view

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// Progress is where a dialogue stands (Blue, SPEC §9). Its velocity is the
// last score less the one before, not the scoreboard's.
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

// Standing is one line of the leaderboard; in JSON a pair [slug, total].
type Standing struct {
	Expert blue.ExpertSlug
	Total  int64
}

// MarshalJSON writes the pair.
func (s Standing) MarshalJSON() ([]byte, error) { return json.Marshal([]any{s.Expert, s.Total}) }

// NewProgress computes where the dialogue stands. The status of a converged
// dialogue does not matter to it.
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
	for _, e := range ranked(s) {
		p.Leaderboard = append(p.Leaderboard, Standing{e.Slug, e.TotalScore})
		if e.FirstRound != nil && int64(*e.FirstRound) <= p.CurrentRound {
			p.ActiveExperts = append(p.ActiveExperts, e.Slug)
		}
	}
	p.pace()
	return p
}

// pace fills in what follows from the last scores.
func (p *Progress) pace() {
	const calm = 5
	step := func(back int) int64 { // the step to the score that many from the end
		i := len(p.RoundScores) - 1 - back
		return bounded.Sum(p.RoundScores[i], -max(p.RoundScores[i-1], -math.MaxInt64))
	}
	if len(p.RoundScores) >= 2 {
		p.Velocity = step(0)
	}
	small := func(n int64) bool { return n > -calm && n < calm }
	p.Converging = len(p.RoundScores) >= 3 && small(step(0)) && small(step(1))
	switch {
	case p.Converging || p.OpenTensions == 0:
		p.EstRoundsRemaining = new(int64(1))
	case p.Velocity > 0:
		p.EstRoundsRemaining = new(max(p.OpenTensions/2, 1))
	}
}

// ranked returns the experts by total score, highest first, then by slug.
func ranked(s *blue.Snapshot) []*blue.Expert {
	experts := slices.Clone(s.Experts)
	slices.SortFunc(experts, func(a, b *blue.Expert) int {
		return cmp.Or(cmp.Compare(b.TotalScore, a.TotalScore), cmp.Compare(a.Slug, b.Slug))
	})
	return experts
}
