package sqlite

import (
	"context"
	"strings"

	"github.com/superviber/blue-encrypted-store/record"
)

// Empty reports whether there is no record in any table: a store that a new
// master key takes nothing from.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	for _, t := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		f, err := s.table(t)
		if err != nil {
			return false, err
		}
		var there bool
		if err := f.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+string(t)+")").Scan(&there); err != nil {
			return false, f.fault(ctx, "reading", err)
		}
		if there {
			return false, nil
		}
	}
	return true, nil
}

// SealedWith returns the fingerprint of the master key above one of the
// wrapped keys, e.g. "umk:7c1f09aa52e3d410", or "" if there is none or it
// cannot be read. It is a clear attribute: good for a message, no proof.
func (s *Store) SealedWith(ctx context.Context) string {
	f, err := s.table(record.Keys)
	if err != nil {
		return ""
	}
	const wraps = "wrap#"
	wrapped, err := f.read(ctx, func(key *record.Key, text *string, blobs *[]byte) []any { return []any{&key.SK, text, blobs} },
		"SELECT SK, attrs, blobs FROM blue_keys WHERE substr(SK, 1, ?) = ? ORDER BY SK LIMIT 1", len(wraps), wraps)
	if err != nil || len(wrapped) == 0 {
		return ""
	}
	print := wrapped[0].Attrs["umk"].Str()
	const longest = 256 // an ARN fits
	if len(print) > longest || strings.ContainsFunc(print, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return ""
	}
	return print
}
