package blue

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// Velocity returns the open tensions plus the new perspectives of the round. The
// sum stops at the ends of int64.
func (r *RoundRecord) Velocity() int64 { return bounded.Sum(r.OpenTensions, r.NewPerspectives) }

// ConvergePercent returns the share of the panel that signals convergence. It
// is 0 for an empty panel and can exceed 100. The product comes first, as in
// Blue's view: 5 of 9 is 55.55555555555556.
func (r *RoundRecord) ConvergePercent() Decimal {
	if r.PanelSize <= 0 {
		return 0
	}
	return Decimal(float64(r.ConvergeSignals) * 100 / float64(r.PanelSize))
}

// CheckConvergence returns nil if the dialogue may take a final verdict: the
// velocity of its last round is at most 0 and its whole panel signals
// convergence (Blue, SPEC §9). Otherwise it returns the blockers, in Blue's
// words.
func (s *Snapshot) CheckConvergence() *GateError {
	if len(s.Rounds) == 0 {
		return &GateError{Blockers: []string{"no rounds registered"}}
	}
	last := slices.MaxFunc(s.Rounds, func(a, b *RoundRecord) int { return int(a.Round) - int(b.Round) })
	var blockers []string
	if v := last.Velocity(); v > 0 {
		blockers = append(blockers, fmt.Sprintf("velocity=%d (open_tensions=%d, new_perspectives=%d)", v, last.OpenTensions, last.NewPerspectives))
	}
	if percent := last.ConvergePercent(); percent < 100 {
		// %.0f rounds half to even, as Blue does: 199 of 200 reads 100 and blocks.
		blockers = append(blockers, fmt.Sprintf("converge_percent=%.0f%% (%d/%d)", float64(percent), last.ConvergeSignals, last.PanelSize))
	}
	if blockers == nil {
		return nil
	}
	return &GateError{blockers, last}
}

// A GateError is a refusal of a final verdict by the convergence gate. It unwraps to
// ErrRefused. Its JSON form is Blue's answer.
type GateError struct {
	Blockers []string     // at least one
	Last     *RoundRecord // the round that the gate looked at; nil without rounds
}

// Error returns the blockers in one line.
func (e *GateError) Error() string {
	return fmt.Sprintf("%v: the dialogue has not converged: %s", ErrRefused, strings.Join(e.Blockers, "; "))
}

// Unwrap returns ErrRefused.
func (e *GateError) Unwrap() error { return ErrRefused }

// MarshalJSON writes Blue's answer. Without rounds the velocity is -1.
func (e *GateError) MarshalJSON() ([]byte, error) {
	type state struct {
		ConvergePercent Decimal `json:"converge_percent"`
		ConvergeSignals int64   `json:"converge_signals"`
		NewPerspectives int64   `json:"new_perspectives"`
		OpenTensions    int64   `json:"open_tensions"`
		PanelSize       int64   `json:"panel_size"`
		Velocity        int64   `json:"velocity"`
	}
	current := state{Velocity: -1}
	if r := e.Last; r != nil {
		current = state{r.ConvergePercent(), r.ConvergeSignals, r.NewPerspectives, r.OpenTensions, r.PanelSize, r.Velocity()}
	}
	return plainJSON(struct {
		Blockers   []string `json:"blockers"`
		State      state    `json:"current_state"`
		Type       string   `json:"error_type"`
		Hint       string   `json:"hint"`
		Message    string   `json:"message"`
		Status     string   `json:"status"`
		Suggestion string   `json:"suggestion"`
	}{
		e.Blockers, current, "convergence_blocked",
		"Use blue_dialogue_round_context to see detailed convergence status",
		"Cannot register final verdict: convergence criteria not met", "error",
		"Either resolve remaining tensions/perspectives and get 100% expert convergence, or use force=true to override (not recommended).",
	})
}

// A Decimal is a finite number whose JSON form is Blue's: the shortest text that
// reads back the same, with ".0" if it is whole, and an exponent from 1e16.
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

// MarshalJSON writes the JSON form. It returns an error for a number that is not
// finite.
func (d Decimal) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(d), 0) || math.IsNaN(float64(d)) {
		return nil, &json.UnsupportedValueError{Str: strconv.FormatFloat(float64(d), 'g', -1, 64)}
	}
	return []byte(d.String()), nil
}
