package view

import (
	"encoding/json"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// A Citation is the answer for one cited id. Its JSON form is Blue's: {"ok": …}
// or {"error": text}.
type Citation struct {
	ID      string `json:"-"` // as cited
	Entity  *Cited `json:"ok,omitempty"`
	Err     error  `json:"-"`               // blue.ErrInvalid: no display id; blue.ErrNotFound: not in the dialogue
	Message string `json:"error,omitempty"` // the text of Err
}

// A Cited is one entity as a citation shows it.
type Cited struct {
	DisplayID  string            `json:"display_id"`
	EntityType string            `json:"entity_type"` // the letter
	Round      blue.Round        `json:"round"`
	Seq        blue.Seq          `json:"seq"`
	Label      string            `json:"label"`
	Snippet    string            `json:"content_snippet"` // at most 200 bytes, then "..."
	Content    string            `json:"content"`         // a tension's description
	Authors    []blue.ExpertSlug `json:"contributors"`
	Status     *blue.Status      `json:"status"`     // of tensions only
	Parameters json.RawMessage   `json:"parameters"` // of recommendations only
}

// Cite looks up display ids, each separately. It returns one answer per id, in
// the order of the ids.
func Cite(s *blue.Snapshot, ids []string) []Citation {
	citations := make([]Citation, len(ids))
	for i, text := range ids {
		entity, err := cite(s, text)
		citations[i] = Citation{ID: text, Entity: entity, Err: err}
		if err != nil {
			citations[i].Message = err.Error()
		}
	}
	return citations
}

func cite(s *blue.Snapshot, text string) (*Cited, error) {
	id, err := blue.ParseEntityID(text)
	if err != nil {
		return nil, err
	}
	e, found := s.Find(id)
	if !found {
		return nil, fmt.Errorf("%w: dialogue %s has no %s %s", blue.ErrNotFound, s.Dialogue.ID, id.Kind, id)
	}
	c := e.Common()
	cited := &Cited{
		DisplayID: id.String(), EntityType: string(rune(id.Kind.Letter())), Round: id.Round, Seq: id.Seq, Label: c.Label,
		// Blue cuts inside a character and crashes (bug 19).
		Snippet: bounded.Cut(e.Text(), 200, "..."), Content: e.Text(), Authors: append([]blue.ExpertSlug{}, c.Contributors...),
	}
	if id.Kind == blue.KindTension {
		cited.Status = new(c.Status)
	}
	if r, ok := e.(*blue.Recommendation); ok {
		cited.Parameters = r.Parameters
	}
	return cited, nil
}
