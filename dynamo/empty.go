package dynamo

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/record"
)

// peeker is an api that can read a table without knowing a key. It needs
// dynamodb:Scan. It is used only before a new master key is made.
type peeker interface {
	// peek returns up to limit records, any ones, of those whose PK begins
	// with a prefix.
	peek(ctx context.Context, table record.Table, prefix string, limit int) ([]record.Record, error)
}

func (c *client) peek(ctx context.Context, table record.Table, prefix string, limit int) ([]record.Record, error) {
	name, err := c.Table(table)
	if err != nil {
		return nil, err
	}
	in := &dynamodb.ScanInput{TableName: name, ConsistentRead: aws.Bool(true), Limit: aws.Int32(int32(limit))}
	if prefix != "" {
		in.Limit = nil // it counts what the filter leaves out too
		in.FilterExpression = aws.String("begins_with(PK, :prefix)")
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":prefix": &types.AttributeValueMemberS{Value: prefix}}
	}
	pages := onward{what: "table " + *name}
	for {
		out, err := c.API.Scan(ctx, in)
		if err != nil {
			return nil, c.readFault(ctx, err, table)
		}
		if len(out.Items) > 0 || len(out.LastEvaluatedKey) == 0 {
			return fromItems(out.Items[:min(limit, len(out.Items))]), nil
		}
		if err := pages.past(out.LastEvaluatedKey); err != nil {
			return nil, err
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// IsEmpty reports whether there is neither a record of a dialogue, logs included,
// nor a key of one: a store that a new master key takes nothing from. The audit
// log and the directory of its principals are under no such key.
func (s *Store) IsEmpty(ctx context.Context) (bool, error) {
	p, ok := s.api.(peeker)
	if !ok {
		return false, fmt.Errorf("%w: dynamo: this store cannot be looked through", record.ErrInvalid)
	}
	for _, at := range []struct {
		table  record.Table
		prefix string
	}{{record.Dialogues, ""}, {record.Keys, "dialogue#"}, {record.Keys, "user#"}} {
		if found, err := p.peek(ctx, at.table, at.prefix, 1); err != nil || len(found) > 0 {
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
	found, err := p.peek(ctx, record.Keys, "dialogue#", 10)
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

// describer is an api that can say what keys a table has. It uses
// dynamodb:DescribeTable where that is allowed.
type describer interface {
	checkKeys(ctx context.Context, table record.Table) error
}

// confirmEmpty asks once in the life of a store whether the table of an index
// that holds nothing has our keys. A table of other keys may well have the
// indexes, and DynamoDB leaves an item without their keys out of them without a
// word: the list would be empty for ever.
func (s *Store) confirmEmpty(ctx context.Context) error {
	d, ok := s.api.(describer)
	if !ok || s.keysSeen.Load() {
		return nil
	}
	if err := d.checkKeys(ctx, record.Dialogues); err != nil {
		return err
	}
	s.keysSeen.Store(true)
	return nil
}

// checkKeys returns ErrUnavailable unless a table has the keys of this store.
// If the user has no permission to describe the table, checkKeys accepts it.
func (c *client) checkKeys(ctx context.Context, table record.Table) error {
	name, err := c.Table(table)
	if err != nil {
		return err
	}
	out, err := c.API.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
	if awsclient.ClassOfError(err) == awsclient.Denied {
		return nil
	}
	if err != nil {
		return c.readFault(ctx, err, table)
	}
	differs := conn.CompareKeys(out.Table)
	if differs == "" {
		return nil
	}
	f := c.WrongKeys([]record.Table{table})
	f.Message += ": " + differs
	return f
}
