package main

import (
	"context"
	"errors"
	"strings"

	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// isKeyLost reports whether an error means that the key file of an encrypted store
// is missing, or that a dialogue needs another key. It does not check the other
// dialogues. resetObstacle does that.
func (c config) isKeyLost(err error) bool {
	if _, wrong := errors.AsType[*keys.WrongKeyError](err); wrong {
		return true
	}
	file, ok := errors.AsType[*localfile.FileError](err)
	return ok && file.Path == c.umk && isMissing(c.umk)
}

// resetObstacle returns a hint why the store must not be offered for removal after
// the loss of a key: some dialogue can still be decrypted, or is damaged. It
// returns "" if all dialogues need another key than the current key file, or if
// there is no key file and no damage is visible.
func (c config) resetObstacle(ctx context.Context) string {
	restore := "restore the right key at " + c.umk
	found, err := c.checkWraps(ctx)
	switch {
	case err != nil:
		return restore + "; the keys of the store cannot be read, so the state of its other dialogues is unknown"
	case found.arn != "":
		return "set BLUE_KMS_KEY_ARN to the key that the store names: " + found.arn
	case found.fits:
		return "other dialogues of the store use the current key file. " +
			"If this one was copied from another store, it needs the key of that store; there is nothing to reset"
	case found.damaged:
		return "if the key file was lost or replaced, " + restore + ". The store can be damaged instead, because the key that it names is not proven. " +
			"blue-store reset removes the store in either case"
	}
	return ""
}

// keysFound is the result of checking the wrapped keys of a store.
type keysFound struct {
	fits    bool   // the key file unwraps a key, or a key names it
	arn     string // a key names this key in KMS
	damaged bool   // a key is malformed
}

// checkWraps checks every wrapped key until one fits the key file. It never creates
// a key file. If there is none, no key fits.
func (c config) checkWraps(ctx context.Context) (found keysFound, err error) {
	s, err := sqlite.Open(ctx, c.database, &sqlite.Options{ReadOnly: true})
	if err != nil {
		return found, err
	}
	defer s.Close()
	wraps, err := s.Wraps(ctx)
	if err != nil {
		return found, err
	}
	provider := localfile.Open(c.umk, nil)
	var umk keys.UMK
	if !isMissing(c.umk) {
		if umk, err = provider.UMK(ctx); err != nil {
			return found, err
		}
		defer umk.Destroy()
	}
	for _, w := range wraps {
		if found.add(ctx, provider, umk, w); found.fits {
			break
		}
	}
	return found, nil
}

// add checks one wrapped key. umk is nil if there is no key file.
func (f *keysFound) add(ctx context.Context, p *localfile.Provider, umk keys.UMK, w record.Record) {
	dialogue, _ := w.Key.Partition.Dialogue()
	b := keys.Binding{User: w.Attrs["user"].Str(), Dialogue: dialogue, Version: uint32(w.Attrs["version"].Int())}
	named := w.Attrs["umk"].Str()
	switch {
	case umk != nil && (named == umk.Fingerprint() || canUnwrap(ctx, p, umk, b, w.Attrs["wrapped"].Bin())):
		f.fits = true
	case strings.HasPrefix(named, "arn:"):
		f.arn = named
	case b.Check() != nil || b.SK() != w.Key.Item || !strings.HasPrefix(named, "umk:"):
		f.damaged = true
	}
}

// canUnwrap reports whether the key file unwraps a wrapped key.
func canUnwrap(ctx context.Context, p *localfile.Provider, umk keys.UMK, b keys.Binding, w keys.Wrapped) bool {
	kek, err := p.DeriveKEK(ctx, umk, b.User)
	if err != nil {
		return false
	}
	defer kek.Destroy()
	secret, err := p.UnwrapDEK(ctx, kek, b, w)
	if err != nil {
		return false
	}
	secret.Destroy()
	return true
}
