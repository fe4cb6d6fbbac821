package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/copier"
	"github.com/superviber/blue-encrypted-store/internal/engine"
)

func copyCommand(a *app) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "copy FROM TO [DIALOGUE…]",
		Short: "Copy dialogues between stores, sealed as they are",
		Long: "Copies dialogues from one store to another: items, wrapped keys and audit events as they\n" +
			"are, so it takes no key. FROM and TO are sqlite:PATH, dynamodb or demo. FROM is only read.\n" +
			"Stopped anywhere, it is finished by running it again; run once more, it changes nothing.\n\n" +
			"An older state of the dialogue in TO is brought forward. Another one of its name, a newer\n" +
			"one, or one that was written to in both stores is left as it is (exit 8).\n\n" +
			"At the end every item is compared with the source, and where the key file opens it, the\n" +
			"copy is loaded and verified.",
		Example: "  blue-store copy sqlite:blue.db dynamodb --all --endpoint http://localhost:8000\n" +
			"  blue-store copy dynamodb sqlite:backup.db ukfs-specification-review",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case a.flags.store != "":
				return usage("copy names its stores itself; leave --store out")
			case all == (len(args) > 2):
				return usage("name the dialogues to copy, or use --all")
			}
			ids, err := parseDialogues(args[2:])
			if err != nil {
				return err
			}
			return a.copy(c.Context(), args[0], args[1], ids)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "copy every dialogue that FROM lists or this client remembers of it")
	return c
}

// copyAnswer is what copy says, schema blue-store/copy@1.
type copyAnswer struct {
	Schema    string   `json:"schema"`
	OK        bool     `json:"ok"`
	From      string   `json:"from"`
	To        string   `json:"to"`
	Dialogues []copied `json:"dialogues"`
}

// copied is the result for one dialogue.
type copied struct {
	DialogueID string         `json:"dialogue_id"`
	Result     *copier.Result `json:"result,omitempty"`
	Verified   bool           `json:"verified"`          // loaded and verified in the target
	Note       string         `json:"note,omitempty"`    // why not
	Kind       string         `json:"kind,omitempty"`    // of the error, as in exit.go
	Message    string         `json:"message,omitempty"` // the error
}

func (a *app) copy(ctx context.Context, fromName, toName string, ids []blue.DialogueID) error {
	from, to, err := a.bothStores(fromName, toName)
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

	answer := copyAnswer{Schema: "blue-store/copy@1", OK: true, From: from.name(), To: to.name(), Dialogues: []copied{}}
	c := &copier.Copier{From: source, To: records, Log: target.log}
	var failures []error
	for _, id := range ids {
		one, err := a.copyOne(ctx, c, target, id)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		remembered := !named && !slices.ContainsFunc(listed, func(row blue.Listed) bool { return row.ID == id })
		if remembered && errors.Is(err, blue.ErrErased) {
			continue // one that is gone otherwise is told
		}
		if err != nil {
			failures = append(failures, err)
			answer.OK = false
		}
		answer.Dialogues = append(answer.Dialogues, one)
	}
	err = a.answer(answer, func(w io.Writer) error {
		_, err := io.WriteString(w, printable(answer.text()))
		return err
	})
	return errors.Join(append(failures, err)...)
}

// bothStores resolves the names of the two stores.
func (a *app) bothStores(fromName, toName string) (from, to config, err error) {
	for _, name := range []string{fromName, toName} {
		if name != "demo" && name != "dynamodb" && !strings.HasPrefix(name, "sqlite:") {
			return from, to, usage("unknown store %q; a store is sqlite:PATH, dynamodb or demo", clipped(name))
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
		return from, to, usage("--endpoint is for DynamoDB, and neither store is dynamodb")
	}
	return from, to, from.present()
}

// copyOne copies a dialogue and, where the key is at hand, verifies the copy.
// The error is also told in the result.
func (a *app) copyOne(ctx context.Context, c *copier.Copier, target *session, id blue.DialogueID) (copied, error) {
	one := copied{DialogueID: string(id)}
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

// verifyCopy loads the dialogue with the key file. One that is not there or is
// another is no error: copying takes none.
func (s *session) verifyCopy(ctx context.Context, id blue.DialogueID) (verified bool, note string, err error) {
	if !s.config.kms.used() && missing(s.config.umk) {
		return false, "there is no key file here", nil
	}
	_, err = s.store.Verify(ctx, id)
	if errors.Is(err, blue.ErrSealed) && !errors.Is(err, blue.ErrTampered) {
		return false, "the " + s.config.keySource() + " here does not open it", nil
	}
	return err == nil, "", err
}

// everyDialogue returns what a store lists and what this client remembers of
// it: a list alone would not show that a whole dialogue is gone.
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
			fmt.Fprintf(&b, "✗ %s  %s\n", d.DialogueID, oneLine(d.Message))
			continue
		}
		check := "verified"
		switch {
		case d.Message != "":
			check = oneLine(d.Message)
		case !d.Verified:
			check = "compared with the source; not opened: " + d.Note
		}
		mark := "✓"
		if d.Message != "" {
			mark = "✗"
		}
		fmt.Fprintf(&b, "%s %s  %s: %d items, version %d, %d audit events, %d wrapped key(s); %s\n",
			mark, d.DialogueID, d.Result.Status, d.Result.Items, d.Result.Version, d.Result.Events, d.Result.Wraps, check)
	}
	if len(r.Dialogues) == 0 {
		b.WriteString("there is no dialogue to copy\n")
	}
	return b.String()
}
