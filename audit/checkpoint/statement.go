package checkpoint

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
)

const maxStatement = 4 << 20 // bytes, signatures included

// SignStatement signs a text of another kind, such as an erasure certificate,
// as a note with the same key. The text ends with a newline, holds no empty
// line, and does not begin as a checkpoint does, so that neither can be taken
// for the other. The same text gives the same note. ErrInvalid otherwise.
func (s *Signer) SignStatement(text string) (string, error) {
	if why := checkStatement(text); why != "" {
		return "", fmt.Errorf("%w: signing a statement: %s", blue.ErrInvalid, why)
	}
	signed, err := note.Sign(&note.Note{Text: text}, noteSigner{s})
	if err != nil {
		return "", fmt.Errorf("signing a statement: %w", err)
	}
	if len(signed) > maxStatement {
		return "", fmt.Errorf("%w: a statement of %d bytes; %d is the most", blue.ErrTooLarge, len(signed), maxStatement)
	}
	return string(signed), nil
}

// OpenStatement checks the signatures of a statement as Open does, and returns
// the text. ErrTampered.
func OpenStatement(signed string, verifiers note.Verifiers) (string, error) {
	if len(signed) > maxStatement {
		return "", malformed("a statement of %d bytes; %d is the most", len(signed), maxStatement)
	}
	if verifiers == nil {
		verifiers = note.VerifierList()
	}
	n, err := note.Open([]byte(signed), verifiers)
	if err != nil {
		return "", fmt.Errorf("%w: statement: %w", blue.ErrTampered, err)
	}
	if why := checkStatement(n.Text); why != "" {
		return "", malformed("a statement: %s", why)
	}
	return n.Text, nil
}

func checkStatement(text string) string {
	switch {
	case !strings.HasSuffix(text, "\n"):
		return "it does not end with a newline"
	case strings.Contains(text, "\n\n"):
		return "it holds an empty line"
	case strings.HasPrefix(text, originPrefix):
		return "it begins as a checkpoint does"
	}
	return ""
}
