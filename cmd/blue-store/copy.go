package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/copier"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/internal/engine"
)

func copyCommand(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "copy FROM TO [DIALOGUE…]",
		Short: "Copy encrypted dialogues between stores",
		Long: "Copies dialogues from one store to another. It copies items, wrapped keys and audit events in\n" +
			"their stored form, so it needs no key. FROM and TO are sqlite:PATH, dynamodb or demo. FROM is\n" +
			"only read. If the command is stopped, run it again to complete the copy. A repeated copy\n" +
			"changes nothing.\n\n" +
			"An older state of the dialogue in TO is updated. If TO has a newer state, a different dialogue\n" +
			"of the same name, or if both stores were written to, TO does not change (exit 8).\n\n" +
			"At the end, every item is compared with the source. If the key is available, the copy is also\n" +
			"loaded and verified.",
		Example: "  blue-store copy sqlite:blue.db dynamodb --all --endpoint http://localhost:8000\n" +
			"  blue-store copy dynamodb sqlite:backup.db ukfs-specification-review",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case a.flags.store != "":
				return usage("copy has the stores as arguments; omit --store")
			case all == (len(args) > 2):
				return usage("name the dialogues to copy, or use --all")
			}
			ids, err := dialogueArguments(args[2:])
			if err != nil {
				return err
			}
			return a.copy(c.Context(), args[0], args[1], ids)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "copy every dialogue that FROM lists or that this client has seen in FROM")
	return c
}

// copyAnswer is the answer of copy, schema blue-store/copy@1.
type copyAnswer struct {
	Schema    string       `json:"schema"`
	OK        bool         `json:"ok"`
	From      string       `json:"from"`
	To        string       `json:"to"`
	Dialogues []copyResult `json:"dialogues"`
}

// copyResult is the result for one dialogue.
type copyResult struct {
	DialogueID string         `json:"dialogue_id"`
	Result     *copier.Result `json:"result,omitempty"`
	Verified   bool           `json:"verified"`          // loaded and verified in the target
	Note       string         `json:"note,omitempty"`    // reason why it was not verified
	Kind       string         `json:"kind,omitempty"`    // of the error, see kinds
	Message    string         `json:"message,omitempty"` // text of the error
}

func (a *app) copy(ctx context.Context, fromName, toName string, ids []blue.DialogueID) error {
	from, to, err := a.copyStores(fromName, toName)
	if err != nil {
		return err
	}
	source, err := a.openRecords(ctx, from, true)
	if err != nil {
		return err
	}
	defer source.Close()
	named, listed := len(ids) > 0, []blue.Listed{}
	if !named {
		reader := engine.New(source, nil)
		if ids, err = everyDialogue(ctx, reader, from); err != nil {
			return err
		}
		if listed, err = reader.List(ctx); err != nil {
			return err
		}
	}
	records, err := a.openRecords(ctx, to, false)
	if err != nil {
		return err
	}
	target, err := a.seal(ctx, to, records)
	if err != nil {
		return err
	}
	defer target.close()

	answer := copyAnswer{Schema: "blue-store/copy@1", OK: true, From: from.name(), To: to.name(), Dialogues: []copyResult{}}
	c := &copier.Copier{From: source, To: records, Log: target.log}
	var failures []error
	for _, id := range ids {
		one, err := a.copyOne(ctx, c, target, id)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		isListed := slices.ContainsFunc(listed, func(row blue.Listed) bool { return row.ID == id })
		if !named && !isListed && errors.Is(err, blue.ErrErased) {
			continue // a dialogue that is missing without an erasure is an error
		}
		failures = append(failures, err)
		answer.OK = answer.OK && err == nil
		answer.Dialogues = append(answer.Dialogues, one)
	}
	return errors.Join(append(failures, a.answerText(answer, answer.text()))...)
}

// copyStores returns the settings of both stores.
func (a *app) copyStores(fromName, toName string) (from, to config, err error) {
	for _, name := range []string{fromName, toName} {
		if name != "demo" && name != "dynamodb" && !strings.HasPrefix(name, "sqlite:") {
			return from, to, usage("unknown store %q; use sqlite:PATH, dynamodb or demo", clipArgument(name))
		}
	}
	if from, err = a.configOf(fromName); err != nil {
		return from, to, err
	}
	if to, err = a.configOf(toName); err != nil {
		return from, to, err
	}
	switch {
	case from.name() == to.name():
		return from, to, usage("FROM and TO are the same store")
	case a.flags.endpointGiven && from.kind != kindDynamoDB && to.kind != kindDynamoDB:
		return from, to, usage("--endpoint is for DynamoDB, but neither store is dynamodb")
	}
	return from, to, from.checkExists()
}

// copyOne copies a dialogue and verifies the copy if the key is available. The
// result also contains the error.
func (a *app) copyOne(ctx context.Context, c *copier.Copier, target *session, id blue.DialogueID) (copyResult, error) {
	one := copyResult{DialogueID: string(id)}
	p := a.progress()
	defer p.end()
	c.Progress = func(done, total int) { p.step(done, total, string(id)) }
	result, err := c.Copy(ctx, id)
	if err == nil {
		one.Result = &result
		one.Verified, one.Note, err = target.verifyCopy(ctx, id)
	}
	if err != nil {
		_, one.Kind = classify(err)
		one.Message = err.Error()
	}
	return one, err
}

// verifyCopy loads the dialogue. A missing key or another key is not an error,
// because copying needs no key.
func (s *session) verifyCopy(ctx context.Context, id blue.DialogueID) (verified bool, note string, err error) {
	if !s.config.kms.isSet() && isMissing(s.config.umk) {
		return false, "there is no key file on this machine", nil
	}
	_, err = s.store.Verify(ctx, id)
	if errors.Is(err, blue.ErrSealed) && !errors.Is(err, blue.ErrTampered) {
		return false, "the " + s.config.keySource() + " of this client cannot open it", nil
	}
	return err == nil, "", err
}

// everyDialogue returns the dialogues that the store lists and those that this
// client has seen in it. The list alone cannot show that a dialogue is missing.
func everyDialogue(ctx context.Context, store blue.AnalyticsStore, c config) ([]blue.DialogueID, error) {
	rows, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	remembered, err := freshness.Dir(c.heads).Dialogues()
	if err != nil {
		return nil, err
	}
	var ids []blue.DialogueID
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	for _, name := range remembered {
		ids = append(ids, blue.DialogueID(name))
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (r *copyAnswer) text() string {
	var b strings.Builder
	for _, d := range r.Dialogues {
		if d.Result == nil {
			fmt.Fprintf(&b, "✗ %s  %s\n", d.DialogueID, display.OneLine(d.Message))
			continue
		}
		mark, check := "✓", "verified"
		switch {
		case d.Message != "":
			mark, check = "✗", display.OneLine(d.Message)
		case !d.Verified:
			check = "compared with the source, but not decrypted: " + d.Note
		}
		fmt.Fprintf(&b, "%s %s  %s: %s, version %d, %s, %s; %s\n",
			mark, d.DialogueID, d.Result.Status, display.Count(d.Result.Items, "item"), d.Result.Version,
			display.Count(d.Result.Events, "audit event"), display.Count(d.Result.Wraps, "wrapped key"), check)
	}
	if len(r.Dialogues) == 0 {
		b.WriteString("there is no dialogue to copy\n")
	}
	return b.String()
}
