package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/wire"
)

func expertCreateCommand(a *app) *cobra.Command {
	var id, data string
	var firstRound roundFlag
	var relevance float64
	c := &cobra.Command{
		Use:   "expert-create",
		Short: "Add an expert to a dialogue's panel",
		Example: "  blue-store dialogue expert-create --dialogue-id which-cache --expert-slug Muffin \\\n" +
			"    --role Economist --tier Core --creation-reason \"The panel needs numbers\" --first-round 0\n" +
			"  blue-store dialogue expert-create --dialogue-id which-cache --data @muffin.json",
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	dialogueFlag(c, &id)
	keys := map[string]string{}
	text := func(flag, key, usage string) {
		keys[flag] = key
		f.String(flag, "", usage)
	}
	text("expert-slug", "expert_slug", "a pastry's `name` such as Muffin, or Pastry and a number")
	text("role", "role", "the expertise of the expert")
	text("tier", "tier", "Core, Adjacent or Wildcard")
	text("creation-reason", "creation_reason", "the reason why the panel needs the expert")
	text("focus", "focus", "the focus of the expert")
	text("description", "description", "a description of the expert")
	text("color", "color", "a `colour` for drawings")
	f.Float64Var(&relevance, "relevance", 0, "the relevance to the subject, a `number`")
	f.Var(&firstRound, "first-round", "the round in which the expert joins")
	f.StringVar(&data, "data", "", "the same fields as "+dataUsage+"; also source")
	c.RunE = func(c *cobra.Command, _ []string) error {
		members := givenMembers(c, keys)
		if firstRound.given {
			members = append(members, member{"first_round", "--first-round", int(firstRound.round)})
		}
		if f.Changed("relevance") {
			members = append(members, member{"relevance", "--relevance", relevance})
		}
		return a.createExpert(c.Context(), id, data, members)
	}
	return c
}

// requiredOfExpert lists the fields that Blue requires for expert-create.
var requiredOfExpert = []string{"expert_slug", "role", "tier", "creation_reason", "first_round"}

func (a *app) createExpert(ctx context.Context, dialogue, data string, members []member) error {
	id, err := dialogueID(dialogue)
	if err != nil {
		return err
	}
	text, err := a.withData(ctx, data, members)
	if err != nil {
		return err
	}
	if err := checkExpertData(text); err != nil {
		return err
	}
	e, warnings, err := wire.ParseNewExpert(text)
	if err != nil {
		return a.answerRefusal(err)
	}
	if err := checkPastry(e.Slug); err != nil {
		return err
	}
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	added, err := s.store.RegisterExpert(ctx, id, e)
	if err != nil {
		return a.answerRefusal(err)
	}
	a.warn(warnings)
	return a.answerText(newExpertJSON(&added.Value, warnings),
		fmt.Sprintf("added %s (%s) to %s\nnext: blue-store dialogue round-register --dialogue-id %s --round %d --data @round.json\n",
			added.Value.Slug, oneLine(added.Value.Role), id, id, *e.FirstRound))
}

// checkExpertData returns one error that names every missing field.
func checkExpertData(text []byte) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	var missing []string
	for _, key := range requiredOfExpert {
		if raw, ok := given[key]; !ok || string(raw) == "null" {
			missing = append(missing, "--"+strings.ReplaceAll(key, "_", "-"))
		}
	}
	if len(missing) > 0 {
		return &usageError{message: "missing " + strings.Join(missing, ", "), hint: "see: blue-store dialogue expert-create --help"}
	}
	return nil
}

// pastries lists Blue's names for experts.
var pastries = []string{
	"Muffin", "Cupcake", "Scone", "Eclair", "Donut", "Brioche", "Croissant", "Macaron", "Cannoli", "Strudel",
	"Beignet", "Churro", "Profiterole", "Tartlet", "Galette", "Palmier", "Kouign", "Sfogliatella", "Financier", "Religieuse",
}

// checkPastry applies Blue's rule for experts that are created on the command
// line. The name must be one of the pastries, or Pastry and digits. The error text
// is Blue's.
func checkPastry(slug blue.ExpertSlug) error {
	number, extra := strings.CutPrefix(string(slug), "Pastry")
	if slices.Contains(pastries, string(slug)) || extra && number != "" && strings.Trim(number, "0123456789") == "" {
		return nil
	}
	//lint:ignore ST1005 Blue's own words
	return fmt.Errorf("%w: Expert slug '%s' is not a valid pastry name. Use names like Muffin, Cupcake, Scone, etc. from the pastry name list.",
		blue.ErrRefused, slug)
}

// expertJSON is Blue's answer, with its order of members.
type expertJSON struct {
	Expert struct {
		CreationReason string            `json:"creation_reason"`
		Slug           blue.ExpertSlug   `json:"expert_slug"`
		FirstRound     *blue.Round       `json:"first_round"`
		Focus          *string           `json:"focus"`
		Role           string            `json:"role"`
		Source         blue.ExpertSource `json:"source"`
		Tier           blue.Tier         `json:"tier"`
	} `json:"expert"`
	Message  string         `json:"message"`
	Status   string         `json:"status"`
	Warnings []blue.Warning `json:"warnings,omitempty"`
}

func newExpertJSON(e *blue.Expert, warnings []blue.Warning) *expertJSON {
	answer := &expertJSON{Status: "success", Warnings: warnings}
	x := &answer.Expert
	x.CreationReason, x.Slug, x.FirstRound, x.Role, x.Source, x.Tier = e.CreationReason, e.Slug, e.FirstRound, e.Role, e.Source, e.Tier
	if e.Focus != "" {
		x.Focus = &e.Focus
	}
	answer.Message = fmt.Sprintf("Created expert '%s' (%s)", e.Slug, e.Role)
	if e.FirstRound != nil {
		answer.Message += fmt.Sprintf(" for round %d", *e.FirstRound)
	}
	return answer
}
