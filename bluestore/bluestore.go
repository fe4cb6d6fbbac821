// Package bluestore opens an encrypted store of dialogues from an address such
// as "sqlite:blue.db".
//
// It only connects the other packages: the record store that the address names,
// a source of keys, and the audit log. Package encrypted has the result and its
// methods. A program that needs one backend only, and does not want to link the
// others, calls encrypted.New with a store of its own (docs/decisions/0018).
package bluestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/engine"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// Options configure Open and OpenRecords. The zero value works.
type Options struct {
	// Store configures the encrypted store. Open sets CloseAll.
	Store encrypted.Options
	// Audit configures the audit log. If Audit.Signer is nil, events form hash
	// chains without signed checkpoints: the end of a chain can be cut off
	// unnoticed, and package erasure cannot certify. AuditKey is a Signer. If
	// Audit.Principals is nil, Open uses a directory in the same store, so that
	// events hold pseudonyms.
	Audit audit.Options
	// DynamoDB configures the client for an address "dynamodb:". The parameters
	// of the address take precedence. For DynamoDB in AWS, DynamoDB.AWS must be
	// set, because Open does not read the environment.
	DynamoDB dynamo.Config
	// ReadOnly opens existing SQLite files and never writes to them.
	ReadOnly bool
}

// Records is a record store that a new master key can be made for.
type Records interface {
	record.Store
	// IsEmpty reports whether the store holds no dialogue and no key.
	IsEmpty(ctx context.Context) (bool, error)
	// SealedWith returns the fingerprint of the master key that encrypts the
	// store's keys, or "" if it is not known. It is not authenticated.
	SealedWith(ctx context.Context) string
}

// A KeySource returns the key provider of a store.
type KeySource func(records Records) (keys.Provider, error)

// KeyFile is a KeySource that reads the master key from a file. The file is
// created when it is missing and the store is empty.
func KeyFile(path string) KeySource {
	return func(records Records) (keys.Provider, error) {
		return localfile.Open(path, &localfile.Options{MayCreate: records.IsEmpty, SealedWith: records.SealedWith}), nil
	}
}

// Provider is a KeySource that returns p.
func Provider(p keys.Provider) KeySource {
	return func(Records) (keys.Provider, error) { return p, nil }
}

// AuditKey returns a function for audit.Options.Signer that reads the key of the
// audit log from a file. The file is created when it is missing.
func AuditKey(path string) func(context.Context) (*checkpoint.Signer, error) {
	return func(ctx context.Context) (*checkpoint.Signer, error) {
		seed, _, err := localfile.OpenAuditKey(path).LoadOrCreate(ctx)
		if err != nil {
			return nil, err
		}
		defer seed.Destroy()
		b := seed.InsecureBytes()
		defer clear(b)
		return checkpoint.NewSigner(b)
	}
}

// Open opens the encrypted store at an address for one user. Close of the result
// ends the audit log and closes everything. Nil opts are the zero Options. The
// address is one of
//
//	sqlite:PATH                                       two files, PATH and PATH.keys
//	memory:                                           lost when the process ends
//	dynamodb:?region=R&prefix=P&endpoint=URL          each parameter is optional
//
// The error is blue.ErrInvalid for a malformed address, blue.ErrUnavailable,
// blue.ErrBusy, or an error of source.
func Open(ctx context.Context, address string, source KeySource, user string, opts *Options) (*encrypted.Store, error) {
	opts = cmp.Or(opts, new(Options))
	records, err := OpenRecords(ctx, address, opts)
	if err != nil {
		return nil, err
	}
	provider, err := source(records)
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	forLog, forStore := opts.Audit, opts.Store
	if forLog.Principals == nil {
		forLog.Principals = audit.NewDirectory(records)
	}
	forStore.CloseAll = true
	return encrypted.New(records, provider, user, audit.NewLog(records, user, &forLog), &forStore), nil
}

// OpenRecords opens the record store at an address, without encryption. It uses
// opts.DynamoDB and opts.ReadOnly. It returns the errors of Open.
func OpenRecords(ctx context.Context, address string, opts *Options) (Records, error) {
	opts = cmp.Or(opts, new(Options))
	kind, rest, _ := strings.Cut(address, ":")
	switch {
	case kind == "sqlite" && rest != "":
		return sqlite.Open(ctx, rest, &sqlite.Options{Views: engine.Views(), ReadOnly: opts.ReadOnly})
	case address == "memory:":
		return inMemory{memory.New()}, nil
	case kind == "dynamodb" && (rest == "" || rest[0] == '?'):
		c := opts.DynamoDB
		given, err := url.ParseQuery(strings.TrimPrefix(rest, "?"))
		if err != nil {
			return nil, fmt.Errorf("%w: parsing address %q: %w", blue.ErrInvalid, address, err)
		}
		for name, values := range given {
			to, ok := map[string]*string{"region": &c.Region, "prefix": &c.Prefix, "endpoint": &c.Endpoint}[name]
			if !ok {
				return nil, fmt.Errorf("%w: address %q has the unknown parameter %q: it can have region, prefix and endpoint", blue.ErrInvalid, address, name)
			}
			*to = values[len(values)-1]
		}
		return dynamo.Open(ctx, c)
	}
	return nil, fmt.Errorf("%w: address %q must be sqlite:PATH, memory: or dynamodb: with parameters", blue.ErrInvalid, address)
}

// inMemory is a memory store. It is new, so no other master key is in use.
type inMemory struct{ *memory.Store }

func (inMemory) IsEmpty(context.Context) (bool, error) { return true, nil }
func (inMemory) SealedWith(context.Context) string     { return "" }
