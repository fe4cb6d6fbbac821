package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/record"
)

var (
	_ record.Purger     = (*Store)(nil)
	_ record.Inventory  = (*Store)(nil)
	_ record.Identified = (*Store)(nil)
)

// Purge implements record.Purger. It deletes the items of redo logs. Under a
// tombstone no log is pending and none can become pending, because a final
// transaction has a condition on its meta item. So Purge deletes each item
// without another condition and regardless of its age. A put in flight can be
// written afterwards. Its writer removes it when its commit is rejected. If
// the writer has crashed, the item stays, encrypted under a destroyed key,
// until Purge is called again.
//
// Under any other meta item, Purge rolls a pending log forward. If the log is
// incomplete, Purge removes it from the meta item, and its commit is lost.
// Only an erasure must do that.
func (s *Store) Purge(ctx context.Context, pk record.Partition) error {
	if err := s.checkOpen(); err != nil {
		return err
	}
	for range maxReads {
		meta, _, err := s.api.get(ctx, record.Dialogues, metaKey(pk))
		if err != nil {
			return err
		}
		if _, marked := meta.Attrs[attrPending]; marked {
			err = s.unmark(ctx, meta)
		} else if record.IsErased(meta) {
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

// unmark rolls a pending log forward, or removes a damaged one from the meta
// item.
func (s *Store) unmark(ctx context.Context, meta record.Record) error {
	p, readable := pendingOf(meta)
	if readable {
		if err := s.drain(ctx, meta.Key.Partition, p); !errors.Is(err, blue.ErrTampered) {
			return err
		}
	}
	bare := meta.Clone()
	delete(bare.Attrs, attrPending)
	return s.leases.put(ctx, s, bare, meta)
}

// deleteLogs removes all logs of a partition that was erased.
func (s *Store) deleteLogs(ctx context.Context, pk record.Partition) error {
	items, err := s.pages(ctx, logQuery(pk), span{})
	if err != nil {
		return err
	}
	for _, r := range items {
		if err := s.deleteLogItem(ctx, r.Key); err != nil { // its writer may have taken it back since
			return fmt.Errorf("purging the logs of %s: %w", pk, err)
		}
	}
	return nil
}

// Leftovers implements record.Purger.
func (s *Store) Leftovers(ctx context.Context, pk record.Partition) (int, error) {
	if err := s.checkOpen(); err != nil {
		return 0, err
	}
	items, err := s.pages(ctx, logQuery(pk), span{})
	return len(items), err
}

// keeper is an api that can list its tables and the copies of them.
type keeper interface {
	identity(ctx context.Context) ([]string, error)
	copies(ctx context.Context) ([]record.Copy, error)
}

// held contains the tables with data that an erasure destroys.
var held = []record.Table{record.Dialogues, record.Keys}

// Identity implements record.Identified: the ARNs of the tables of dialogues and
// keys. It takes dynamodb:DescribeTable.
func (s *Store) Identity(ctx context.Context) ([]string, error) {
	if err := s.checkOpen(); err != nil {
		return nil, err
	}
	k, ok := s.api.(keeper)
	if !ok {
		return nil, nil
	}
	return k.identity(ctx)
}

func (c *client) identity(ctx context.Context) ([]string, error) {
	var arns []string
	for _, table := range held {
		name, err := c.Table(table)
		if err != nil {
			return nil, err
		}
		out, err := c.API.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
		if err != nil {
			return nil, c.copiesFault(ctx, err, table)
		}
		if out.Table == nil || aws.ToString(out.Table.TableArn) == "" {
			return nil, c.untold("the ARN of table " + *name)
		}
		arns = append(arns, *out.Table.TableArn)
	}
	return arns, nil
}

// Copies implements record.Inventory: the point-in-time windows of the tables
// of dialogues and keys, and their backups. It needs
// dynamodb:DescribeContinuousBackups and dynamodb:ListBackups. ListBackups
// does not list the copies of AWS Backup ("ListBackups", Amazon DynamoDB API
// Reference), so Copies reports them as a place that it cannot check.
//
// It returns ErrUnavailable if the server does not answer these requests. A
// server on this machine, such as DynamoDB Local, can lack these operations.
// Then Copies lists that place as not covered.
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
	all := []record.Copy{
		{Kind: "export", What: "exports, streams, replicas and restored tables, if somebody made any"},
		{Kind: "aws_backup", What: "recovery points of AWS Backup"},
	}
	for _, list := range []func(context.Context, record.Table) ([]record.Copy, error){c.window, c.backups} {
		for _, table := range held {
			found, err := list(ctx, table)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	if c.Local {
		all = append(all, record.Copy{Kind: "file_backup", What: "copies of the files of DynamoDB Local at " + c.At})
	}
	return all, nil
}

// unknown returns the list for a server that does not implement the operation.
func (c *client) unknown(kind, what string) ([]record.Copy, error) {
	if !c.Local {
		return nil, c.untold(what)
	}
	return []record.Copy{{Kind: kind, What: what + ": the server at " + c.At + " knows none"}}, nil
}

// untold returns the error for a response that must not be read as "none".
func (c *client) untold(what string) error {
	return &conn.Fault{
		Kind: record.ErrUnavailable, Message: "the server at " + c.At + " does not say " + what,
		HintText: "certificates are made and finalized against DynamoDB itself, or a server on this machine", OfTable: true,
	}
}

// window returns the period of point-in-time recovery of a table.
func (c *client) window(ctx context.Context, table record.Table) ([]record.Copy, error) {
	name, err := c.Table(table)
	if err != nil {
		return nil, err
	}
	what := "the point-in-time window of table " + *name
	r, err := c.Recovery(ctx, name)
	switch {
	case err != nil:
		return nil, c.copiesFault(ctx, err, table)
	case !r.Supported:
		return c.unknown("point_in_time", what)
	case !r.Stated:
		return nil, c.untold(what)
	case !r.On:
		return nil, nil
	}
	return []record.Copy{{
		Kind: "point_in_time", What: fmt.Sprintf("table %s, any moment of the last %d days", *name, r.Days),
		Window: time.Duration(r.Days) * 24 * time.Hour, Covered: true,
	}}, nil
}

// backups lists the backups of a table: on-demand backups, and system backups
// that remain after a table is deleted.
func (c *client) backups(ctx context.Context, table record.Table) ([]record.Copy, error) {
	name, err := c.Table(table)
	if err != nil {
		return nil, err
	}
	in := &dynamodb.ListBackupsInput{TableName: name, BackupType: types.BackupTypeFilterAll}
	what := "the backups of table " + *name
	all, pages := []record.Copy(nil), onward{what: what}
	for {
		out, err := c.API.ListBackups(ctx, in)
		if awsclient.ClassOfError(err) == awsclient.Unsupported {
			return c.unknown("backup", what)
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

// copiesFault returns the error for a list that could not be read.
func (c *client) copiesFault(ctx context.Context, err error, table record.Table) error {
	if awsclient.ClassOfError(err) == awsclient.Denied {
		return &conn.Fault{
			Kind: record.ErrUnavailable, Message: "the copies of table " + c.Prefix + string(table) + " cannot be listed",
			HintText: "the credentials need dynamodb:DescribeTable, dynamodb:DescribeContinuousBackups and dynamodb:ListBackups", Cause: err,
		}
	}
	return c.readFault(ctx, err, table)
}

// peeker is an api that can read a table without knowing a key. It needs
// dynamodb:Scan. It is used only before a new master key is made.
type peeker interface {
	// peek returns up to limit records, any ones, of those whose PK begins
	// with a prefix.
	peek(ctx context.Context, table record.Table, prefix string, limit int) ([]record.Record, error)
}

func (c *client) peek(ctx context.Context, table record.Table, prefix string, limit int) ([]record.Record, error) {
	name, err := c.Table(table)
	if err != nil {
		return nil, err
	}
	in := &dynamodb.ScanInput{TableName: name, ConsistentRead: aws.Bool(true), Limit: aws.Int32(int32(limit))}
	if prefix != "" {
		in.Limit = nil // it counts what the filter leaves out too
		in.FilterExpression = aws.String("begins_with(PK, :prefix)")
		in.ExpressionAttributeValues = map[string]types.AttributeValue{":prefix": &types.AttributeValueMemberS{Value: prefix}}
	}
	pages := onward{what: "table " + *name}
	for {
		out, err := c.API.Scan(ctx, in)
		if err != nil {
			return nil, c.readFault(ctx, err, table)
		}
		if len(out.Items) > 0 || len(out.LastEvaluatedKey) == 0 {
			return fromItems(out.Items[:min(limit, len(out.Items))]), nil
		}
		if err := pages.past(out.LastEvaluatedKey); err != nil {
			return nil, err
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// IsEmpty reports whether there is neither a record of a dialogue, logs included,
// nor a key of one: a store that a new master key takes nothing from. The audit
// log and the directory of its principals are under no such key.
func (s *Store) IsEmpty(ctx context.Context) (bool, error) {
	p, ok := s.api.(peeker)
	if !ok {
		return false, fmt.Errorf("%w: dynamo: this store cannot be looked through", record.ErrInvalid)
	}
	for _, at := range []struct {
		table  record.Table
		prefix string
	}{{record.Dialogues, ""}, {record.Keys, "dialogue#"}, {record.Keys, "user#"}} {
		if found, err := p.peek(ctx, at.table, at.prefix, 1); err != nil || len(found) > 0 {
			return false, err
		}
	}
	return true, nil
}

// SealedWith returns the fingerprint of the master key above one of the
// wrapped keys, e.g. "umk:7c1f09aa52e3d410", or "" if none is found at once.
// It is a clear attribute: good for a message, no proof.
func (s *Store) SealedWith(ctx context.Context) string {
	p, ok := s.api.(peeker)
	if !ok {
		return ""
	}
	found, err := p.peek(ctx, record.Keys, "dialogue#", 10)
	if err != nil {
		return ""
	}
	return record.SealedWith(found)
}

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

// checkKeys returns ErrUnavailable unless a table has the keys of this store.
// If the user has no permission to describe the table, checkKeys accepts it.
func (c *client) checkKeys(ctx context.Context, table record.Table) error {
	name, err := c.Table(table)
	if err != nil {
		return err
	}
	out, err := c.API.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
	if awsclient.ClassOfError(err) == awsclient.Denied {
		return nil
	}
	if err != nil {
		return c.readFault(ctx, err, table)
	}
	differs := conn.CompareKeys(out.Table)
	if differs == "" {
		return nil
	}
	f := c.WrongKeys([]record.Table{table})
	f.Message += ": " + differs
	return f
}
