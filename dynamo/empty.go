package dynamo

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/superviber/blue-encrypted-store/record"
)

// peeker is an api that can look at a table without knowing a key. It needs
// dynamodb:Scan, and is asked only before a new master key is made.
type peeker interface {
	// peek returns up to limit records, any ones.
	peek(ctx context.Context, table record.Table, limit int32) ([]record.Record, error)
}

func (c *client) peek(ctx context.Context, table record.Table, limit int32) ([]record.Record, error) {
	name, err := c.table(table)
	if err != nil {
		return nil, err
	}
	out, err := c.api.Scan(ctx, &dynamodb.ScanInput{TableName: name, ConsistentRead: aws.Bool(true), Limit: aws.Int32(limit)})
	if err != nil {
		return nil, c.readFault(ctx, err, table)
	}
	return fromItems(out.Items), nil
}

// Empty reports whether there is no record in any table, logs included: a
// store that a new master key takes nothing from.
func (s *Store) Empty(ctx context.Context) (bool, error) {
	p, ok := s.api.(peeker)
	if !ok {
		return false, fmt.Errorf("%w: dynamo: this store cannot be looked through", record.ErrInvalid)
	}
	for _, t := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		if found, err := p.peek(ctx, t, 1); err != nil || len(found) > 0 {
			return false, err
		}
	}
	return true, nil
}

// SealedWith returns the fingerprint of the master key above one of the
// wrapped keys, e.g. "umk:7c1f09aa52e3d410", or "" if none is found at once.
// It is a clear attribute: good for a message, no proof.
func (s *Store) SealedWith(ctx context.Context) string {
	p, ok := s.api.(peeker)
	if !ok {
		return ""
	}
	found, err := p.peek(ctx, record.Keys, 10)
	if err != nil {
		return ""
	}
	for _, r := range found {
		print := r.Attrs["umk"].Str()
		const longest = 256 // an ARN fits
		if print != "" && len(print) <= longest && !strings.ContainsFunc(print, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return print
		}
	}
	return ""
}
