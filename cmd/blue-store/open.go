package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/bluestore"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/freshness"
)

// backend is a record store that the program can open.
type backend = bluestore.Records

// session is an open store.
type session struct {
	config  config
	store   *encrypted.Store
	records backend // the encrypted records, for inspect, doctor and copy
	log     *audit.Log
	keyless bool // keys come from a key file, and there was none when the store was opened

	closed func(error) // receives the result of closing the log
}

// open opens the store that the flags and the environment name. It creates a
// missing SQLite store. Commands that only read use openExisting.
func (a *app) open(ctx context.Context) (*session, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	records, err := a.openRecords(ctx, c, false)
	if err != nil {
		return nil, err
	}
	return a.seal(ctx, c, records)
}

// openRecords opens the record store. There is no fallback if it cannot be
// reached.
func (a *app) openRecords(ctx context.Context, c config, readOnly bool) (backend, error) {
	address, opts := "sqlite:"+c.database, &bluestore.Options{ReadOnly: readOnly}
	if c.kind == kindDynamoDB {
		address = "dynamodb:"
		var err error
		if opts.DynamoDB, err = a.dynamoConfig(ctx); err != nil {
			return nil, err
		}
	}
	return bluestore.OpenRecords(ctx, address, opts)
}

// seal opens the encrypted store over open records. If it fails, it closes the
// records.
func (a *app) seal(ctx context.Context, c config, records backend) (*session, error) {
	provider, err := a.provider(ctx, c, records)
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	keyless := !c.kms.isSet() && isMissing(c.umk)
	log, err := a.auditLog(ctx, c, records)
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	store := encrypted.New(records, provider, c.user, log, &encrypted.Options{
		Freshness:      freshness.Dir(c.heads),
		AcceptRollback: a.flags.acceptRollback,
		Tracer:         a.tracer(),
	})
	return &session{c, store, records, log, keyless, a.logClosed}, nil
}

// isMissing reports whether nothing exists at a path.
func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// noteNewKey prints a warning in the run that created the key, because local
// data is not durable (RFC 0058, "Documentation requirement").
func (a *app) noteNewKey(s *session) {
	if !s.keyless || isMissing(s.config.umk) {
		return
	}
	s.keyless = false
	a.note("note: a new key was created: %s\n"+
		"warning: local data is not durable. Without this file, no dialogue of the store can be\n"+
		"         decrypted. Copy it to a safe place now.", s.config.umk)
}

// openExisting opens a store. It returns ErrNotFound if there is none.
func (a *app) openExisting(ctx context.Context) (*session, error) {
	c, err := a.config()
	if err == nil {
		err = c.checkExists()
	}
	if err != nil {
		return nil, err
	}
	return a.open(ctx)
}

// openDialogue checks the id of a dialogue and opens an existing store.
func (a *app) openDialogue(ctx context.Context, name string) (*session, blue.DialogueID, error) {
	id, err := dialogueID(name)
	if err != nil {
		return nil, "", err
	}
	s, err := a.openExisting(ctx)
	return s, id, err
}

// checkExists returns ErrNotFound if there is no SQLite store. A missing
// DynamoDB table is reported by the first request.
func (c config) checkExists() error {
	if c.kind == kindSQLite && isMissing(c.database) && isMissing(c.database+".keys") { // if only the keys exist, open reports lost data
		return withHint(notFound("there is no store at %s", c.database), "blue-store demo, or blue-store dialogue create TITLE")
	}
	return nil
}

// closeTimeout is the maximum time for closing the audit log. An interrupt does
// not shorten it, because a chain that is not closed cannot be distinguished
// from a shortened one.
const closeTimeout = 15 * time.Second

// close closes the audit log, the keys and the store. An error of the log also
// changes the exit code, so that commands can defer the call.
func (s *session) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.log.Close(ctx)
	s.closed(err)
	return errors.Join(err, s.store.Close(), s.records.Close())
}

// logClosed stores an error of closing the audit log for withLogError.
func (a *app) logClosed(err error) {
	if err != nil {
		a.closing = errors.Join(a.closing, fmt.Errorf("closing the audit log: %w", err))
	}
}

// withLogError adds the error of closing the audit log to the error of a
// command. It adds nothing if the store is unreachable, because the log is in
// the same store.
func (a *app) withLogError(err error) error {
	if errors.Is(err, blue.ErrUnavailable) {
		return err
	}
	return errors.Join(err, a.closing)
}
