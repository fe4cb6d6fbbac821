package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/retry"
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

// createTimeout bounds Create if its context has no earlier deadline. A table is
// usually active within seconds, point-in-time recovery within a minute.
const createTimeout = 5 * time.Minute

// Create makes the missing tables and waits until they can be used. It returns
// the status of all tables afterwards, see Check. It never alters an existing
// table, with one exception: where keys and indexes are as defined and
// point-in-time recovery is off, it turns recovery on. So a Create that was
// stopped can be repeated. Several processes can call Create at the same time.
// record.ErrUnavailable if the server does not answer or is not done in time.
func (s *Tables) Create(ctx context.Context) ([]Status, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	created := map[record.Table]bool{}
	for _, d := range definitions { // all before the first wait, because the server creates them in parallel
		status, err := s.status(ctx, d)
		if err == nil && status.State == Missing {
			created[d.table], err = s.create(ctx, d)
		}
		if err != nil {
			return nil, err
		}
	}
	var all []Status
	for _, d := range definitions {
		status, err := s.finish(ctx, d)
		if err != nil {
			return nil, err
		}
		status.Created = created[d.table]
		all = append(all, status)
	}
	return all, nil
}

func (s *Tables) create(ctx context.Context, d definition) (bool, error) {
	_, err := s.API.CreateTable(ctx, d.request(s.Prefix))
	if _, exists := errors.AsType[*types.ResourceInUseException](err); exists {
		return false, nil // another process created it, or the first answer was lost
	}
	if err != nil {
		return false, s.fault(ctx, "creating", d.table, err)
	}
	return true, nil
}

// finish waits until a table is active and turns point-in-time recovery on.
func (s *Tables) finish(ctx context.Context, d definition) (Status, error) {
	if err := s.await(ctx, d); err != nil {
		return Status{}, err
	}
	status, err := s.status(ctx, d)
	if err != nil || status.State != Differs || status.shape {
		return status, err
	}
	if err := s.enableRecovery(ctx, d); err != nil {
		return status, err
	}
	return s.status(ctx, d)
}

// await polls until neither the table nor an index is being created.
func (s *Tables) await(ctx context.Context, d definition) error {
	for try := 0; ; try++ {
		out, err := s.API.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(s.Prefix + string(d.table))})
		if _, unseen := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !unseen {
			return s.fault(ctx, "describing", d.table, err)
		}
		if err == nil && !isBeingCreated(out.Table) {
			return nil
		}
		if err := retry.Sleep(ctx, pollInterval(try)); err != nil {
			return s.timeoutFault(d, "is not active yet", err)
		}
	}
}

func isBeingCreated(t *types.TableDescription) bool {
	creating := t.TableStatus == types.TableStatusCreating || t.TableStatus == types.TableStatusUpdating
	for _, g := range t.GlobalSecondaryIndexes {
		creating = creating || g.IndexStatus == types.IndexStatusCreating
	}
	return creating
}

// enableRecovery turns point-in-time recovery on if it is off. A new table
// refuses that for a while.
func (s *Tables) enableRecovery(ctx context.Context, d definition) error {
	name := aws.String(s.Prefix + string(d.table))
	r, err := s.Recovery(ctx, name)
	if err != nil {
		return s.fault(ctx, "describing the backups of", d.table, err)
	}
	if !r.Supported || r.On {
		return nil
	}
	in := &dynamodb.UpdateContinuousBackupsInput{TableName: name, PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{
		PointInTimeRecoveryEnabled: aws.Bool(true), RecoveryPeriodInDays: aws.Int32(d.recoveryDays),
	}}
	for try := 0; ; try++ {
		_, err := s.API.UpdateContinuousBackups(ctx, in)
		if err == nil || awsclient.ClassOfError(err) == awsclient.Unsupported {
			return nil
		}
		if _, early := errors.AsType[*types.ContinuousBackupsUnavailableException](err); !early {
			return s.fault(ctx, "turning point-in-time recovery on for", d.table, err)
		}
		if err := retry.Sleep(ctx, pollInterval(try)); err != nil {
			return s.timeoutFault(d, "has no point-in-time recovery yet", err)
		}
	}
}

// pollInterval doubles from 50 ms to 3.2 s.
func pollInterval(try int) time.Duration { return 50 * time.Millisecond << min(try, 6) }

func (s *Tables) timeoutFault(d definition, what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &conn.Fault{
		Kind:     record.ErrUnavailable,
		Message:  fmt.Sprintf("table %s in %s %s", s.Prefix+string(d.table), s.At, what),
		HintText: "look again in a while: blue-store table status; finish with: blue-store table create",
		Cause:    err,
	}
}
