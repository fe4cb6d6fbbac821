package dynamo

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/record"
)

// definition is one table: partition key PK and sort key SK, both S; on-demand
// billing; deletion protection; point-in-time recovery.
type definition struct {
	table   record.Table
	indexes []record.Index // partition key {name}PK, sort key {name}SK, both S
	// recoveryDays is the point-in-time window. The keys' is the shortest
	// there is: as long as it lasts, a destroyed key can be brought back.
	recoveryDays int32
}

// definitions is the one place that says what the tables are: Create, Status
// and Plan follow it.
var definitions = []definition{
	{record.Dialogues, []record.Index{record.ByStatus, record.ByTensionStatus, record.ByExpert}, 35},
	{record.Audit, nil, 35},
	{record.Keys, nil, 1},
}

// attributes of a definition's keys, table first.
func (d definition) attributes() []string {
	names := []string{partitionKey, sortKey}
	for _, i := range d.indexes {
		names = append(names, string(i)+partitionKey, string(i)+sortKey)
	}
	return names
}

// projected is what an index holds beside the keys of table and index: the
// clear attributes that record.Index promises, so that a list is one Query.
// Never a payload, sealed or not, and no MAC: a row of an index is a hint.
func projected(i record.Index) []string { return i.Attributes() }

// request is the definition as CreateTable wants it.
func (d definition) request(prefix string) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:                 aws.String(prefix + string(d.table)),
		KeySchema:                 keySchema(""),
		BillingMode:               types.BillingModePayPerRequest,
		DeletionProtectionEnabled: aws.Bool(true),
	}
	for _, name := range d.attributes() {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS})
	}
	for _, i := range d.indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(string(i)), KeySchema: keySchema(string(i)),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: projected(i)},
		})
	}
	return in
}

func keySchema(prefix string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(prefix + partitionKey), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(prefix + sortKey), KeyType: types.KeyTypeRange},
	}
}

// Plan returns the tables as a CloudFormation template in JSON, for whoever
// makes tables with a stack. A stack that is deleted leaves the tables.
// ErrInvalid for a prefix that no table name can have.
func Plan(prefix string) ([]byte, error) {
	if _, err := (Config{Prefix: prefix}).check(); err != nil {
		return nil, err
	}
	resources := map[string]templateTable{}
	for _, d := range definitions {
		resources[resourceName(d.table)] = d.template(prefix)
	}
	return json.MarshalIndent(struct {
		Version     string                   `json:"AWSTemplateFormatVersion"`
		Description string                   `json:"Description"`
		Resources   map[string]templateTable `json:"Resources"`
	}{"2010-09-09", "Tables of blue-encrypted-store: sealed dialogues, their audit log, their wrapped keys", resources}, "", "  ")
}

// resourceName is a table's logical id in the template: BlueDialogues.
func resourceName(t record.Table) string {
	var b strings.Builder
	for part := range strings.SplitSeq(string(t), "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// templateTable is AWS::DynamoDB::Table.
type templateTable struct {
	Type                string
	DeletionPolicy      string
	UpdateReplacePolicy string
	Properties          templateProperties
}

type templateProperties struct {
	TableName                        string
	AttributeDefinitions             []templateAttribute
	KeySchema                        []templateKey
	GlobalSecondaryIndexes           []templateIndex `json:",omitempty"`
	BillingMode                      string
	DeletionProtectionEnabled        bool
	PointInTimeRecoverySpecification templateRecovery
}

type templateAttribute struct{ AttributeName, AttributeType string }

type templateKey struct{ AttributeName, KeyType string }

type templateIndex struct {
	IndexName  string
	KeySchema  []templateKey
	Projection struct {
		ProjectionType   string
		NonKeyAttributes []string
	}
}

type templateRecovery struct {
	PointInTimeRecoveryEnabled bool
	RecoveryPeriodInDays       int32
}

// template is request's twin: it is made of it.
func (d definition) template(prefix string) templateTable {
	in := d.request(prefix)
	keys := func(schema []types.KeySchemaElement) (out []templateKey) {
		for _, k := range schema {
			out = append(out, templateKey{*k.AttributeName, string(k.KeyType)})
		}
		return out
	}
	p := templateProperties{
		TableName: *in.TableName, KeySchema: keys(in.KeySchema), BillingMode: string(in.BillingMode),
		DeletionProtectionEnabled:        *in.DeletionProtectionEnabled,
		PointInTimeRecoverySpecification: templateRecovery{true, d.recoveryDays},
	}
	for _, a := range in.AttributeDefinitions {
		p.AttributeDefinitions = append(p.AttributeDefinitions, templateAttribute{*a.AttributeName, string(a.AttributeType)})
	}
	for _, g := range in.GlobalSecondaryIndexes {
		i := templateIndex{IndexName: *g.IndexName, KeySchema: keys(g.KeySchema)}
		i.Projection.ProjectionType = string(g.Projection.ProjectionType)
		i.Projection.NonKeyAttributes = slices.Clone(g.Projection.NonKeyAttributes)
		p.GlobalSecondaryIndexes = append(p.GlobalSecondaryIndexes, i)
	}
	return templateTable{"AWS::DynamoDB::Table", "Retain", "Retain", p}
}
