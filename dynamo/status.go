package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/superviber/blue-encrypted-store/record"
)

// State is how a table compares with its definition.
type State string

const (
	Missing   State = "missing"
	AsDefined State = "as defined"
	Differs   State = "differs"
)

// TableStatus is one table as it was found.
type TableStatus struct {
	Name    string   `json:"name"` // the physical name
	State   State    `json:"state"`
	Created bool     `json:"created,omitempty"` // by this call of Create
	Differs []string `json:"differs,omitempty"` // what differs, in words
	// NotHere is what this server cannot do, and no fault of the table's:
	// DynamoDB Local has no point-in-time recovery.
	NotHere []string `json:"not_supported_here,omitempty"`

	shape bool // keys or indexes differ, which no later call can mend
}

// Tables makes and compares the three tables.
type Tables struct{ *connection }

// OpenTables returns the tables that a configuration names. It sends nothing.
// ErrInvalid if the configuration cannot be right.
func OpenTables(c Config) (*Tables, error) {
	conn, err := connect(c)
	if err != nil {
		return nil, err
	}
	return &Tables{conn}, nil
}

// Where says which server is asked, e.g. "http://localhost:8000 (from
// DYNAMODB_ENDPOINT)" or "eu-central-1".
func (s *Tables) Where() string { return s.at }

// Status compares each table with its definition. It changes nothing.
// ErrUnavailable if the server cannot be asked; a missing or different table
// is no error, see Check.
func (s *Tables) Status(ctx context.Context) ([]TableStatus, error) {
	var all []TableStatus
	for _, d := range definitions {
		status, err := s.status(ctx, d)
		if err != nil {
			return all, err
		}
		all = append(all, status)
	}
	return all, nil
}

// Check returns ErrUnavailable, with a hint, unless all tables are as defined.
func (s *Tables) Check(found []TableStatus) error {
	var missing, differ []string
	for _, t := range found {
		switch t.State {
		case Missing:
			missing = append(missing, t.Name)
		case Differs:
			differ = append(differ, t.Name)
		}
	}
	switch {
	case len(differ) > 0:
		return &fault{
			kind:    record.ErrUnavailable,
			message: fmt.Sprintf("%s in %s: not as this version defines it, and left as it is", strings.Join(differ, ", "), s.at),
			hint:    "compare with: blue-store table plan; or use other tables: BLUE_TABLE_PREFIX=other- blue-store table create",
		}
	case len(missing) > 0:
		return &fault{kind: record.ErrUnavailable, message: fmt.Sprintf("%s: not in %s", strings.Join(missing, ", "), s.at), hint: "create: blue-store table create"}
	}
	return nil
}

func (s *Tables) status(ctx context.Context, d definition) (TableStatus, error) {
	status := TableStatus{Name: s.prefix + string(d.table), State: Missing}
	out, err := s.api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &status.Name})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return status, nil
	}
	if err != nil {
		return status, s.controlFault(ctx, "describing", d.table, err)
	}
	status.State = AsDefined
	status.compare(d, out.Table)
	if err := s.compareRecovery(ctx, d, &status); err != nil {
		return status, err
	}
	if len(status.Differs) > 0 {
		status.State = Differs
	}
	return status, nil
}

func (t *TableStatus) differs(format string, args ...any) {
	t.Differs = append(t.Differs, fmt.Sprintf(format, args...))
}

// compare looks at everything but point-in-time recovery.
func (t *TableStatus) compare(d definition, is *types.TableDescription) {
	want := d.request("")
	if is.TableStatus != types.TableStatusActive {
		t.differs("the table is %s", is.TableStatus)
	}
	if differs := keysDiffer(is); differs != "" {
		t.differs("%s", differs)
	}
	t.compareIndexes(want, is)
	t.shape = len(t.Differs) > 0
	if !onDemand(is) {
		t.differs("billing is provisioned, not on demand")
	}
	if !aws.ToBool(is.DeletionProtectionEnabled) {
		t.differs("deletion protection is off")
	}
}

// onDemand reads a description that may lack a billing summary, as that of
// DynamoDB Local and that of a table which was always provisioned do.
func onDemand(is *types.TableDescription) bool {
	if is.BillingModeSummary != nil {
		return is.BillingModeSummary.BillingMode == types.BillingModePayPerRequest
	}
	p := is.ProvisionedThroughput
	return p == nil || aws.ToInt64(p.ReadCapacityUnits) == 0 && aws.ToInt64(p.WriteCapacityUnits) == 0
}

func (t *TableStatus) compareIndexes(want *dynamodb.CreateTableInput, is *types.TableDescription) {
	for _, w := range want.GlobalSecondaryIndexes {
		at := slices.IndexFunc(is.GlobalSecondaryIndexes, func(g types.GlobalSecondaryIndexDescription) bool {
			return aws.ToString(g.IndexName) == *w.IndexName
		})
		if at < 0 {
			t.differs("index %s is missing", *w.IndexName)
			continue
		}
		g := is.GlobalSecondaryIndexes[at]
		if got, need := keysText(g.KeySchema, is.AttributeDefinitions), keysText(w.KeySchema, want.AttributeDefinitions); got != need {
			t.differs("index %s: keys are %s, not %s", *w.IndexName, got, need)
		}
		if got, need := projectionText(g.Projection), projectionText(w.Projection); got != need {
			t.differs("index %s: holds %s, not %s", *w.IndexName, got, need)
		}
		if g.IndexStatus != types.IndexStatusActive {
			t.differs("index %s is %s", *w.IndexName, g.IndexStatus)
		}
	}
	for _, g := range is.GlobalSecondaryIndexes {
		name := aws.ToString(g.IndexName)
		if !slices.ContainsFunc(want.GlobalSecondaryIndexes, func(w types.GlobalSecondaryIndex) bool { return *w.IndexName == name }) {
			t.differs("index %s is none of this store's", name)
		}
	}
	for _, l := range is.LocalSecondaryIndexes {
		t.differs("local index %s is none of this store's", aws.ToString(l.IndexName))
	}
}

// keysText is "PK (S), SK (S)".
func keysText(schema []types.KeySchemaElement, attributes []types.AttributeDefinition) string {
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

func projectionText(p *types.Projection) string {
	if p == nil {
		return "nothing"
	}
	names := slices.Sorted(slices.Values(p.NonKeyAttributes))
	return strings.TrimSpace(string(p.ProjectionType) + " " + strings.Join(names, ", "))
}

// compareRecovery looks at point-in-time recovery.
func (s *Tables) compareRecovery(ctx context.Context, d definition, t *TableStatus) error {
	out, err := s.api.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &t.Name})
	if unsupported(err) {
		t.NotHere = append(t.NotHere, "point-in-time recovery")
		return nil
	}
	if err != nil {
		return s.controlFault(ctx, "describing the backups of", d.table, err)
	}
	on, days := recovery(out.ContinuousBackupsDescription)
	switch {
	case !on:
		t.differs("point-in-time recovery is off")
	case days != d.recoveryDays:
		t.differs("point-in-time recovery reaches back %d days, not %d", days, d.recoveryDays)
	}
	return nil
}

// recovery returns the window, 35 days where the service names none.
func recovery(b *types.ContinuousBackupsDescription) (on bool, days int32) {
	if b == nil || b.PointInTimeRecoveryDescription == nil {
		return false, 0
	}
	p := b.PointInTimeRecoveryDescription
	days = aws.ToInt32(p.RecoveryPeriodInDays)
	if days == 0 {
		days = 35
	}
	return p.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled, days
}

// unsupported reports whether the server does not know the operation.
func unsupported(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == "UnknownOperationException"
}

// controlFault turns the error of an operation on a table into one of ours.
func (s *Tables) controlFault(ctx context.Context, doing string, t record.Table, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := s.explain(err, []record.Table{t})
	if f == nil {
		return &fault{kind: record.ErrUnavailable, message: doing + " table " + s.prefix + string(t) + " at " + s.at, hint: "see the cause", cause: err}
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && strings.HasPrefix(api.ErrorCode(), "AccessDenied") {
		f.hint = "the credentials need dynamodb:DescribeTable, DescribeContinuousBackups, and to create: CreateTable, UpdateContinuousBackups"
	}
	return f
}
