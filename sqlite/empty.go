package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/superviber/blue-encrypted-store/record"
)

// checkData refuses to make a data file anew beside keys that wrap something:
// the data was there, and is lost. Keys are wrapped only after the data file
// was made, so a crash cannot leave this behind.
func (s *Store) checkData(ctx context.Context) error {
	if filled(s.data.path) {
		return nil
	}
	wrapped, err := s.holds(ctx, record.Keys, "")
	if err != nil || !wrapped {
		return err
	}
	return fmt.Errorf("%w: %s is missing or empty, but its keys file %s holds keys: the data was lost or moved; put it back, or move the keys file away to start anew",
		record.ErrUnavailable, s.data.path, s.keys.path)
}

// Empty reports whether there is neither a record of a dialogue nor a key of
// one: a store that a new master key takes nothing from. The audit log and the
// directory of its principals are under no such key, and do not count.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	for _, at := range []struct {
		table  record.Table
		prefix string
	}{{record.Dialogues, ""}, {record.Keys, "dialogue#"}, {record.Keys, "user#"}} {
		if there, err := s.holds(ctx, at.table, at.prefix); err != nil || there {
			return false, err
		}
	}
	return true, nil
}

// holds reports whether a table has a record whose PK begins with a prefix.
func (s *Store) holds(ctx context.Context, t record.Table, prefix string) (there bool, err error) {
	f, err := s.table(t)
	if err != nil {
		return false, err
	}
	if err := f.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+string(t)+" WHERE substr(PK, 1, ?) = ?)", len(prefix), prefix).Scan(&there); err != nil {
		return false, f.fault(ctx, "reading", err)
	}
	return there, nil
}

// SealedWith returns the fingerprint of the master key that most of the wrapped
// keys name, e.g. "umk:7c1f09aa52e3d410", or "" if there is none or they cannot
// be read. It is a clear attribute: good for a message, no proof.
func (s *Store) SealedWith(ctx context.Context) string {
	wraps, err := s.Wraps(ctx)
	if err != nil {
		return ""
	}
	count := map[string]int{}
	var most string
	for _, w := range wraps {
		print := w.Attrs["umk"].Str()
		const longest = 256 // an ARN fits
		if print == "" || len(print) > longest || strings.ContainsFunc(print, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			continue
		}
		count[print]++
		if count[print] > count[most] {
			most = print
		}
	}
	return most
}

// Wraps returns every wrapped key of every dialogue, in ascending order of PK
// and SK: for the question whether any of them opens.
func (s *Store) Wraps(ctx context.Context) ([]record.Record, error) {
	f, err := s.table(record.Keys)
	if err != nil {
		return nil, err
	}
	const wraps = "wrap#"
	return f.read(ctx, func(key *record.Key, text *string, blobs *[]byte) []any {
		return []any{&key.Partition, &key.Item, text, blobs}
	},
		"SELECT PK, SK, attrs, blobs FROM blue_keys WHERE substr(SK, 1, ?) = ? ORDER BY PK, SK", len(wraps), wraps)
}
