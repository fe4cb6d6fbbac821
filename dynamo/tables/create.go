package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/internal/retry"
	"github.com/superviber/blue-encrypted-store/record"
)

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
