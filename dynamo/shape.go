package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/record"
)

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
