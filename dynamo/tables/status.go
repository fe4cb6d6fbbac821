package tables

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/record"
)

// A State describes how a table compares with its definition.
type State string

// The states of a table.
const (
	Missing   State = "missing"    // the table does not exist
	AsDefined State = "as defined" // nothing differs
	Differs   State = "differs"    // Status.Differs lists what
)

// A Status describes one table as it was found.
type Status struct {
	Name    string   `json:"name"` // the physical name
	State   State    `json:"state"`
	Created bool     `json:"created,omitempty"` // by this call of Create
	Differs []string `json:"differs,omitempty"` // what differs, in words
	// NotHere lists what this server cannot do, which is not a fault of the
	// table. DynamoDB Local has no point-in-time recovery.
	NotHere []string `json:"not_supported_here,omitempty"`

	shape bool // keys or indexes differ, which Create cannot repair
}

// Tables creates and compares the three tables of one DynamoDB. It may be used
// concurrently.
type Tables struct{ *conn.Conn }

// Open returns the tables that a configuration names. It sends nothing.
// record.ErrInvalid if the configuration cannot be right.
func Open(c conn.Config) (*Tables, error) {
	at, err := conn.Open(c)
	if err != nil {
		return nil, err
	}
	return &Tables{at}, nil
}

// Status compares each table with its definition and changes nothing. A missing
// or different table is not an error, see Check. record.ErrUnavailable if the
// server does not answer.
func (s *Tables) Status(ctx context.Context) ([]Status, error) {
	var all []Status
	for _, d := range definitions {
		status, err := s.status(ctx, d)
		if err != nil {
			return all, err
		}
		all = append(all, status)
	}
	return all, nil
}

// Check returns record.ErrUnavailable, with a hint, unless all tables are as
// defined.
func (s *Tables) Check(found []Status) error {
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
		return &conn.Fault{
			Kind:     record.ErrUnavailable,
			Message:  fmt.Sprintf("%s in %s: not as this version defines it, and left as it is", strings.Join(differ, ", "), s.At),
			HintText: "compare with: blue-store table plan; or use other tables: BLUE_TABLE_PREFIX=other- blue-store table create",
		}
	case len(missing) > 0:
		return &conn.Fault{Kind: record.ErrUnavailable, Message: fmt.Sprintf("%s: not in %s", strings.Join(missing, ", "), s.At), HintText: "create: blue-store table create"}
	}
	return nil
}

func (s *Tables) status(ctx context.Context, d definition) (Status, error) {
	status := Status{Name: s.Prefix + string(d.table), State: Missing}
	out, err := s.API.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &status.Name})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return status, nil
	}
	if err != nil {
		return status, s.fault(ctx, "describing", d.table, err)
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

func (t *Status) differs(format string, args ...any) {
	t.Differs = append(t.Differs, fmt.Sprintf(format, args...))
}

// compare records every difference except point-in-time recovery.
func (t *Status) compare(d definition, is *types.TableDescription) {
	want := d.request("")
	if is.TableStatus != types.TableStatusActive {
		t.differs("the table is %s", is.TableStatus)
	}
	if difference := conn.CompareKeys(is); difference != "" {
		t.differs("%s", difference)
	}
	t.compareIndexes(want, is)
	t.shape = len(t.Differs) > 0
	if !isOnDemand(is) {
		t.differs("billing is provisioned, not on demand")
	}
	if !aws.ToBool(is.DeletionProtectionEnabled) {
		t.differs("deletion protection is off")
	}
}

// isOnDemand reports whether a table is billed on demand. The description of
// DynamoDB Local, and of a table that was always provisioned, has no
// billing summary.
func isOnDemand(is *types.TableDescription) bool {
	if is.BillingModeSummary != nil {
		return is.BillingModeSummary.BillingMode == types.BillingModePayPerRequest
	}
	p := is.ProvisionedThroughput
	return p == nil || aws.ToInt64(p.ReadCapacityUnits) == 0 && aws.ToInt64(p.WriteCapacityUnits) == 0
}

func (t *Status) compareIndexes(want *dynamodb.CreateTableInput, is *types.TableDescription) {
	for _, w := range want.GlobalSecondaryIndexes {
		at := slices.IndexFunc(is.GlobalSecondaryIndexes, func(g types.GlobalSecondaryIndexDescription) bool {
			return aws.ToString(g.IndexName) == *w.IndexName
		})
		if at < 0 {
			t.differs("index %s is missing", *w.IndexName)
			continue
		}
		g := is.GlobalSecondaryIndexes[at]
		if got, need := conn.KeysText(g.KeySchema, is.AttributeDefinitions), conn.KeysText(w.KeySchema, want.AttributeDefinitions); got != need {
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
			t.differs("index %s does not belong to this store", name)
		}
	}
	for _, l := range is.LocalSecondaryIndexes {
		t.differs("local index %s does not belong to this store", aws.ToString(l.IndexName))
	}
}

func projectionText(p *types.Projection) string {
	if p == nil {
		return "nothing"
	}
	names := slices.Sorted(slices.Values(p.NonKeyAttributes))
	return strings.TrimSpace(string(p.ProjectionType) + " " + strings.Join(names, ", "))
}

// compareRecovery records how point-in-time recovery differs.
func (s *Tables) compareRecovery(ctx context.Context, d definition, t *Status) error {
	r, err := s.Recovery(ctx, &t.Name)
	switch {
	case err != nil:
		return s.fault(ctx, "describing the backups of", d.table, err)
	case !r.Supported:
		t.NotHere = append(t.NotHere, "point-in-time recovery")
	case !r.On:
		t.differs("point-in-time recovery is off")
	case r.Days != d.recoveryDays:
		t.differs("point-in-time recovery reaches back %d days, not %d", r.Days, d.recoveryDays)
	}
	return nil
}

// fault returns the error of an operation on a table in the words of this
// project.
func (s *Tables) fault(ctx context.Context, doing string, t record.Table, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := s.Explain(err, []record.Table{t})
	if f == nil {
		return &conn.Fault{Kind: record.ErrUnavailable, Message: doing + " table " + s.Prefix + string(t) + " at " + s.At, HintText: "see the cause", Cause: err}
	}
	if strings.HasPrefix(awsclient.Code(err), "AccessDenied") {
		f.HintText = "the credentials need dynamodb:DescribeTable, DescribeContinuousBackups, and to create: CreateTable, UpdateContinuousBackups"
	}
	return f
}
