package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
)

func verifyCommand(a *app) *cobra.Command {
	var all, salvage bool
	c := &cobra.Command{
		Use:   "verify [DIALOGUE…]",
		Short: "Check every item of one, several or all dialogues against its seal",
		Long: "verify loads each dialogue, checks every item, their number and sum against the\n" +
			"sealed root, and the root against the audit log. One that is damaged is reported\n" +
			"item by item, the others are checked all the same, and the exit code is 7.\n\n" +
			"Without arguments it checks what the store lists, and what this client remembers; what was\n" +
			"erased is named, and is no failure.",
		Example: "  blue-store verify\n  blue-store verify ukfs-specification-review --salvage",
		RunE: func(c *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usage("--all and the name of a dialogue exclude each other")
			}
			ids, err := parseDialogues(args)
			if err != nil {
				return err
			}
			s, err := a.openExisting(c.Context())
			if err != nil {
				return err
			}
			defer s.close()
			return a.verify(c.Context(), s, ids, salvage)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "check every dialogue (the default without arguments)")
	c.Flags().BoolVar(&salvage, "salvage", false, "say how much of a damaged dialogue still verifies")
	return c
}

func parseDialogues(names []string) ([]blue.DialogueID, error) {
	ids := make([]blue.DialogueID, len(names))
	for i, name := range names {
		var err error
		if ids[i], err = dialogueID(name); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// verifyAnswer is what verify says, schema blue-store/verify@1.
type verifyAnswer struct {
	Schema    string         `json:"schema"`
	OK        bool           `json:"ok"`
	Dialogues []verifyResult `json:"dialogues"`
	Erased    []string       `json:"erased,omitempty"` // of those that this client remembers
}

// verified is the finding about one dialogue.
type verifyResult struct {
	DialogueID string        `json:"dialogue_id"`
	OK         bool          `json:"ok"`
	Items      int           `json:"items,omitempty"`    // of an intact dialogue
	Version    uint64        `json:"version,omitempty"`  // of an intact dialogue
	Salvaged   *int          `json:"salvaged,omitempty"` // with --salvage: items that verify
	Damage     []blue.Damage `json:"damage,omitempty"`
	Kind       string        `json:"kind,omitempty"` // of the error, as in exit.go
	Message    string        `json:"message,omitempty"`
}

func (a *app) verify(ctx context.Context, s *session, ids []blue.DialogueID, salvage bool) error {
	named := len(ids) > 0
	if !named {
		var err error
		if ids, err = everyDialogue(ctx, s.store, s.config); err != nil {
			return err
		}
	}
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
		if err != nil {
			failures = append(failures, err)
			answer.OK = false
		}
		answer.Dialogues = append(answer.Dialogues, v)
	}
	err := a.answer(answer, func(w io.Writer) error {
		_, err := io.WriteString(w, printable(answer.text()))
		return err
	})
	return errors.Join(append(failures, err)...)
}

// verifyOne checks one dialogue; the error is also told in the finding.
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

// itemsOf counts the items that a snapshot was made of.
func itemsOf(s *blue.Snapshot) int {
	n := len(s.Experts) + len(s.Rounds) + len(s.Contributed()) + len(s.Moves) + len(s.Events) + len(s.Verdicts) + len(s.Unknown)
	if !s.Dialogue.CreatedAt.IsZero() {
		n++ // meta, unless it was not salvaged
	}
	return n
}

func (r *verifyAnswer) text() string {
	var b strings.Builder
	for _, v := range r.Dialogues {
		switch {
		case v.OK:
			fmt.Fprintf(&b, "✓ %s  %d items, version %d\n", v.DialogueID, v.Items, v.Version)
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
