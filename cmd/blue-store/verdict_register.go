package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/view"
	"github.com/superviber/blue-encrypted-store/wire"
)

func verdictRegisterCommand(a *app) *cobra.Command {
	var id, data string
	c := &cobra.Command{
		Use:   "verdict-register",
		Short: "Store a verdict; a final one must pass the convergence gate",
		Long: "Stores a verdict. A final verdict converges the dialogue. It is refused until the velocity of\n" +
			"the last round is 0 and every expert has converged, unless the data contain \"force\": true. The\n" +
			"claims of the verdict are compared with the stored references. Differences are warnings.",
		Example: "  blue-store dialogue verdict-register --dialogue-id which-cache --data @verdict.json",
		Args:    cobra.NoArgs,
	}
	dialogueFlag(c, &id)
	c.Flags().StringVar(&data, "data", "", dataUsage+" (required)")
	requiredFlags(c, "data")
	c.RunE = func(c *cobra.Command, _ []string) error { return a.registerVerdict(c.Context(), id, data) }
	return c
}

func (a *app) registerVerdict(ctx context.Context, dialogue, data string) error {
	r, err := openRegistration(ctx, a, dialogue, data, wire.ParseNewVerdict)
	if err != nil {
		return err
	}
	defer r.close()
	id, v := r.id, r.given
	decided, err := r.store.RegisterVerdict(ctx, id, v)
	if err != nil {
		return a.answerRefusal(err)
	}
	warnings := append(r.warnings, decided.Value.Warnings...)
	warnings = append(warnings, a.checkClaims(ctx, r.session, id, v)...)
	a.warn(warnings)
	answer := newVerdictJSON(id, v, &decided.Value, warnings)
	word := "registered"
	if answer.Repeated {
		word = "unchanged, registered before:"
	}
	text := fmt.Sprintf("%s %s verdict %s of %s\nnext: blue-store show %s %s\n", word, v.Type, v.ID, id, id, v.ID)
	if answer.Warning != "" {
		text = answer.Warning + "\n" + text
	}
	return a.answerText(answer, text)
}

// checkClaims compares the claims of the author with the graph. The verdict is
// already stored, so an error here is only a note.
func (a *app) checkClaims(ctx context.Context, s *session, id blue.DialogueID, v blue.NewVerdict) []blue.Warning {
	if v.TensionsResolved == nil && v.KeyEvidence == nil && v.KeyClaims == nil {
		return nil
	}
	snapshot, err := s.store.Load(ctx, id)
	if err != nil {
		a.note("the verdict is stored; its claims were not checked: %v", err)
		return nil
	}
	return view.CheckClaims(v, snapshot)
}

// verdictJSON is Blue's answer, with its order of members.
type verdictJSON struct {
	DialogueID blue.DialogueID  `json:"dialogue_id"`
	Forced     bool             `json:"forced,omitempty"`
	Message    string           `json:"message"`
	Repeated   bool             `json:"repeated,omitempty"` // not in Blue
	Round      blue.Round       `json:"round"`
	Status     string           `json:"status"`
	ID         blue.VerdictID   `json:"verdict_id"`
	Type       blue.VerdictType `json:"verdict_type"`
	Warning    string           `json:"warning,omitempty"`
	Warnings   []blue.Warning   `json:"warnings,omitempty"` // not in Blue
}

func newVerdictJSON(id blue.DialogueID, v blue.NewVerdict, d *blue.Decided, warnings []blue.Warning) *verdictJSON {
	answer := &verdictJSON{
		DialogueID: id, Forced: d.Forced, Repeated: d.Repeated, Round: v.Round, Status: "success", ID: v.ID, Type: v.Type, Warnings: warnings,
		Message: fmt.Sprintf("Registered %s verdict '%s' for dialogue '%s'", v.Type, v.ID, id),
	}
	if d.Forced {
		answer.Warning = "FORCED CONVERGENCE: Convergence criteria not met."
		if len(d.Blockers) > 0 {
			answer.Warning += " Blockers: " + strings.Join(d.Blockers, "; ")
		}
	}
	return answer
}
