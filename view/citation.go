package view

import (
	"encoding/json"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// maxSnippet is the length in bytes at which the text of a citation is cut. The
// cut is between characters (Blue cuts inside one and crashes, bug 19).
const maxSnippet = 200

// Citation is the answer for one cited id. Its JSON form is Blue's: {"ok": …} or
// {"error": text}.
type Citation struct {
	ID      string `json:"-"` // as cited
	Entity  *Cited `json:"ok,omitempty"`
	Err     error  `json:"-"`               // ErrInvalid: no display id; ErrNotFound: not in the dialogue
	Message string `json:"error,omitempty"` // the text of Err
}

// Cited is one entity as a citation shows it.
type Cited struct {
	DisplayID  string            `json:"display_id"`
	EntityType string            `json:"entity_type"` // the letter
	Round      blue.Round        `json:"round"`
	Seq        blue.Seq          `json:"seq"`
	Label      string            `json:"label"`
	Snippet    string            `json:"content_snippet"` // at most 200 bytes, then "..."
	Content    string            `json:"content"`         // a tension's description
	Authors    []blue.ExpertSlug `json:"contributors"`
	Status     *blue.Status      `json:"status"`     // tensions only
	Parameters json.RawMessage   `json:"parameters"` // recommendations only
}

// Cite looks up display ids, each on its own: one answer per id, in order.
func Cite(s *blue.Snapshot, ids []string) []Citation {
	citations := make([]Citation, len(ids))
	for i, text := range ids {
		citations[i] = cite(s, text)
	}
	return citations
}

func cite(s *blue.Snapshot, text string) Citation {
	id, err := blue.ParseEntityID(text)
	if err != nil {
		return uncited(text, err)
	}
	e, found := s.Find(id)
	if !found {
		return uncited(text, fmt.Errorf("%w: dialogue %s has no %s %s", blue.ErrNotFound, s.Dialogue.ID, id.Kind, id))
	}
	c := e.Common()
	cited := &Cited{
		DisplayID: id.String(), EntityType: string(id.Kind.Letter()), Round: id.Round, Seq: id.Seq,
		Label: c.Label, Snippet: bounded.Cut(e.Text(), maxSnippet, "..."), Content: e.Text(), Authors: c.Contributors,
	}
	if cited.Authors == nil {
		cited.Authors = []blue.ExpertSlug{}
	}
	if id.Kind == blue.KindTension {
		cited.Status = new(c.Status)
	}
	if r, ok := e.(*blue.Recommendation); ok {
		cited.Parameters = r.Parameters
	}
	return Citation{ID: text, Entity: cited}
}

func uncited(text string, err error) Citation {
	return Citation{ID: text, Err: err, Message: err.Error()}
}
