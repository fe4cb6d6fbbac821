package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/export"
)

func showCommand(a *app) *cobra.Command {
	var salvage bool
	c := &cobra.Command{
		Use:   "show DIALOGUE [ENTITY]",
		Short: "Show a dialogue, or one entity of it with its references and history",
		Long: "Loads a dialogue, verifies it whole, and shows it as an outline, or one entity of it:\n" +
			"a display id (P0101), an expert's slug (Muffin), a verdict's id (V01) or round:N. Where two\n" +
			"have one name, expert:NAME and verdict:NAME tell them apart. As JSON the dialogue is the\n" +
			"document that export writes.",
		Example: "  blue-store show which-cache\n" +
			"  blue-store show which-cache T0101\n" +
			"  blue-store show which-cache round:0",
		Args: cobra.RangeArgs(1, 2),
	}
	c.Flags().BoolVar(&salvage, "salvage", false, "show what verifies of a damaged dialogue; the exit code stays 7")
	c.RunE = func(c *cobra.Command, args []string) error {
		id, err := dialogueID(args[0])
		if err != nil {
			return err
		}
		var entity string
		if len(args) == 2 {
			if entity = args[1]; !nameable(entity) {
				return badEntity(entity)
			}
		}
		s, err := a.openExisting(c.Context())
		if err != nil {
			return err
		}
		defer s.close()
		return a.show(c.Context(), s, id, entity, salvage)
	}
	return c
}

func (a *app) show(ctx context.Context, s *session, id blue.DialogueID, entity string, salvage bool) error {
	load := s.store.Load
	if salvage {
		load = s.store.Salvage
	}
	snapshot, err := load(ctx, id)
	if err != nil {
		return err
	}
	if entity == "" {
		err = a.showDialogue(snapshot)
	} else {
		err = a.showEntity(snapshot, entity)
	}
	if len(snapshot.Damage) == 0 || err != nil && !errors.Is(err, blue.ErrNotFound) {
		return err
	}
	// What is not found may be what did not verify.
	a.note("salvaged: %d item(s) did not verify and are left out", len(snapshot.Damage))
	return withHint(&blue.TamperError{Dialogue: id, Damage: snapshot.Damage},
		"what was shown verifies; the rest is lost unless a backup has it")
}

func (a *app) showDialogue(s *blue.Snapshot) error {
	doc, err := export.Document(s, time.Time{})
	if err != nil {
		return err
	}
	delete(doc, "exported_at")
	return a.answer(doc, func(w io.Writer) error { return outline(w, s) })
}

// entityOf is what a name stands for; exactly one field is set.
type entityOf struct {
	numbered blue.Contributed
	expert   *blue.Expert
	round    *blue.RoundRecord
	verdict  *blue.Verdict
}

// nameable reports whether a text can name an entity at all.
func nameable(name string) bool {
	kind, rest, prefixed := strings.Cut(name, ":")
	if prefixed {
		name = rest
	}
	_, notSlug := blue.ParseExpertSlug(name)
	_, notVerdict := blue.ParseVerdictID(name)
	switch {
	case !prefixed:
		return notSlug == nil || notVerdict == nil
	case kind == "round":
		_, err := strconv.ParseUint(name, 10, 31)
		return err == nil
	case kind == "expert":
		return notSlug == nil
	}
	return kind == "verdict" && notVerdict == nil
}

func badEntity(name string) error {
	return fmt.Errorf("%w: %q names no entity; give a display id such as P0101, an expert's slug, a verdict's id, or round:N",
		blue.ErrInvalid, clipped(name))
}

// find looks a name up: a display id first, then a verdict, then an expert.
func find(s *blue.Snapshot, name string) (entityOf, error) {
	kind, rest, prefixed := strings.Cut(name, ":")
	if prefixed && kind == "round" {
		n, err := strconv.ParseUint(rest, 10, 31)
		if err != nil {
			return entityOf{}, badEntity(name)
		}
		if r, ok := s.Round(blue.Round(n)); ok {
			return entityOf{round: r}, nil
		}
		return entityOf{}, notFound("dialogue %s has no round %d", s.Dialogue.ID, n)
	}
	if prefixed {
		name = rest
	}
	if id, err := blue.ParseEntityID(name); err == nil && !prefixed {
		if e, ok := s.Find(id); ok {
			return entityOf{numbered: e}, nil
		}
	}
	if kind != "expert" || !prefixed {
		for _, v := range s.Verdicts {
			if string(v.ID) == name {
				return entityOf{verdict: v}, nil
			}
		}
	}
	if kind != "verdict" || !prefixed {
		if e, ok := s.Expert(blue.ExpertSlug(name)); ok {
			return entityOf{expert: e}, nil
		}
	}
	err := notFound("dialogue %s has no %s", s.Dialogue.ID, clipped(name))
	if upper := strings.ToUpper(name); upper != name {
		if id, bad := blue.ParseEntityID(upper); bad == nil {
			err = withHint(err, "did you mean "+id.String()+"?")
		}
	}
	return entityOf{}, err
}

func (a *app) showEntity(s *blue.Snapshot, name string) error {
	e, err := find(s, name)
	if err != nil {
		return err
	}
	switch {
	case e.numbered != nil:
		return a.showNumbered(s, e.numbered)
	case e.expert != nil:
		return a.showExpert(s, e.expert)
	case e.round != nil:
		return a.showRound(s, e.round)
	default:
		return a.showVerdict(s, e.verdict)
	}
}

// documentPart returns the one object of a list of the exported document that holds
// the values, so that show and export cannot differ.
func documentPart(s *blue.Snapshot, list, key string, value any) (map[string]any, error) {
	doc, err := export.Document(s, time.Time{})
	if err != nil {
		return nil, err
	}
	for _, part := range doc[list].([]any) {
		if object, ok := part.(map[string]any); ok && fmt.Sprint(object[key]) == fmt.Sprint(value) {
			return object, nil
		}
	}
	return nil, notFound("dialogue %s has no %v", s.Dialogue.ID, value)
}
