package blue

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// maxSnippet is a citation's greatest length in bytes, without the dots.
const maxSnippet = 200

// Citation is what one cited id stands for, or why it stands for nothing. In
// JSON it is {"ok": …} or {"error": text}.
type Citation struct {
	ID     string // as cited
	Entity *Cited
	Err    error // ErrInvalid: no display id; ErrNotFound: not in the dialogue
}

// MarshalJSON writes Blue's form.
func (c Citation) MarshalJSON() ([]byte, error) {
	if c.Err != nil {
		return plainJSON(map[string]string{"error": c.Err.Error()})
	}
	return plainJSON(map[string]*Cited{"ok": c.Entity})
}

// Cited is one entity as a citation shows it.
type Cited struct {
	DisplayID  string          `json:"display_id"`
	EntityType string          `json:"entity_type"` // the letter
	Round      Round           `json:"round"`
	Seq        Seq             `json:"seq"`
	Label      string          `json:"label"`
	Snippet    string          `json:"content_snippet"` // at most 200 bytes, then "..."
	Content    string          `json:"content"`         // a tension's description
	Authors    []ExpertSlug    `json:"contributors"`
	Status     *Status         `json:"status"`     // tensions only
	Parameters json.RawMessage `json:"parameters"` // recommendations only
}

// Cite looks up display ids, each on its own: one answer per id, in order.
func Cite(s *Snapshot, ids []string) []Citation {
	citations := make([]Citation, len(ids))
	for i, text := range ids {
		citations[i] = cite(s, text)
	}
	return citations
}

func cite(s *Snapshot, text string) Citation {
	id, err := ParseEntityID(text)
	if err != nil {
		return Citation{ID: text, Err: err}
	}
	e, found := s.Find(id)
	if !found {
		return Citation{ID: text, Err: fmt.Errorf("%w: dialogue %s has no %s %s", ErrNotFound, s.Dialogue.ID, id.Kind, id)}
	}
	c := e.Common()
	cited := &Cited{
		DisplayID: id.String(), EntityType: string(id.Kind.Letter()), Round: id.Round, Seq: id.Seq,
		Label: c.Label, Snippet: snippet(e.Text()), Content: e.Text(), Authors: c.Contributors,
	}
	if cited.Authors == nil {
		cited.Authors = []ExpertSlug{}
	}
	if id.Kind == KindTension {
		cited.Status = new(c.Status)
	}
	if r, ok := e.(*Recommendation); ok {
		cited.Parameters = r.Parameters
	}
	return Citation{ID: text, Entity: cited}
}

// snippet shortens a text at the last character that ends within the limit
// (Blue cuts inside a character there and crashes, bug 19).
func snippet(text string) string {
	if len(text) <= maxSnippet {
		return text
	}
	cut := maxSnippet
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
