package audit

import (
	"context"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
)

// Name returns what the log's events call a user: their pseudonym where the
// log has a Directory, else the name itself. ErrAudit if it cannot be had.
func (l *Log) Name(ctx context.Context, user string) (string, error) {
	if l.principals == nil {
		return user, nil
	}
	name, err := l.principals.Pseudonym(ctx, user)
	if err != nil {
		return "", fmt.Errorf("%w: the pseudonym of a user: %w", blue.ErrAudit, err)
	}
	return name, nil
}

// Directory returns the directory that gives the log's principals their
// pseudonyms (Options.Principals), nil if there is none.
func (l *Log) Directory() *Directory { return l.principals }

// Anchors returns where the log publishes its checkpoints (Options.Anchors).
func (l *Log) Anchors() []Anchor { return l.anchors }
