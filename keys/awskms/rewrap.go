package awskms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

var _ keys.KEKRewrapper = (*Provider)(nil)

// maxFormer is how many earlier KMS keys a record remembers.
const maxFormer = 16

// RewrapKEK implements keys.KEKRewrapper: the stored key of a user, opened with
// the KMS key of from, is wrapped by this one's, under the same context. The key
// itself stays, and so does every wrap under it; the record remembers the earlier
// KMS key in `former`, since those wraps name it. Two calls of KMS: kms:Decrypt
// there, kms:Encrypt here.
//
// Errors: as of DeriveKEK by from; blue.ErrConflict if the record changed
// meanwhile; blue.ErrInvalid for another kind of provider, or the same KMS key.
func (p *Provider) RewrapKEK(ctx context.Context, from keys.Provider, user string) (changed bool, err error) {
	old, ok := from.(*Provider)
	if !ok || old.arn == p.arn {
		return false, fmt.Errorf("%w: keys/awskms: a key is rewrapped from another KMS key", blue.ErrInvalid)
	}
	if err := keys.CheckUser(user); err != nil {
		return false, err
	}
	stored, err := p.store.Get(ctx, record.Keys, kekKey(user))
	switch {
	case errors.Is(err, record.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the key of user %s: %w", user, err)
	case stored.Attrs[attrUMK].Str() == p.arn:
		return false, nil
	}
	if err := p.rewrap(ctx, old, user, stored); err != nil {
		return false, fmt.Errorf("rewrapping the key of user %s: %w", user, err)
	}
	return true, nil
}

func (p *Provider) rewrap(ctx context.Context, old *Provider, user string, stored record.Record) error {
	blob, err := old.readKEK(user, stored)
	if err != nil {
		return err
	}
	secret, err := old.decrypt(ctx, blob, old.kekContext(user))
	if secret != nil {
		defer secret.Destroy()
	}
	if err := judge(err, stored.Attrs[attrUMK].Str(), old.arn); err != nil {
		return err
	}
	plain := secret.InsecureBytes()
	defer clear(plain)
	blob, err = p.encrypt(ctx, plain, p.kekContext(user))
	if err != nil {
		return err
	}
	former := append(formerOf(stored), old.arn)
	former = former[max(0, len(former)-maxFormer):]
	next := stored.Clone()
	next.Attrs[attrWrapped] = record.B(blob)
	next.Attrs[attrUMK] = record.S(p.arn)
	next.Attrs[attrTables] = record.S(p.opts.Tables)
	next.Attrs[attrFormer] = record.S(strings.Join(slices.Compact(former), " "))
	return p.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: next, Prev: stored.Attrs}})
}

// formerOf lists the earlier KMS keys of a record, the oldest first.
func formerOf(stored record.Record) []string { return strings.Fields(stored.Attrs[attrFormer].Str()) }

// StoredKey is what blue_keys says of a user's key. Nothing of it is opened.
type StoredKey struct {
	UMK         string // ARN of the KMS key that wrapped it
	Before      string // ARN of the one before the last RewrapKEK, "" where there was none
	Fingerprint string // SHA-256 of the wrapped key, 64 hex digits: a rewrap changes it
	CreatedAt   string // of the key itself: a rewrap keeps it
}

// Stored returns what is stored of a user's key, the zero value where none is.
func (p *Provider) Stored(ctx context.Context, user string) (StoredKey, error) {
	stored, err := p.stored(ctx, user)
	if err != nil || len(stored.Attrs) == 0 {
		return StoredKey{}, err
	}
	hash := sha256.Sum256(stored.Attrs[attrWrapped].Bin())
	former := formerOf(stored)
	return StoredKey{
		UMK: stored.Attrs[attrUMK].Str(), Before: strings.Join(former[max(0, len(former)-1):], ""),
		Fingerprint: hex.EncodeToString(hash[:]), CreatedAt: stored.Attrs[attrCreated].Str(),
	}, nil
}

// stored returns the record of a user's key, the zero value where none is.
func (p *Provider) stored(ctx context.Context, user string) (record.Record, error) {
	if err := keys.CheckUser(user); err != nil {
		return record.Record{}, err
	}
	stored, err := p.store.Get(ctx, record.Keys, kekKey(user))
	if errors.Is(err, record.ErrNotFound) {
		return record.Record{}, nil
	}
	return stored, err
}
