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
