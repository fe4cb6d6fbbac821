package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/record"
)

// createWithin bounds Create if its context does not: a table is usually there
// within seconds, point-in-time recovery within a minute.
const createWithin = 5 * time.Minute

// Create makes the tables that are missing and waits until they can be used.
// A table that is there is never altered, with one exception, so that a Create
// which was stopped can be finished by another: where keys and indexes are as
// defined and point-in-time recovery is off, it is turned on.
// The answer is that of Status afterwards; see Check. ErrUnavailable if the
// server cannot be asked, or is not done within the context's deadline, else
// five minutes. Several processes may create at once.
func (s *Tables) Create(ctx context.Context) ([]TableStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, createWithin)
	defer cancel()
	created := map[record.Table]bool{}
	for _, d := range definitions { // all before the first wait: they are made side by side
		status, err := s.status(ctx, d)
		if err == nil && status.State == Missing {
			created[d.table], err = s.create(ctx, d)
		}
		if err != nil {
			return nil, err
		}
	}
	var all []TableStatus
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
	_, err := s.api.CreateTable(ctx, d.request(s.prefix))
	if _, exists := errors.AsType[*types.ResourceInUseException](err); exists {
		return false, nil // another process was faster, or the first answer was lost
	}
	if err != nil {
		return false, s.controlFault(ctx, "creating", d.table, err)
	}
	return true, nil
}

// finish waits until a table is active and turns its recovery on.
func (s *Tables) finish(ctx context.Context, d definition) (TableStatus, error) {
	if err := s.await(ctx, d); err != nil {
		return TableStatus{}, err
	}
	status, err := s.status(ctx, d)
	if err != nil || status.State != Differs || status.shape {
		return status, err
	}
	if err := s.recoverable(ctx, d); err != nil {
		return status, err
	}
	return s.status(ctx, d)
}

// await polls until table and indexes leave the states in which they are made.
func (s *Tables) await(ctx context.Context, d definition) error {
	for try := 0; ; try++ {
		out, err := s.api.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(s.prefix + string(d.table))})
		if _, unseen := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !unseen {
			return s.controlFault(ctx, "describing", d.table, err)
		}
		if err == nil && !inTheMaking(out.Table) {
			return nil
		}
		if err := sleep(ctx, backoffOf(try)); err != nil {
			return s.tooLate(d, "is not active yet", err)
		}
	}
}

func inTheMaking(t *types.TableDescription) bool {
	making := t.TableStatus == types.TableStatusCreating || t.TableStatus == types.TableStatusUpdating
	for _, g := range t.GlobalSecondaryIndexes {
		making = making || g.IndexStatus == types.IndexStatusCreating
	}
	return making
}

// recoverable turns point-in-time recovery on if it is off. A fresh table
// refuses that for a while.
func (s *Tables) recoverable(ctx context.Context, d definition) error {
	name := aws.String(s.prefix + string(d.table))
	out, err := s.api.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: name})
	if unsupported(err) {
		return nil
	}
	if err != nil {
		return s.controlFault(ctx, "describing the backups of", d.table, err)
	}
	if on, _ := recovery(out.ContinuousBackupsDescription); on {
		return nil
	}
	in := &dynamodb.UpdateContinuousBackupsInput{TableName: name, PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{
		PointInTimeRecoveryEnabled: aws.Bool(true), RecoveryPeriodInDays: aws.Int32(d.recoveryDays),
	}}
	for try := 0; ; try++ {
		_, err := s.api.UpdateContinuousBackups(ctx, in)
		if err == nil || unsupported(err) {
			return nil
		}
		if _, early := errors.AsType[*types.ContinuousBackupsUnavailableException](err); !early {
			return s.controlFault(ctx, "turning point-in-time recovery on for", d.table, err)
		}
		if err := sleep(ctx, backoffOf(try)); err != nil {
			return s.tooLate(d, "has no point-in-time recovery yet", err)
		}
	}
}

// backoffOf doubles from 50 ms to 3.2 s.
func backoffOf(try int) time.Duration { return 50 * time.Millisecond << min(try, 6) }

func (s *Tables) tooLate(d definition, what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &fault{
		kind:    record.ErrUnavailable,
		message: fmt.Sprintf("table %s in %s %s", s.prefix+string(d.table), s.at, what),
		hint:    "look again in a while: blue-store table status; finish with: blue-store table create",
		cause:   err,
	}
}
