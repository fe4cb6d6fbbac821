package view

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// references is how many each dialogue has (Blue's alignment_refs).
var references = map[string]int{
	"supersession": 38, "ukfs": 39, "local-prod-parity": 5, "synthetic-coverage": 44, "every-kind": 44, "night-bus": 22, "library-hours": 11,
}

// checkCounts compares how much of each thing our document holds with the
// counts of the operations (where the recording gives them) and with the
// tables that Blue filled from them. A count that neither knows is not
// checked; moves are, by export_blue_test.go, as Blue has no way to store them.
func checkCounts(t *testing.T, name string, ours map[string]any) {
	t.Helper()
	got := func(list string) int { return len(ours[list].([]any)) }
	equal := func(what string, got, want int) {
		if got != want {
			t.Errorf("%s: %d %s, want %d", name, got, what, want)
		}
	}
	r := readRecording(t, name)
	equal("references", got("references"), references[name])
	equal("references of the table", got("references"), len(r.table("refs")))
	equal("signals of the table", got("signals"), len(r.table("convergence_signals")))
	equal("rounds of the table", got("rounds"), len(r.table("rounds")))
	created, updates := countEvents(ours)
	for letter, table := range map[string]string{"P": "perspective_events", "T": "tension_events", "R": "recommendation_events"} {
		equal(table, created[letter]+updates[letter], len(r.table(table)))
	}
	for letter, list := range map[string]string{"P": "perspectives", "T": "tensions", "R": "recommendations"} {
		equal("created events of "+list, created[letter], got(list))
	}
	counts := fixtures.Counts(t, name)
	if counts == nil {
		return // synthetic-coverage has none
	}
	for _, list := range []string{"rounds", "experts", "perspectives", "tensions", "recommendations", "evidence", "claims", "references", "verdicts"} {
		equal(list, got(list), counts[list])
	}
	equal("tension updates", updates["T"], counts["tension_updates"])
	equal("signals", got("signals"), counts["convergence_signals"])
	equal("expert scores", countScores(ours), counts["expert_scores"])
}

// countEvents counts by the entity's letter: created ones, and all others.
func countEvents(ours map[string]any) (created, updates map[string]int) {
	created, updates = make(map[string]int), make(map[string]int)
	for _, e := range ours["events"].([]any) {
		event := e.(map[string]any)
		letter := event["entity"].(string)[:1]
		if event["event_type"] == "created" {
			created[letter]++
		} else {
			updates[letter]++
		}
	}
	return created, updates
}

func countScores(ours map[string]any) int {
	n := 0
	for _, e := range ours["experts"].([]any) {
		n += len(e.(map[string]any)["scores"].(map[string]any))
	}
	return n
}
