package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

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

// checkKeys is ErrUnavailable unless a table has our keys. Whoever may read a
// table need not be allowed to describe it; then its index is believed.
func (c *client) checkKeys(ctx context.Context, table record.Table) error {
	name, err := c.table(table)
	if err != nil {
		return err
	}
	out, err := c.api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
	if api, ok := errors.AsType[smithy.APIError](err); ok && isDenied(api.ErrorCode()) {
		return nil
	}
	if err != nil {
		return c.readFault(ctx, err, table)
	}
	differs := keysDiffer(out.Table)
	if differs == "" {
		return nil
	}
	f := c.wrongKeys([]record.Table{table})
	f.message += ": " + differs
	return f
}

// keysDiffer is "keys are pk (S), sk (S), not PK (S), SK (S)", or "".
func keysDiffer(is *types.TableDescription) string {
	want := definition{}.request("")
	got, need := keysText(is.KeySchema, is.AttributeDefinitions), keysText(want.KeySchema, want.AttributeDefinitions)
	if got == need {
		return ""
	}
	return fmt.Sprintf("keys are %s, not %s", got, need)
}
