package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/display"
)

func verifyCommand(a *app) *cobra.Command {
	var all, salvage bool
	c := &cobra.Command{
		Use:   "verify [DIALOGUE…]",
		Short: "Verify every item of one, several or all dialogues",
		Long: "Loads each dialogue and verifies every item, the set of items against the encrypted root, and\n" +
			"the root against the audit log. It lists the damaged items of a dialogue, continues with the\n" +
			"other dialogues, and exits with 7.\n\n" +
			"The default is every dialogue that the store lists or that this client has seen in it. An erased\n" +
			"dialogue is listed and is not an error.",
		Example: "  blue-store verify\n  blue-store verify ukfs-specification-review --salvage",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usage("--all and the name of a dialogue exclude each other")
			}
			return a.withDialogues(c.Context(), args, func(s *session, ids []blue.DialogueID, named bool) error {
				return a.verify(c.Context(), s, ids, named, salvage)
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "check every dialogue (the default without arguments)")
	c.Flags().BoolVar(&salvage, "salvage", false, "count the items of a damaged dialogue that verify")
	return c
}

func dialogueArguments(names []string) ([]blue.DialogueID, error) {
	ids := make([]blue.DialogueID, len(names))
	for i, name := range names {
		var err error
		if ids[i], err = dialogueArgument(name); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// verifyAnswer is the answer of verify, schema blue-store/verify@1.
type verifyAnswer struct {
	Schema    string         `json:"schema"`
	OK        bool           `json:"ok"`
	Dialogues []verifyResult `json:"dialogues"`
	Erased    []string       `json:"erased,omitempty"` // of the dialogues that this client has seen
}

// verifyResult is the result for one dialogue.
type verifyResult struct {
	DialogueID string        `json:"dialogue_id"`
	OK         bool          `json:"ok"`
	Items      int           `json:"items,omitempty"`    // of an intact dialogue
	Version    uint64        `json:"version,omitempty"`  // of an intact dialogue
	Salvaged   *int          `json:"salvaged,omitempty"` // with --salvage: number of items that verify
	Damage     []blue.Damage `json:"damage,omitempty"`
	Kind       string        `json:"kind,omitempty"` // of the error, see kinds
	Message    string        `json:"message,omitempty"`
}

func (a *app) verify(ctx context.Context, s *session, ids []blue.DialogueID, named, salvage bool) error {
	answer := verifyAnswer{Schema: "blue-store/verify@1", OK: true, Dialogues: []verifyResult{}}
	var failures []error
	for _, id := range ids {
		v, err := s.verifyOne(ctx, id, salvage)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !named && err != nil && isGone(err) {
			if errors.Is(err, blue.ErrErased) {
				answer.Erased = append(answer.Erased, string(id))
			}
			continue
		}
		failures = append(failures, err)
		answer.OK = answer.OK && err == nil
		answer.Dialogues = append(answer.Dialogues, v)
	}
	return errors.Join(append(failures, a.answerText(answer, answer.text()))...)
}

// verifyOne verifies one dialogue. The result also contains the error.
func (s *session) verifyOne(ctx context.Context, id blue.DialogueID, salvage bool) (verifyResult, error) {
	v := verifyResult{DialogueID: string(id)}
	snapshot, err := s.store.Verify(ctx, id)
	if err == nil {
		v.OK, v.Items, v.Version = true, itemsOf(snapshot), snapshot.Version
		return v, nil
	}
	_, v.Kind = classify(err)
	v.Message = err.Error()
	if t, ok := errors.AsType[*blue.TamperError](err); ok {
		v.Damage = t.Damage
	}
	if salvage && errors.Is(err, blue.ErrTampered) {
		if rest, err := s.store.Salvage(ctx, id); err == nil {
			n := itemsOf(rest)
			v.Salvaged = &n
		}
	}
	return v, err
}

// itemsOf returns the number of items of a snapshot.
func itemsOf(s *blue.Snapshot) int {
	n := len(inspectedEntities(s)) + len(s.Unknown)
	if s.Dialogue.CreatedAt.IsZero() {
		n-- // meta is missing if it did not verify
	}
	return n
}

func (r *verifyAnswer) text() string {
	var b strings.Builder
	for _, v := range r.Dialogues {
		switch {
		case v.OK:
			fmt.Fprintf(&b, "✓ %s  %s, version %d\n", v.DialogueID, display.Count(v.Items, "item"), v.Version)
		case len(v.Damage) == 0:
			fmt.Fprintf(&b, "✗ %s  %s\n", v.DialogueID, v.Message)
		default:
			fmt.Fprintf(&b, "✗ %s  damaged\n", v.DialogueID)
			for _, d := range v.Damage {
				fmt.Fprintf(&b, "    %-12s %s  %s\n", d.Class, d.Item, d.Detail)
			}
		}
		if v.Salvaged != nil {
			fmt.Fprintf(&b, "    %d items verify\n", *v.Salvaged)
		}
	}
	for _, id := range r.Erased {
		fmt.Fprintf(&b, "- %s  erased\n", id)
	}
	if len(r.Dialogues) == 0 {
		b.WriteString("there is no dialogue in this store\n")
	}
	return b.String()
}
