package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// backend is a record store that the program can open.
type backend interface {
	record.Store
	// Empty reports whether a new master key takes nothing from the store.
	Empty(ctx context.Context) (bool, error)
	// SealedWith is the fingerprint of the store's master key, "" if unknown.
	SealedWith(ctx context.Context) string
}

var (
	_ backend = (*sqlite.Store)(nil)
	_ backend = (*dynamo.Store)(nil)
)

// session is an open store.
type session struct {
	config  config
	store   *encrypted.EncryptedStore[record.Store, keys.Provider]
	records backend // below the seal, for inspect, doctor and copy
	keyless bool    // there was no key file when the store was opened
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
	return a.seal(c, records), nil
}

// openRecords opens the store below the seal. One that was asked for and does
// not answer is an error: nothing takes its place.
func (a *app) openRecords(ctx context.Context, c config, readOnly bool) (backend, error) {
	if c.kind != kindDynamoDB {
		return sqlite.Open(ctx, c.database, &sqlite.Options{Views: engine.Views(), ReadOnly: readOnly})
	}
	at, err := a.dynamoConfig(ctx)
	if err != nil {
		return nil, err
	}
	return dynamo.Open(ctx, at)
}

// seal puts the sealed store over open records.
func (a *app) seal(c config, records backend) *session {
	var provider keys.Provider = localfile.Open(c.umk, &localfile.Options{MayCreate: records.Empty, SealedWith: records.SealedWith})
	auditor := audit.NewLog(records, c.user, nil)
	store := encrypted.New[record.Store](records, provider, c.user, auditor, &encrypted.Options{
		Heads:          encrypted.HeadDir(c.heads),
		AcceptRollback: a.flags.acceptRollback,
	})
	return &session{c, store, records, missing(c.umk)}
}

func missing(path string) bool {
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
	if err := c.present(); err != nil {
		return nil, err
	}
	return a.open(ctx)
}

// present is ErrNotFound where there is no SQLite file. What of DynamoDB is
// there shows with the first request.
func (c config) present() error {
	if c.kind == kindSQLite && missing(c.database) && missing(c.database+".keys") { // keys alone are lost data: open says so
		return withHint(notFound("there is no store at %s", c.database), "blue-store demo, or blue-store dialogue create TITLE")
	}
	return nil
}

func (s *session) close() error {
	s.store.Close()
	return s.records.Close()
}
