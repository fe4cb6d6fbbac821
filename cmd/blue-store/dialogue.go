package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gofrs/uuid/v5"
	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/wire"
)

// dialogueCommand returns the commands of `blue dialogue`, with the names, flags and
// answers of Blue (Blue, SPEC §12).
func dialogueCommand(a *app) *cobra.Command {
	return a.group(&cobra.Command{
		Use:   "dialogue",
		Short: "Write a dialogue: create it, add experts, rounds and verdicts",
		Example: "  blue-store dialogue create \"Which cache?\" --question \"What do we keep in memory?\"\n" +
			"  blue-store dialogue round-register --dialogue-id which-cache --round 0 --data @round0.json",
	}, dialogueCreateCommand, expertCreateCommand, roundRegisterCommand, verdictRegisterCommand)
}

// answerRefusal prints Blue's answer to a request that a rule refuses. It returns
// the error for standard error. The exit code is 4. Blue's exit code is 0, so a
// script cannot detect the refusal (bug 28).
func (a *app) answerRefusal(err error) error {
	if e, ok := errors.AsType[*blue.ValidationError](err); ok {
		short := fmt.Sprintf("%v: validation failed with %d error(s)", blue.ErrRefused, len(e.Errors))
		return cmp.Or(a.answerText(e, validationText(e)), error(&shortError{err, short}))
	}
	if e, ok := errors.AsType[*blue.GateError](err); ok {
		hint := "resolve the open tensions and let every expert converge, or set \"force\": true in the data"
		text := "the dialogue has not converged:\n  " + strings.Join(e.Blockers, "\n  ") + "\n"
		return cmp.Or(a.answerText(e, text), withHint(err, hint))
	}
	return err
}

// shortError is an error with a short text, because the answer has the long one.
type shortError struct {
	error
	text string
}

func (s *shortError) Error() string { return s.text }
func (s *shortError) Unwrap() error { return s.error }

func validationText(e *blue.ValidationError) string {
	var b strings.Builder
	for i := range e.Errors {
		f := &e.Errors[i]
		b.WriteString(display.OneLine(f.Error()) + "\n")
		if f.Suggestion != nil {
			fmt.Fprintf(&b, "    %s\n", display.OneLine(*f.Suggestion))
		}
	}
	return b.String()
}

// warn prints warnings on standard error. A JSON answer already contains them.
func (a *app) warn(warnings []blue.Warning) {
	if a.isJSON() {
		return
	}
	for _, w := range warnings {
		fmt.Fprintf(a.err, "warning: %s\n", display.OneLine(w.Message))
	}
}

// dialogueFlag adds Blue's flag for the id of the dialogue.
func dialogueFlag(c *cobra.Command, id *string) {
	c.Flags().StringVar(id, "dialogue-id", "", "the dialogue's `ID` (required)")
	requiredFlags(c, "dialogue-id")
}

const dataUsage = "`JSON`, @FILE, or - for standard input"

func dialogueCreateCommand(a *app) *cobra.Command {
	var question, outputDir, data string
	var opaque bool
	c := &cobra.Command{
		Use:   "create TITLE",
		Short: "Create an empty dialogue",
		Long: "Creates an empty dialogue. Its id is made from the title and is readable without a key.\n" +
			"--opaque-id chooses an id that reveals nothing.",
		Example: "  blue-store dialogue create \"Which cache?\" --question \"What do we keep in memory?\"\n" +
			"  blue-store dialogue create \"Which cache?\" --opaque-id\n" +
			"  blue-store dialogue create --data @dialogue.json",
		Args: cobra.MaximumNArgs(1),
	}
	f := c.Flags()
	f.StringVar(&question, "question", "", "the question to the panel")
	f.StringVar(&outputDir, "output-dir", "", "the default `folder` for exports")
	f.BoolVar(&opaque, "opaque-id", false, "choose an id that reveals nothing about the dialogue")
	f.StringVar(&data, "data", "", "all fields as "+dataUsage+": title, question, output_dir, background, domain_id, ethos_id, calibrated")
	c.RunE = func(c *cobra.Command, args []string) error {
		members := givenMembers(c, "output-dir", "question")
		if len(args) == 1 {
			members = append(members, member{"title", "TITLE", args[0]})
		} else if data == "" {
			return &usageError{message: "a title is required", hint: `blue-store dialogue create "TITLE"`}
		}
		return a.createDialogue(c.Context(), data, members, opaque)
	}
	return c
}

// givenMembers returns those of the text flags that are on the command line, with
// their JSON names.
func givenMembers(c *cobra.Command, flags ...string) []member {
	var members []member
	for _, flag := range flags {
		if f := c.Flags().Lookup(flag); f.Changed {
			members = append(members, member{strings.ReplaceAll(flag, "-", "_"), "--" + flag, f.Value.String()})
		}
	}
	return members
}

// withData returns the data of --data and the flags as one JSON object.
func (a *app) withData(ctx context.Context, data string, members []member) ([]byte, error) {
	var text []byte
	if data != "" {
		var err error
		if text, err = a.input(ctx, data); err != nil {
			return nil, err
		}
	}
	return mergeMembers(text, members)
}

type createdJSON struct {
	DialogueID blue.DialogueID `json:"dialogue_id"`
	Message    string          `json:"message"`
	Status     string          `json:"status"`
	Warnings   []blue.Warning  `json:"warnings,omitempty"`
}

func (a *app) createDialogue(ctx context.Context, data string, members []member, opaque bool) error {
	text, err := a.withData(ctx, data, members)
	if err != nil {
		return err
	}
	d, warnings, err := wire.ParseNewDialogue(text)
	if err != nil {
		return err
	}
	if err := checkTitle(d.Title, opaque); err != nil {
		return err
	}
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	id, err := createUnderFreeID(ctx, s, d, opaque)
	if err != nil {
		return err
	}
	a.noteNewKey(s)
	a.warn(warnings)
	answer := createdJSON{id, fmt.Sprintf("Created dialogue '%s'", id), "success", warnings}
	return a.answerText(answer, fmt.Sprintf("created %s\nnext: blue-store dialogue expert-create --dialogue-id %s --expert-slug Muffin --role … --tier Core --creation-reason … --first-round 0\n", id, id))
}

// checkTitle checks a title before the store is opened.
func checkTitle(title string, opaque bool) error {
	if strings.TrimSpace(title) == "" {
		return usage("the title is empty")
	}
	if opaque {
		return nil
	}
	id, err := blue.SlugID(title)
	if err == nil {
		_, err = dialogueArgument(string(id))
	}
	return withHint(err, "use another title, or --opaque-id")
}

// createUnderFreeID creates the dialogue with the first free id. If another process
// uses the id first, it tries the next one.
func createUnderFreeID(ctx context.Context, s *session, d blue.NewDialogue, opaque bool) (blue.DialogueID, error) {
	if opaque {
		// A version 7 UUID begins with the time, which the store reveals in any case.
		u, err := uuid.NewV7()
		if err != nil {
			return "", err
		}
		id := blue.DialogueID(u.String())
		_, err = s.store.Create(ctx, id, d)
		return id, err
	}
	first, err := s.store.NextID(ctx, d.Title)
	if err != nil {
		return "", err
	}
	slug, err := blue.SlugID(d.Title)
	if err != nil {
		return "", err
	}
	ids := slug.Candidates()
	for _, id := range ids[slices.Index(ids, first):] {
		_, err := s.store.Create(ctx, id, d)
		if !errors.Is(err, blue.ErrConflict) {
			return id, err
		}
	}
	return "", fmt.Errorf("%w: too many dialogues with similar titles: %s", blue.ErrRefused, slug)
}

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
	}
	f := c.Flags()
	dialogueFlag(c, &id)
	f.String("expert-slug", "", "a pastry's `name` such as Muffin, or Pastry and a number")
	f.String("role", "", "the expertise of the expert")
	f.String("tier", "", "Core, Adjacent or Wildcard")
	f.String("creation-reason", "", "the reason why the panel needs the expert")
	f.String("focus", "", "the focus of the expert")
	f.String("description", "", "a description of the expert")
	f.String("color", "", "a `colour` for drawings")
	f.Float64Var(&relevance, "relevance", 0, "the relevance to the subject, a `number`")
	f.Var(&firstRound, "first-round", "the round in which the expert joins")
	f.StringVar(&data, "data", "", "the same fields as "+dataUsage+"; also source")
	c.RunE = func(c *cobra.Command, _ []string) error {
		members := givenMembers(c, "color", "creation-reason", "description", "expert-slug", "focus", "role", "tier")
		if f.Changed("first-round") {
			members = append(members, member{"first_round", "--first-round", int(firstRound)})
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
	id, err := dialogueArgument(dialogue)
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
	if err := checkPastryArgument(e.Slug); err != nil {
		return err
	}
	return a.withStore(ctx, func(s *session) error {
		added, err := s.store.RegisterExpert(ctx, id, e)
		if err != nil {
			return a.answerRefusal(err)
		}
		a.warn(warnings)
		return a.answerText(newExpertJSON(&added.Value, warnings),
			fmt.Sprintf("added %s (%s) to %s\nnext: blue-store dialogue round-register --dialogue-id %s --round %d --data @round.json\n",
				added.Value.Slug, display.OneLine(added.Value.Role), id, id, *e.FirstRound))
	})
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

// checkPastryArgument applies Blue's rule for experts that are created on the
// command line. The name must be one of the pastries, or Pastry and digits. The
// error text is Blue's.
func checkPastryArgument(slug blue.ExpertSlug) error {
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
