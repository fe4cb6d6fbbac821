package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// session is an open store.
type session struct {
	config  config
	store   *encrypted.EncryptedStore[*sqlite.Store, keys.Provider]
	records *sqlite.Store // below the seal, for inspect and doctor
	keyless bool          // there was no key file when the store was opened
}

// open opens the store that the flags and the environment name. A command
// that only reads does not create a store: see openExisting.
func (a *app) open(ctx context.Context) (*session, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	records, err := sqlite.Open(ctx, c.database, &sqlite.Options{Views: engine.Views()})
	if err != nil {
		return nil, err
	}
	provider := localfile.Open(c.umk, &localfile.Options{MayCreate: records.Empty, SealedWith: records.SealedWith})
	auditor := audit.NewLog(records, c.user, nil)
	store := encrypted.New[*sqlite.Store, keys.Provider](records, provider, c.user, auditor, &encrypted.Options{
		Heads:          encrypted.HeadDir(c.heads),
		AcceptRollback: a.flags.acceptRollback,
	})
	return &session{c, store, records, missing(c.umk)}, nil
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
	if missing(c.database) && missing(c.database+".keys") { // keys alone are lost data: open says so
		return nil, withHint(notFound("there is no store at %s", c.database), "blue-store demo, or blue-store dialogue create TITLE")
	}
	return a.open(ctx)
}

func (s *session) close() error {
	s.store.Close()
	return s.records.Close()
}

var _ record.Store = (*sqlite.Store)(nil)
