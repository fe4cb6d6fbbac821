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
	records backend // below the seal, for inspect, doctor and copy
	log     *audit.Log
	keyless bool // keys come from a key file, and there was none when the store was opened

	closed func(error) // is told how the log was closed
}

// open opens the store that the flags and the environment name. A command
// that only reads does not create a store: see openExisting.
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

// openRecords opens the store below the seal. One that was asked for and does
// not answer is an error: nothing takes its place.
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

// seal puts the encrypted store over open records, which it closes if it fails.
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

func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// noteNewKey warns once, in the run that made the key: local data are not
// durable (RFC 0058, "Documentation requirement").
func (a *app) noteNewKey(s *session) {
	if _, err := os.Lstat(s.config.umk); !s.keyless || err != nil {
		return
	}
	s.keyless = false
	a.note("note: a new key was made: %s\n"+
		"warning: local data is not durable. That file is the only way to read this store;\n"+
		"         whoever loses it loses every dialogue. Copy it to a safe place now.", s.config.umk)
}

// openExisting opens a store that must be there already.
func (a *app) openExisting(ctx context.Context) (*session, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	if err := c.checkExists(); err != nil {
		return nil, err
	}
	return a.open(ctx)
}

// openDialogue opens a store that must be there already for a dialogue by name.
func (a *app) openDialogue(ctx context.Context, name string) (*session, blue.DialogueID, error) {
	id, err := dialogueID(name)
	if err != nil {
		return nil, "", err
	}
	s, err := a.openExisting(ctx)
	return s, id, err
}

// present is ErrNotFound where there is no SQLite file. What of DynamoDB is
// there shows with the first request.
func (c config) checkExists() error {
	if c.kind == kindSQLite && isMissing(c.database) && isMissing(c.database+".keys") { // keys alone are lost data: open says so
		return withHint(notFound("there is no store at %s", c.database), "blue-store demo, or blue-store dialogue create TITLE")
	}
	return nil
}

// closeWithin bounds the closing of the audit log, which an interrupt does not
// cut short: a log that is not closed leaves a chain that nobody can tell from
// a cut one.
const closeWithin = 15 * time.Second

// close ends the audit log, the keys and the store. Commands defer it; what
// became of the log shows in the exit code all the same.
func (s *session) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := s.log.Close(ctx)
	s.closed(err)
	return errors.Join(err, s.store.Close(), s.records.Close())
}

// logClosed keeps the error of a log that could not be closed for the exit.
func (a *app) logClosed(err error) {
	if err != nil {
		a.closing = errors.Join(a.closing, fmt.Errorf("closing the audit log: %w", err))
	}
}

// ended adds to the error of a command that the audit log could not be closed.
// A store that cannot be reached has been reported, and its log is in it.
func (a *app) withLogError(err error) error {
	if errors.Is(err, blue.ErrUnavailable) {
		return err
	}
	return errors.Join(err, a.closing)
}
