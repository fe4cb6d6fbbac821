package tables

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/record"
)

// A definition describes one table: partition key PK and sort key SK, both S,
// on-demand billing, deletion protection and point-in-time recovery.
type definition struct {
	table   record.Table
	indexes []record.Index // partition key {name}PK, sort key {name}SK, both S
	// recoveryDays is the point-in-time window. The keys have the shortest
	// window that exists, because a destroyed key can be restored within it.
	recoveryDays int32
}

// definitions lists the tables. Create, Status and Plan follow it.
var definitions = []definition{
	{record.Dialogues, []record.Index{record.ByStatus, record.ByTensionStatus, record.ByExpert}, 35},
	{record.Audit, nil, 35},
	{record.Keys, nil, 1},
}

// attributes returns the names of the key attributes, the table first.
func (d definition) attributes() []string {
	names := []string{conn.PartitionKey, conn.SortKey}
	for _, i := range d.indexes {
		names = append(names, string(i)+conn.PartitionKey, string(i)+conn.SortKey)
	}
	return names
}

// request returns the definition as input of CreateTable. An index holds the
// clear attributes that record.Index promises in addition to the keys, so that a
// list is one Query. It never holds a payload or a MAC, because a row of an
// index is unverified.
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
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: i.Attributes()},
		})
	}
	return in
}

func keySchema(prefix string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(prefix + conn.PartitionKey), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(prefix + conn.SortKey), KeyType: types.KeyTypeRange},
	}
}

// Plan returns the tables as a CloudFormation template in JSON. Deleting the
// stack keeps the tables. record.ErrInvalid for a prefix that no table name can
// have.
func Plan(prefix string) ([]byte, error) {
	if err := conn.CheckPrefix(prefix); err != nil {
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

// resourceName returns the logical id of a table in the template, for example
// BlueDialogues.
func resourceName(t record.Table) string {
	var b strings.Builder
	for part := range strings.SplitSeq(string(t), "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// A templateTable is a resource AWS::DynamoDB::Table.
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

// template returns the definition as a resource, derived from request.
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
