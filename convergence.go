package blue

import (
	"fmt"
	"strings"
)

// Converge says whether a dialogue may take a final verdict, by its last
// round alone, and if not, why: Blue's blockers, word for word (SPEC §9).
func Converge(rows []ScoreboardRow) (ok bool, blockers []string) {
	if len(rows) == 0 {
		return false, []string{"no rounds registered"}
	}
	last := rows[len(rows)-1]
	if last.Velocity > 0 {
		blockers = append(blockers, fmt.Sprintf("velocity=%d (open_tensions=%d, new_perspectives=%d)",
			last.Velocity, last.OpenTensions, last.NewPerspectives))
	}
	if last.ConvergePercent < 100 {
		// %.0f rounds half to even, as Blue does: 199 of 200 reads 100 and blocks.
		blockers = append(blockers, fmt.Sprintf("converge_percent=%.0f%% (%d/%d)",
			float64(last.ConvergePercent), last.ConvergeSignals, last.PanelSize))
	}
	return len(blockers) == 0, blockers
}

// GateState is what the convergence gate looked at: the last round.
type GateState struct {
	ConvergePercent Decimal `json:"converge_percent"`
	ConvergeSignals int64   `json:"converge_signals"`
	NewPerspectives int64   `json:"new_perspectives"`
	OpenTensions    int64   `json:"open_tensions"`
	PanelSize       int64   `json:"panel_size"`
	Velocity        int64   `json:"velocity"` // -1 without rounds
}

// GateError is the convergence gate's no to a final verdict. It unwraps to
// ErrRefused; its JSON form is Blue's answer.
type GateError struct {
	Blockers []string
	State    GateState
}

// NewGateError makes the error from what Converge was asked and answered.
func NewGateError(rows []ScoreboardRow, blockers []string) *GateError {
	if len(rows) == 0 {
		return &GateError{blockers, GateState{Velocity: -1}}
	}
	last := rows[len(rows)-1]
	return &GateError{blockers, GateState{
		last.ConvergePercent, last.ConvergeSignals, last.NewPerspectives, last.OpenTensions, last.PanelSize, last.Velocity,
	}}
}

func (e *GateError) Error() string {
	return fmt.Sprintf("%v: the dialogue has not converged: %s", ErrRefused, strings.Join(e.Blockers, "; "))
}

func (e *GateError) Unwrap() error { return ErrRefused }

// MarshalJSON writes Blue's answer.
func (e *GateError) MarshalJSON() ([]byte, error) {
	return plainJSON(struct {
		Blockers   []string  `json:"blockers"`
		State      GateState `json:"current_state"`
		Type       string    `json:"error_type"`
		Hint       string    `json:"hint"`
		Message    string    `json:"message"`
		Status     string    `json:"status"`
		Suggestion string    `json:"suggestion"`
	}{
		e.Blockers, e.State, "convergence_blocked",
		"Use blue_dialogue_round_context to see detailed convergence status",
		"Cannot register final verdict: convergence criteria not met", "error",
		"Either resolve remaining tensions/perspectives and get 100% expert convergence, or use force=true to override (not recommended).",
	})
}
