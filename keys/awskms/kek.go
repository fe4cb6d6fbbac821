package awskms

import (
	"context"
	"errors"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// The layout of a user's key as drawn in the package doc.
const (
	kekSK = "kek"

	attrWrapped = "wrapped"
	attrUMK     = "umk"
	attrUser    = "user"
	attrTables  = "tables"
	attrEpoch   = "epoch"
	attrCreated = "created_at"
	attrFormer  = "former"

	epoch = 1

	maxBlob = 6144 // bytes of a ciphertext (KMS API, Decrypt: CiphertextBlob)
)

func kekKey(user string) record.Key {
	return record.Key{Partition: record.UserPartition(user), Item: kekSK}
}

// kekContext is the encryption context of a user's key.
func (p *Provider) kekContext(user string) map[string]string {
	return map[string]string{"blue:purpose": "kek", "blue:user": user, "blue:tables": p.opts.Tables}
}

// DeriveKEK opens the stored key of a user: one call of KMS.
//
// Errors: keys.ErrNoKEK where none is stored (MakeKEK makes it); *Error;
// *keys.WrongKeyError where it lies under another KMS key; blue.ErrTampered
// for a record that is not what MakeKEK wrote; the store's own.
func (p *Provider) DeriveKEK(ctx context.Context, umk keys.UMK, user string) (*keys.KEK, error) {
	if err := p.check(umk, user); err != nil {
		return nil, err
	}
	stored, err := p.store.Get(ctx, record.Keys, kekKey(user))
	if errors.Is(err, record.ErrNotFound) {
		return nil, fmt.Errorf("%w: there is no record %s %s in blue_keys", keys.ErrNoKEK, kekKey(user).Partition, kekSK)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the key of user %s: %w", user, err)
	}
	blob, err := p.readKEK(user, stored)
	if err != nil {
		return nil, fmt.Errorf("opening the key of user %s: %w", user, err)
	}
	secret, err := p.decrypt(ctx, blob, p.kekContext(user))
	if err = judge(err, stored.Attrs[attrUMK].Str(), p.arn); err != nil {
		if secret != nil {
			secret.Destroy()
		}
		return nil, fmt.Errorf("opening the key of user %s: %w", user, err)
	}
	kek := keys.NewKEK(user, p.arn, secret, formerOf(stored)...)
	return kek.Stored(stored.Key, record.Attrs{attrWrapped: record.B(blob)}), nil
}

// judge tells a key under another KMS key from one whose clear attribute was
// altered: the latter still opens. A key that names another and is refused under
// ours is the other's, whichever way KMS refuses it.
func judge(err error, want, have string) error {
	switch e, refused := errors.AsType[*Error](err); {
	case want == have:
		return err
	case err == nil:
		return fmt.Errorf("%w: it opens under %s but names %s", blue.ErrTampered, have, want)
	case refused && (e.Reason == WrongKey || e.Reason == WrongContext || e.Reason == Denied):
		return &keys.WrongKeyError{Want: want, Have: have}
	}
	return err
}

// readKEK returns the wrapped key of a record, after its clear attributes have
// been compared with what is wanted.
func (p *Provider) readKEK(user string, stored record.Record) ([]byte, error) {
	for _, a := range []struct {
		name string
		typ  record.Type
	}{{attrWrapped, record.Bytes}, {attrUMK, record.String}, {attrUser, record.String}, {attrTables, record.String}, {attrEpoch, record.Number}} {
		if stored.Attrs[a.name].Type() != a.typ {
			return nil, fmt.Errorf("%w: %s is missing or of another type", blue.ErrTampered, a.name)
		}
	}
	blob := stored.Attrs[attrWrapped].Bin()
	switch {
	case stored.Attrs[attrUser].Str() != user:
		return nil, fmt.Errorf("%w: it belongs to user %.80q", blue.ErrTampered, stored.Attrs[attrUser].Str())
	case stored.Attrs[attrEpoch].Int() != epoch:
		return nil, fmt.Errorf("%w: epoch %d is unknown", blue.ErrTampered, stored.Attrs[attrEpoch].Int())
	case len(blob) == 0 || len(blob) > maxBlob:
		return nil, fmt.Errorf("%w: wrapped has %d bytes", blue.ErrTampered, len(blob))
	}
	if tables := stored.Attrs[attrTables].Str(); tables != p.opts.Tables {
		return nil, p.fail(decryptAction, WrongContext, fmt.Sprintf("the key was made for the tables %.80q, and these are %.80q", tables, p.opts.Tables), nil)
	}
	return blob, nil
}

// MakeKEK makes the key of a user unless it is there. KMS does not show it: it
// is seen for the first time when DeriveKEK opens it. Of many at once one is
// stored and all use it; the ciphertexts of the others are garbage.
//
// Errors: *Error; the store's own.
func (p *Provider) MakeKEK(ctx context.Context, umk keys.UMK, user string) error {
	if err := p.check(umk, user); err != nil {
		return err
	}
	_, err := p.store.Get(ctx, record.Keys, kekKey(user))
	if err == nil {
		return nil
	}
	if !errors.Is(err, record.ErrNotFound) {
		return fmt.Errorf("looking for the key of user %s: %w", user, err)
	}
	blob, err := p.generate(ctx, p.kekContext(user))
	if err != nil {
		return fmt.Errorf("making the key of user %s: %w", user, err)
	}
	err = p.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: kekKey(user), Attrs: record.Attrs{
		attrWrapped: record.B(blob),
		attrUMK:     record.S(p.arn),
		attrUser:    record.S(user),
		attrTables:  record.S(p.opts.Tables),
		attrEpoch:   record.N(epoch),
		attrCreated: record.S(p.opts.Now().UTC().Format(record.TimeLayout)),
	}}}})
	if err != nil && !errors.Is(err, record.ErrConflict) { // a conflict: another was first
		return fmt.Errorf("storing the key of user %s: %w", user, err)
	}
	return nil
}
