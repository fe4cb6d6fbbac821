package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// keyLost reports whether a command met a key file that is missing beside a
// sealed store, or a dialogue that is sealed under another key. Of the other
// dialogues neither says anything: see remains.
func (c config) isKeyLost(err error) bool {
	if _, wrong := errors.AsType[*keys.WrongKeyError](err); wrong {
		return true
	}
	file, ok := errors.AsType[*localfile.FileError](err)
	return ok && file.Path == c.umk && isMissing(c.umk)
}

// remains says, as a hint, why the store must not be offered for removal
// although a key was lost: something in it may be opened yet, or is damaged. ""
// if all of it names another key than the one that is there, or there is no key
// file and all of it is as it was written, as far as that shows without one.
func (c config) resetObstacle(ctx context.Context) string {
	back := "put the right key back at " + c.umk
	found, err := c.checkWraps(ctx)
	switch {
	case err != nil:
		return back + "; the keys of the store cannot be looked through, so nothing is known of its other dialogues"
	case found.arn != "":
		return "set BLUE_KMS_KEY_ARN to the key in KMS that is named: " + found.arn
	case found.fits:
		return "this says nothing of the other dialogues: the key file that is there opens some, or they name it. " +
			"If this one was copied from another store, it needs that store's key; there is nothing to reset"
	case found.damaged:
		return "if the key file was lost or replaced, " + back + ". What a store says of its key is no proof: it may have been altered instead. " +
			"blue-store reset removes the store, whatever the cause"
	}
	return ""
}

// keysFound is what the wrapped keys of a store say of the key file.
type keysFound struct {
	fits    bool   // one opens under the key file, or names it
	arn     string // one names this key in KMS
	damaged bool   // one is not what was written
}

// lookThrough asks every wrapped key until one fits. It never makes a key file,
// and finds none that fits where there is none.
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

// add judges one wrap. umk is nil where there is no key file.
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

// stillLost is the refusal of a removal that was agreed to, where what was true
// when it was asked for is true no more; nil otherwise.
func (c config) stillLost(ctx context.Context, err error) error {
	if hint := c.resetObstacle(ctx); hint != "" {
		return withHint(fmt.Errorf("nothing was removed, for something changed meanwhile: %w", err), hint)
	}
	return nil
}
