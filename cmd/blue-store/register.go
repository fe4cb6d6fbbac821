package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/view"
	"github.com/superviber/blue-encrypted-store/wire"
)

// registration is the parsed input of a register command, with the open store.
// The command must close the store.
type registration[T any] struct {
	*session
	id       blue.DialogueID
	given    T
	warnings []blue.Warning
}

// openRegistration reads and parses the data, then opens the store. As in Blue,
// invalid data is refused before the store is opened.
func openRegistration[T any](ctx context.Context, a *app, dialogue, data string, parse func(blue.DialogueID, []byte) (T, []blue.Warning, error)) (*registration[T], error) {
	id, err := dialogueArgument(dialogue)
	if err != nil {
		return nil, err
	}
	text, err := a.input(ctx, data)
	if err != nil {
		return nil, err
	}
	given, warnings, err := parse(id, text)
	if err != nil {
		return nil, a.answerRefusal(err)
	}
	s, err := a.openExisting(ctx)
	if err != nil {
		return nil, err
	}
	return &registration[T]{s, id, given, warnings}, nil
}

func roundRegisterCommand(a *app) *cobra.Command {
	var id, data string
	var round roundFlag
	c := &cobra.Command{
		Use:   "round-register",
		Short: "Store a whole round in one commit",
		Long: "Validates and numbers a round and stores all of it in one commit: scores, entities with their\n" +
			"references, tension updates, expert scores and moves. The same round again gives the same answer\n" +
			"and changes nothing. Different content for a stored round is a conflict.",
		Example: "  blue-store dialogue round-register --dialogue-id which-cache --round 0 --data @round0.json\n" +
			"  judge | blue-store dialogue round-register --dialogue-id which-cache --round 1 --data -",
	}
	f := c.Flags()
	dialogueFlag(c, &id)
	f.Var(&round, "round", "the round's number, 0 to 99 (required)")
	f.StringVar(&data, "data", "", dataUsage+" (required)")
	requiredFlags(c, "round", "data")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.registerRound(c.Context(), id, blue.Round(round), data)
	}
	return c
}

func (a *app) registerRound(ctx context.Context, dialogue string, round blue.Round, data string) error {
	r, err := openRegistration(ctx, a, dialogue, data, func(id blue.DialogueID, text []byte) (blue.RoundBatch, []blue.Warning, error) {
		batch, warnings, err := wire.ParseRoundBatch(id, round, text)
		if err == nil {
			err = batch.Validate() // before the store is opened, as in Blue
		}
		return batch, warnings, err
	})
	if err != nil {
		return err
	}
	defer r.close()
	done, err := r.store.RegisterRound(ctx, r.id, r.given)
	if err != nil {
		return a.answerRefusal(err)
	}
	warnings := append(r.warnings, done.Value.Warnings...)
	a.warn(warnings)
	return a.answerText(newRoundJSON(r.id, &done.Value, warnings), roundText(r.id, &done.Value))
}

// roundJSON is Blue's answer, with its order of members. Unlike Blue, it counts the
// references (bug 6) and lists the stored expert scores (bug 7).
type roundJSON struct {
	DialogueID blue.DialogueID `json:"dialogue_id"`
	Message    string          `json:"message"`
	Registered map[string]any  `json:"registered"`         // by name: the kinds, expert_scores, refs and moves; Blue has no moves
	Repeated   bool            `json:"repeated,omitempty"` // not in Blue
	Round      blue.Round      `json:"round"`
	Score      int64           `json:"score"`
	Status     string          `json:"status"`
	Warnings   []blue.Warning  `json:"warnings,omitempty"` // not in Blue
}

type numberedJSON struct {
	GlobalID blue.EntityID `json:"global_id"`
	LocalID  string        `json:"local_id"`
}

type scoreJSON struct {
	Slug  blue.ExpertSlug `json:"expert_slug"`
	Score int64           `json:"score"`
}

func newRoundJSON(id blue.DialogueID, r *blue.Registered, warnings []blue.Warning) *roundJSON {
	scores := make([]scoreJSON, 0, len(r.Scores))
	for _, slug := range slices.Sorted(maps.Keys(r.Scores)) {
		scores = append(scores, scoreJSON{slug, r.Scores[slug]})
	}
	registered := map[string]any{"expert_scores": scores, "refs": r.References}
	if r.Moves > 0 {
		registered["moves"] = r.Moves
	}
	for _, kind := range blue.NumberedKinds() {
		numbered := make([]numberedJSON, len(r.Entities[kind]))
		for i, n := range r.Entities[kind] {
			numbered[i] = numberedJSON{n.ID, n.LocalID}
		}
		registered[kind.Plural()] = numbered
	}
	return &roundJSON{
		DialogueID: id, Message: fmt.Sprintf("Registered round %d data for dialogue '%s'", r.Round, id),
		Registered: registered, Repeated: r.Repeated, Round: r.Round, Score: r.Score, Status: "success", Warnings: warnings,
	}
}

func roundText(id blue.DialogueID, r *blue.Registered) string {
	var b strings.Builder
	word := "registered"
	if r.Repeated {
		word = "unchanged, registered before:"
	}
	fmt.Fprintf(&b, "%s round %d of %s, score %d\n", word, r.Round, id, r.Score)
	for _, kind := range blue.NumberedKinds() {
		if given := r.Entities[kind]; len(given) > 0 {
			fmt.Fprintf(&b, "  %-16s %s\n", kind.Plural(), idRange(given))
		}
	}
	if r.References > 0 {
		fmt.Fprintf(&b, "  %-16s %d\n", "references", r.References)
	}
	if r.Moves > 0 {
		fmt.Fprintf(&b, "  %-16s %d\n", "moves", r.Moves)
	}
	fmt.Fprintf(&b, "next: blue-store show %s round:%d\n", id, r.Round)
	return b.String()
}

// idRange returns up to six ids, or the first and the last of more.
func idRange(given []blue.Numbered) string {
	const few = 6
	if len(given) > few {
		return fmt.Sprintf("%s … %s (%d)", given[0].ID, given[len(given)-1].ID, len(given))
	}
	var words []string
	for _, n := range given {
		words = append(words, n.ID.String())
	}
	return strings.Join(words, " ")
}

func verdictRegisterCommand(a *app) *cobra.Command {
	var id, data string
	c := &cobra.Command{
		Use:   "verdict-register",
		Short: "Store a verdict; a final one must pass the convergence gate",
		Long: "Stores a verdict. A final verdict converges the dialogue. It is refused until the velocity of\n" +
			"the last round is 0 and every expert has converged, unless the data contain \"force\": true. The\n" +
			"claims of the verdict are compared with the stored references. Differences are warnings.",
		Example: "  blue-store dialogue verdict-register --dialogue-id which-cache --data @verdict.json",
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
