package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

var (
	_ record.Purger    = (*Store)(nil)
	_ record.Inventory = (*Store)(nil)
)

// Purge implements record.Purger: the items of redo logs. Under a tombstone no
// log is pending and none can become so, since a final transaction is
// conditioned on the head that it was made for; so each item goes without
// another condition, however young. A put of one that is still under way may
// land afterwards: its writer takes it back when it learns that it has lost,
// and if it is dead the item lies there, sealed under a key that is gone, until
// Purge is called again.
//
// Under another head a pending log is rolled forward, or, where it is not whole,
// taken off the head: the commit it belongs to is then lost. Only an erasure
// may do that.
func (s *Store) Purge(ctx context.Context, pk string) error {
	if err := s.checkOpen(); err != nil {
		return err
	}
	for range maxReads {
		head, _, err := s.api.get(ctx, record.Dialogues, headKey(pk))
		if err != nil {
			return err
		}
		if _, marked := head.Attrs[attrPending]; marked {
			err = s.unmark(ctx, head)
		} else if record.IsErased(head) {
			return s.deleteLogs(ctx, pk)
		} else {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %s changed while it was purged", record.ErrBusy, pk)
}

// unmark rolls a pending log forward, or gives up one that is damaged.
func (s *Store) unmark(ctx context.Context, head record.Record) error {
	p, readable := pendingOf(head)
	if readable {
		if err := s.drain(ctx, head.Key.PK, p); !errors.Is(err, blue.ErrTampered) {
			return err
		}
	}
	bare := head.Clone()
	delete(bare.Attrs, attrPending)
	return s.turns.put(ctx, s, bare, head)
}

// deleteLogs removes all logs of a partition that was erased.
func (s *Store) deleteLogs(ctx context.Context, pk string) error {
	items, err := s.pages(ctx, logQuery(pk), span{})
	if err != nil {
		return err
	}
	for _, r := range items {
		err := s.transact(ctx, s.newID(), []action{{table: record.Dialogues, record: record.Record{Key: r.Key}}})
		if err != nil {
			return fmt.Errorf("purging the logs of %s: %w", pk, known(err))
		}
	}
	return nil
}

// Leftovers implements record.Purger.
func (s *Store) Leftovers(ctx context.Context, pk string) (int, error) {
	if err := s.checkOpen(); err != nil {
		return 0, err
	}
	items, err := s.pages(ctx, logQuery(pk), span{})
	return len(items), err
}

// keeper is an api that knows of copies of tables.
type keeper interface {
	copies(ctx context.Context) ([]record.Copy, error)
}

// Copies implements record.Inventory: the point-in-time windows of the tables
// of dialogues and keys, and their backups. It takes
// dynamodb:DescribeContinuousBackups and dynamodb:ListBackups.
func (s *Store) Copies(ctx context.Context) ([]record.Copy, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	k, ok := s.api.(keeper)
	if !ok {
		return nil, nil
	}
	return k.copies(ctx)
}

func (c *client) copies(ctx context.Context) ([]record.Copy, error) {
	all := []record.Copy{{Kind: "export", What: "exports, streams, replicas and restored tables, if somebody made any"}}
	for _, table := range []record.Table{record.Dialogues, record.Keys} {
		window, err := c.window(ctx, table)
		if err != nil {
			return nil, err
		}
		backups, err := c.backups(ctx, table)
		if err != nil {
			return nil, err
		}
		all = append(append(all, window...), backups...)
	}
	if c.local {
		all = append(all, record.Copy{Kind: "file_backup", What: "copies of the files of DynamoDB Local at " + c.at})
	}
	return all, nil
}

// window is how far back a table can be restored to any moment.
func (c *client) window(ctx context.Context, table record.Table) ([]record.Copy, error) {
	name, err := c.table(table)
	if err != nil {
		return nil, err
	}
	out, err := c.api.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: name})
	if unsupported(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.copiesFault(ctx, err, table)
	}
	on, days := recovery(out.ContinuousBackupsDescription)
	if !on {
		return nil, nil
	}
	return []record.Copy{{
		Kind: "point_in_time", What: fmt.Sprintf("table %s, any moment of the last %d days", *name, days),
		Window: time.Duration(days) * 24 * time.Hour, Covered: true,
	}}, nil
}

// backups lists the backups of a table, those of AWS Backup among them.
func (c *client) backups(ctx context.Context, table record.Table) ([]record.Copy, error) {
	name, err := c.table(table)
	if err != nil {
		return nil, err
	}
	in := &dynamodb.ListBackupsInput{TableName: name, BackupType: types.BackupTypeFilterAll}
	all, pages := []record.Copy(nil), onward{what: "the backups of table " + *name}
	for {
		out, err := c.api.ListBackups(ctx, in)
		if unsupported(err) {
			return nil, nil
		}
		if err != nil {
			return nil, c.copiesFault(ctx, err, table)
		}
		for _, b := range out.BackupSummaries {
			if b.BackupStatus == types.BackupStatusDeleted {
				continue
			}
			all = append(all, record.Copy{
				Kind: "backup", What: fmt.Sprintf("table %s, backup %s of %s", *name, aws.ToString(b.BackupArn), aws.ToTime(b.BackupCreationDateTime).UTC().Format(time.RFC3339)),
				Made: aws.ToTime(b.BackupCreationDateTime).UTC(), Expires: aws.ToTime(b.BackupExpiryDateTime).UTC(), Covered: true,
			})
		}
		if out.LastEvaluatedBackupArn == nil {
			return all, nil
		}
		if err := pages.past(item{"BackupArn": &types.AttributeValueMemberS{Value: *out.LastEvaluatedBackupArn}}); err != nil {
			return nil, err
		}
		in.ExclusiveStartBackupArn = out.LastEvaluatedBackupArn
	}
}

// copiesFault is the error of a list that must not be believed empty.
func (c *client) copiesFault(ctx context.Context, err error, table record.Table) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok && isDenied(api.ErrorCode()) {
		return &fault{
			kind: record.ErrUnavailable, message: "the copies of table " + c.prefix + string(table) + " may not be listed",
			hint: "the credentials need dynamodb:DescribeContinuousBackups and dynamodb:ListBackups", cause: err,
		}
	}
	return c.readFault(ctx, err, table)
}
