package blue

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ScoreboardRow is one round of the scoreboard (Blue, SPEC §9). The numbers
// are the judge's, as given; nothing is counted from the entities. Sums stop
// at the ends of int64.
type ScoreboardRow struct {
	Round           Round   `json:"round"`
	Total           int64   `json:"total"` // the round's score, not the sum of its parts
	Wisdom          int64   `json:"W"`
	Consistency     int64   `json:"C"`
	Truth           int64   `json:"T"`
	Relationships   int64   `json:"R"`
	OpenTensions    int64   `json:"open_tensions"`
	NewPerspectives int64   `json:"new_perspectives"`
	Velocity        int64   `json:"velocity"` // open tensions and new perspectives
	ConvergeSignals int64   `json:"converge_signals"`
	PanelSize       int64   `json:"panel_size"`
	ConvergePercent Decimal `json:"converge_percent"` // 0 for an empty panel; may exceed 100
	// Sums over this round and all before it.
	CumulativeScore         int64 `json:"cumulative_score"`
	CumulativeWisdom        int64 `json:"cumulative_W"`
	CumulativeConsistency   int64 `json:"cumulative_C"`
	CumulativeTruth         int64 `json:"cumulative_T"`
	CumulativeRelationships int64 `json:"cumulative_R"`
}

// Scoreboard returns one row per round, by round.
func (s *Snapshot) Scoreboard() []ScoreboardRow {
	rows := make([]ScoreboardRow, 0, len(s.Rounds))
	var sum ScoreboardRow
	for _, r := range s.byRound() {
		sum.CumulativeScore = addCapped(sum.CumulativeScore, r.Score)
		sum.CumulativeWisdom = addCapped(sum.CumulativeWisdom, r.Wisdom)
		sum.CumulativeConsistency = addCapped(sum.CumulativeConsistency, r.Consistency)
		sum.CumulativeTruth = addCapped(sum.CumulativeTruth, r.Truth)
		sum.CumulativeRelationships = addCapped(sum.CumulativeRelationships, r.Relationships)
		row := sum
		row.Round, row.Total = r.Round, r.Score
		row.Wisdom, row.Consistency, row.Truth, row.Relationships = r.Wisdom, r.Consistency, r.Truth, r.Relationships
		row.OpenTensions, row.NewPerspectives = r.OpenTensions, r.NewPerspectives
		row.Velocity = addCapped(r.OpenTensions, r.NewPerspectives)
		row.ConvergeSignals, row.PanelSize = r.ConvergeSignals, r.PanelSize
		row.ConvergePercent = percent(r.ConvergeSignals, r.PanelSize)
		rows = append(rows, row)
	}
	return rows
}

// byRound returns the rounds by number, whatever order the snapshot has.
func (s *Snapshot) byRound() []*RoundRecord {
	rounds := slices.Clone(s.Rounds)
	slices.SortStableFunc(rounds, func(a, b *RoundRecord) int { return int(a.Round) - int(b.Round) })
	return rounds
}

// percent multiplies first, as Blue's view does: 5 of 9 is 55.55555555555556.
func percent(signals, panel int64) Decimal {
	if panel <= 0 {
		return 0
	}
	return Decimal(float64(signals) * 100 / float64(panel))
}

// addCapped adds and stays at the ends of int64 rather than wrapping (bug 12).
func addCapped(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// Decimal is a finite number whose JSON form is Blue's: the shortest text
// that reads back the same, a whole one with ".0", an exponent from 1e16.
type Decimal float64

// String returns the JSON form.
func (d Decimal) String() string {
	f := float64(d)
	if size := math.Abs(f); size >= 1e16 || size > 0 && size < 1e-5 {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
		n, _ := strconv.Atoi(exponent)
		return mantissa + "e" + strconv.Itoa(n)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// MarshalJSON writes the JSON form; an infinite number has none.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(d), 0) || math.IsNaN(float64(d)) {
		return nil, &json.UnsupportedValueError{Str: strconv.FormatFloat(float64(d), 'g', -1, 64)}
	}
	return []byte(d.String()), nil
}
