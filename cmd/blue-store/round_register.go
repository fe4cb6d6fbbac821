package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/wire"
)

func roundRegisterCommand(a *app) *cobra.Command {
	var id, data string
	var round roundFlag
	c := &cobra.Command{
		Use:   "round-register",
		Short: "Store a whole round: all of it, or nothing",
		Long: "Validates and numbers a whole round and stores it in one commit: scores, entities, their\n" +
			"references, tension updates, expert scores, moves. The same round again is answered again and\n" +
			"changes nothing; a round with other content is a conflict.",
		Example: "  blue-store dialogue round-register --dialogue-id which-cache --round 0 --data @round0.json\n" +
			"  judge | blue-store dialogue round-register --dialogue-id which-cache --round 1 --data -",
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	dialogueFlag(c, &id)
	f.Var(&round, "round", "the round's number, 0 to 99 (required)")
	f.StringVar(&data, "data", "", dataUsage+" (required)")
	requiredFlags(c, "round", "data")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return a.registerRound(c.Context(), id, round.round, data)
	}
	return c
}

func (a *app) registerRound(ctx context.Context, dialogue string, round blue.Round, data string) error {
	r, err := openRegistration(ctx, a, dialogue, data, func(id blue.DialogueID, text []byte) (blue.RoundBatch, []blue.Warning, error) {
		batch, warnings, err := wire.ParseRoundBatch(id, round, text)
		if err == nil {
			err = batch.Validate() // before the dialogue is looked for, as Blue does
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
	return a.answer(newRoundJSON(r.id, &done.Value, warnings), func(w io.Writer) error {
		return roundText(w, r.id, &done.Value)
	})
}

// roundJSON is Blue's answer, members in its order, with its refs counted
// (bug 6) and its expert_scores those that were stored (bug 7).
type roundJSON struct {
	DialogueID blue.DialogueID `json:"dialogue_id"`
	Message    string          `json:"message"`
	Registered map[string]any  `json:"registered"`         // by name: the kinds, expert_scores, refs, moves (ours)
	Repeated   bool            `json:"repeated,omitempty"` // ours
	Round      blue.Round      `json:"round"`
	Score      int64           `json:"score"`
	Status     string          `json:"status"`
	Warnings   []blue.Warning  `json:"warnings,omitempty"` // ours
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

func roundText(w io.Writer, id blue.DialogueID, r *blue.Registered) error {
	word := "registered"
	if r.Repeated {
		word = "unchanged, registered before:"
	}
	fmt.Fprintf(w, "%s round %d of %s, score %d\n", word, r.Round, id, r.Score)
	for _, kind := range blue.NumberedKinds() {
		if given := r.Entities[kind]; len(given) > 0 {
			fmt.Fprintf(w, "  %-16s %s\n", kind.Plural(), idRange(given))
		}
	}
	if r.References > 0 {
		fmt.Fprintf(w, "  %-16s %d\n", "references", r.References)
	}
	if r.Moves > 0 {
		fmt.Fprintf(w, "  %-16s %d\n", "moves", r.Moves)
	}
	_, err := fmt.Fprintf(w, "next: blue-store show %s round:%d\n", id, r.Round)
	return err
}

// idRange lists few ids and names the ends of many.
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
