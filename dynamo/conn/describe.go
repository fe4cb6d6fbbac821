package conn

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// The key attributes of every table, both of type S.
const (
	PartitionKey = "PK" // a record.Partition
	SortKey      = "SK" // the item inside the partition
)

// KeysText returns a key schema as text, for example "PK (S), SK (S)".
func KeysText(schema []types.KeySchemaElement, attributes []types.AttributeDefinition) string {
	var parts []string
	for _, k := range schema {
		name, typ := aws.ToString(k.AttributeName), "?"
		for _, a := range attributes {
			if aws.ToString(a.AttributeName) == name {
				typ = string(a.AttributeType)
			}
		}
		parts = append(parts, name+" ("+typ+")")
	}
	return strings.Join(parts, ", ")
}

// CompareKeys returns how the keys of a table differ from PK and SK, "" if they
// are the same. An example is "keys are pk (S), sk (S), not PK (S), SK (S)".
func CompareKeys(t *types.TableDescription) string {
	const want = PartitionKey + " (S), " + SortKey + " (S)"
	if got := KeysText(t.KeySchema, t.AttributeDefinitions); got != want {
		return fmt.Sprintf("keys are %s, not %s", got, want)
	}
	return ""
}

// Recovery is the state of point-in-time recovery of a table.
type Recovery struct {
	Supported bool  // the server knows the operation, DynamoDB Local does not
	Stated    bool  // the answer states whether recovery is on
	On        bool  // recovery is on
	Days      int32 // length of the window, 35 if the service states none
}

// Recovery asks for the state of point-in-time recovery of a physical table. The
// error is the SDK's.
func (c *Conn) Recovery(ctx context.Context, table *string) (Recovery, error) {
	out, err := c.API.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: table})
	if awsclient.ClassOfError(err) == awsclient.Unsupported {
		return Recovery{}, nil
	}
	if err != nil {
		return Recovery{}, err
	}
	r := Recovery{Supported: true}
	if b := out.ContinuousBackupsDescription; b != nil && b.PointInTimeRecoveryDescription != nil {
		p := b.PointInTimeRecoveryDescription
		r.Stated = p.PointInTimeRecoveryStatus != ""
		r.On = p.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
		if r.Days = aws.ToInt32(p.RecoveryPeriodInDays); r.Days == 0 {
			r.Days = 35
		}
	}
	return r, nil
}
