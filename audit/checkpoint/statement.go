package checkpoint

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
)

const maxStatement = 4 << 20 // bytes, signatures included

// SignStatement returns a text, such as an erasure certificate, as a note that is
// signed with the same key as checkpoints. Equal texts give equal notes.
//
// The text must end with a newline, must have no empty line, and must not begin
// with the prefix of an origin. So a statement cannot be used as a checkpoint or
// the other way round. SignStatement returns ErrInvalid for another text, and
// ErrTooLarge if the note has more than 4 MiB.
func (s *Signer) SignStatement(text string) (string, error) {
	if problem := statementProblem(text); problem != "" {
		return "", fmt.Errorf("%w: signing a statement: %s", blue.ErrInvalid, problem)
	}
	signed, err := note.Sign(&note.Note{Text: text}, noteSigner{s})
	if err != nil {
		return "", fmt.Errorf("signing a statement: %w", err)
	}
	if len(signed) > maxStatement {
		return "", fmt.Errorf("%w: the statement has %d bytes, more than %d", blue.ErrTooLarge, len(signed), maxStatement)
	}
	return string(signed), nil
}

// OpenStatement verifies the signatures of a statement as Open does, and returns
// the text. It returns ErrTampered if a check fails or the note is malformed.
func OpenStatement(signed string, verifiers note.Verifiers) (string, error) {
	if len(signed) > maxStatement {
		return "", malformed("the statement has %d bytes, more than %d", len(signed), maxStatement)
	}
	if verifiers == nil {
		verifiers = note.VerifierList()
	}
	n, err := note.Open([]byte(signed), verifiers)
	if err != nil {
		return "", fmt.Errorf("%w: statement: %w", blue.ErrTampered, err)
	}
	if problem := statementProblem(n.Text); problem != "" {
		return "", malformed("the statement %s", problem)
	}
	return n.Text, nil
}

// statementProblem returns the reason why a text is not a valid statement, or "".
func statementProblem(text string) string {
	switch {
	case !strings.HasSuffix(text, "\n"):
		return "does not end with a newline"
	case strings.Contains(text, "\n\n"):
		return "has an empty line"
	case strings.HasPrefix(text, originPrefix):
		return "begins like a checkpoint"
	}
	return ""
}
