package awskms

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// The layout of a stored KEK as drawn in the package documentation.
const (
	kekSK = "kek"

	attrWrapped = "wrapped"
	attrUMK     = "umk"
	attrUser    = "user"
	attrTables  = "tables"
	attrEpoch   = "epoch"
	attrCreated = "created_at"
	attrFormer  = "former"

	epoch     = 1
	maxFormer = 16 // earlier KMS keys in a record
)

func kekKey(user string) record.Key {
	return record.Key{Partition: record.UserPartition(user), Item: kekSK}
}

// kekContext returns the encryption context of a user's KEK.
func (p *Provider) kekContext(user string) map[string]string {
	return map[string]string{"blue:purpose": "kek", "blue:user": user, "blue:tables": p.opts.Tables}
}

// readKEK returns the stored record of a user's KEK. exists is false if there is
// none.
func (p *Provider) readKEK(ctx context.Context, user string) (stored record.Record, exists bool, err error) {
	if err := keys.CheckUser(user); err != nil {
		return record.Record{}, false, err
	}
	stored, err = p.table.Get(ctx, kekKey(user))
	if errors.Is(err, record.ErrNotFound) {
		return record.Record{}, false, nil
	}
	if err != nil {
		return record.Record{}, false, fmt.Errorf("reading the key of user %s: %w", user, err)
	}
	return stored, true, nil
}

// formerOf returns the ARNs of the earlier KMS keys of a record, the oldest first.
func formerOf(stored record.Record) []string { return strings.Fields(stored.Attrs[attrFormer].Str()) }

// DeriveKEK implements keys.Provider: it opens the stored KEK of a user with
// kms:Decrypt. It returns *[Error], the errors of the store and ctx, or one of these:
//
//   - keys.ErrNoKEK if no KEK is stored
//   - *keys.WrongKeyError if the KEK is under another KMS key
//   - blue.ErrTampered if the record is not as MakeKEK wrote it
//   - blue.ErrInvalid for a malformed user or a foreign handle
func (p *Provider) DeriveKEK(ctx context.Context, umk keys.UMK, user string) (*keys.KEK, error) {
	if err := p.checkUMK(umk, user); err != nil {
		return nil, err
	}
	stored, exists, err := p.readKEK(ctx, user)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, fmt.Errorf("%w: there is no record %s in blue_keys", keys.ErrNoKEK, kekKey(user))
	}
	blob, err := p.parseKEK(user, stored)
	if err != nil {
		return nil, fmt.Errorf("opening the key of user %s: %w", user, err)
	}
	secret, err := p.decrypt(ctx, blob, p.kekContext(user))
	if err = checkFingerprint(err, stored.Attrs[attrUMK].Str(), p.arn); err != nil {
		if secret != nil {
			secret.Destroy()
		}
		return nil, fmt.Errorf("opening the key of user %s: %w", user, err)
	}
	return keys.NewKEK(user, p.arn, secret, formerOf(stored)...).StoredAt(stored.Key, record.Attrs{attrWrapped: record.B(blob)}), nil
}

// checkFingerprint distinguishes a KEK under another KMS key from one whose
// attribute umk was changed. err is the result of opening the KEK, want the ARN in
// its record, and have the ARN that was used. A KEK that opens although it names
// another ARN was changed. A KEK that names another ARN and does not open is under
// that key, whatever reason KMS gives.
func checkFingerprint(err error, want, have string) error {
	switch e, isRefusal := errors.AsType[*Error](err); {
	case want == have:
		return err
	case err == nil:
		return fmt.Errorf("%w: it opens under %s but names %s", blue.ErrTampered, have, want)
	case isRefusal && (e.Reason == wrongKey || e.Reason == wrongContext || e.Reason == denied):
		return &keys.WrongKeyError{Want: want, Have: have}
	}
	return err
}

// parseKEK returns the wrapped KEK of a record, after it has checked the other
// attributes.
func (p *Provider) parseKEK(user string, stored record.Record) ([]byte, error) {
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
		return nil, p.newError(decryptAction, wrongContext, fmt.Sprintf("the key was made for the tables %.80q, and these are %.80q", tables, p.opts.Tables), nil)
	}
	return blob, nil
}

// MakeKEK implements keys.KEKMaker with kms:GenerateDataKeyWithoutPlaintext. Of
// several concurrent calls one stores its KEK, and the ciphertexts of the others are
// dropped. It returns *[Error], blue.ErrInvalid for a malformed user or a foreign
// handle, and the errors of the store and ctx.
func (p *Provider) MakeKEK(ctx context.Context, umk keys.UMK, user string) error {
	if err := p.checkUMK(umk, user); err != nil {
		return err
	}
	if _, exists, err := p.readKEK(ctx, user); err != nil || exists {
		return err
	}
	blob, err := p.generate(ctx, p.kekContext(user))
	if err != nil {
		return fmt.Errorf("creating the key of user %s: %w", user, err)
	}
	err = p.table.Commit(ctx, record.Write{Table: record.Keys, Record: record.Record{Key: kekKey(user), Attrs: record.Attrs{
		attrWrapped: record.B(blob),
		attrUMK:     record.S(p.arn),
		attrUser:    record.S(user),
		attrTables:  record.S(p.opts.Tables),
		attrEpoch:   record.N(epoch),
		attrCreated: record.S(p.opts.Now().UTC().Format(record.TimeLayout)),
	}}})
	if err != nil && !errors.Is(err, record.ErrConflict) { // another process was first
		return fmt.Errorf("storing the key of user %s: %w", user, err)
	}
	return nil
}

// EraseKEK implements keys.KEKEraser: it deletes the record of the user's KEK. It
// sends nothing. Wraps that were granted to the user do not depend on the KEK, so a
// caller that erases a user must delete them first. EraseKEK returns
// blue.ErrInvalid for a malformed user, blue.ErrConflict if another writer changed
// the record, and the errors of the store.
func (p *Provider) EraseKEK(ctx context.Context, user string) error {
	stored, exists, err := p.readKEK(ctx, user)
	if err != nil || !exists {
		return err
	}
	if err := p.table.Commit(ctx, keys.Removal(stored)); err != nil {
		return fmt.Errorf("erasing the key of user %s: %w", user, err)
	}
	return nil
}

// RewrapKEK implements keys.KEKRewrapper. It opens the stored KEK of a user with the
// KMS key of from, and wraps it under its own KMS key. The KEK itself and the wraps
// under it do not change. The attribute former keeps the earlier ARN, because those
// wraps name it. RewrapKEK calls kms:Decrypt with the old key and kms:Encrypt with
// the new one.
//
// It returns *[Error], the errors of the store and ctx, or one of these:
//
//   - *keys.WrongKeyError if the KEK is under a third KMS key
//   - blue.ErrTampered if the record is not as MakeKEK wrote it
//   - blue.ErrConflict if another writer changed the record
//   - blue.ErrInvalid if from is another kind of provider or has the same KMS key
func (p *Provider) RewrapKEK(ctx context.Context, from keys.Provider, user string) (changed bool, err error) {
	old, ok := from.(*Provider)
	if !ok || old.arn == p.arn {
		return false, fmt.Errorf("%w: keys/awskms: rewrapping needs another KMS key", blue.ErrInvalid)
	}
	stored, exists, err := p.readKEK(ctx, user)
	if err != nil || !exists || stored.Attrs[attrUMK].Str() == p.arn {
		return false, err
	}
	if err := p.rewrap(ctx, old, user, stored); err != nil {
		return false, fmt.Errorf("rewrapping the key of user %s: %w", user, err)
	}
	return true, nil
}

func (p *Provider) rewrap(ctx context.Context, old *Provider, user string, stored record.Record) error {
	blob, err := old.parseKEK(user, stored)
	if err != nil {
		return err
	}
	secret, err := old.decrypt(ctx, blob, old.kekContext(user))
	if secret != nil {
		defer secret.Destroy()
	}
	if err := checkFingerprint(err, stored.Attrs[attrUMK].Str(), old.arn); err != nil {
		return err
	}
	plain := secret.InsecureBytes()
	defer clear(plain)
	if blob, err = p.encrypt(ctx, plain, p.kekContext(user)); err != nil {
		return err
	}
	former := append(formerOf(stored), old.arn)
	former = former[max(0, len(former)-maxFormer):]
	next := stored.Clone()
	next.Attrs[attrWrapped] = record.B(blob)
	next.Attrs[attrUMK] = record.S(p.arn)
	next.Attrs[attrTables] = record.S(p.opts.Tables)
	next.Attrs[attrFormer] = record.S(strings.Join(slices.Compact(former), " "))
	return p.table.Commit(ctx, record.Write{Table: record.Keys, Record: next, Prev: stored.Attrs})
}

// A StoredKey describes the stored KEK of a user. Its values are not authenticated.
type StoredKey struct {
	UMK         string // ARN of the KMS key that wrapped the KEK
	Before      string // ARN before the last RewrapKEK, "" if there was none
	Fingerprint string // SHA-256 of the wrapped KEK, 64 hexadecimal digits; RewrapKEK changes it
	CreatedAt   string // creation of the KEK in record.TimeLayout; RewrapKEK does not change it
}

// StoredKey returns a description of the stored KEK of a user, or the zero value if
// there is none. It returns blue.ErrInvalid for a malformed user and the errors of
// the store.
func (p *Provider) StoredKey(ctx context.Context, user string) (StoredKey, error) {
	stored, _, err := p.readKEK(ctx, user)
	if err != nil || len(stored.Attrs) == 0 {
		return StoredKey{}, err
	}
	former := formerOf(stored)
	return StoredKey{
		UMK: stored.Attrs[attrUMK].Str(), Before: strings.Join(former[max(0, len(former)-1):], ""),
		Fingerprint: fmt.Sprintf("%x", sha256.Sum256(stored.Attrs[attrWrapped].Bin())), CreatedAt: stored.Attrs[attrCreated].Str(),
	}, nil
}
