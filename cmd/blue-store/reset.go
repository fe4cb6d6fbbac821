package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

func resetCommand(a *app) *cobra.Command {
	var confirm string
	c := &cobra.Command{
		Use:   "reset",
		Short: "Remove a local store whose key is lost, with all its dialogues and this client's records of it",
		Long: "Permanently removes the SQLite files of the store, its keys, the freshness records of this client\n" +
			"and the anchors of the audit log. A valid master key stays, because other stores can depend on\n" +
			"it. A file that cannot be a key is renamed, and the next write creates a new key. If the file can\n" +
			"be a key but is not usable, nothing is removed. You must confirm the name of the database file, on\n" +
			"a terminal or with --confirm. DynamoDB is never reset.",
		Example: "  blue-store reset\n  blue-store reset --confirm blue.db",
		RunE:    func(c *cobra.Command, _ []string) error { return a.reset(c.Context(), confirm) },
	}
	c.Flags().StringVar(&confirm, "confirm", "", "the `NAME` of the database file, instead of the question on a terminal")
	return c
}

// resetAnswer is the answer of reset, schema blue-store/reset@1.
type resetAnswer struct {
	Schema  string   `json:"schema"`
	Store   string   `json:"store"`
	Removed []string `json:"removed"`
	Renamed string   `json:"renamed,omitempty"` // the new path of the unusable master key
}

func (a *app) reset(ctx context.Context, confirm string) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	if c.kind != kindSQLite {
		return usage("reset removes a local store; %s is not one", c.name())
	}
	if err := c.checkExists(); err != nil {
		return err
	}
	name := filepath.Base(c.database)
	err = a.confirm(ctx, confirmation{
		given: confirm, name: name, warning: "This permanently removes every dialogue in " + c.database + ".",
		wants: "reset requires the name of the database file as confirmation", hint: "blue-store reset --confirm " + name, undone: "removed",
	})
	if err != nil {
		return err
	}
	answer, err := c.wipe(ctx)
	if err != nil {
		return err
	}
	return a.answerText(answer, answer.text())
}

// wipe removes the files of the store, data first. After a crash, another reset
// removes the remaining files.
func (c config) wipe(ctx context.Context) (*resetAnswer, error) {
	isUnusable, err := c.isUnusableKey(ctx)
	if err != nil {
		return nil, err
	}
	answer := &resetAnswer{Schema: "blue-store/reset@1", Store: c.database, Removed: []string{}}
	for _, path := range []string{c.database, c.database + ".keys"} {
		for _, end := range []string{"", "-wal", "-shm", "-journal"} {
			err := os.Remove(path + end)
			if err == nil {
				answer.Removed = append(answer.Removed, path+end)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%w: removing the store: %w", blue.ErrUnavailable, err)
			}
		}
	}
	for _, folder := range []string{c.heads, c.audit.anchors} {
		if isMissing(folder) {
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			return nil, fmt.Errorf("%w: removing the records of this client: %w", blue.ErrUnavailable, err)
		}
		answer.Removed = append(answer.Removed, folder)
	}
	if !isUnusable {
		return answer, nil
	}
	answer.Renamed = c.umk + ".unusable-" + time.Now().UTC().Format("20060102T150405Z")
	if err := os.Rename(c.umk, answer.Renamed); err != nil {
		return nil, fmt.Errorf("%w: the store is removed; renaming the unusable key: %w", blue.ErrUnavailable, err)
	}
	return answer, nil
}

// isUnusableKey reports whether the file at the path of the master key cannot be a
// key. It returns an error if the file is refused but can still be a key, because
// this and other stores can depend on it.
func (c config) isUnusableKey(ctx context.Context) (bool, error) {
	if c.kms.isSet() {
		return false, nil // the key file is not used
	}
	_, err := localfile.Open(c.umk, nil).Fingerprint(ctx)
	file, refused := errors.AsType[*localfile.FileError](err)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return false, nil
	case refused && file.NoKey:
		return true, nil
	}
	return false, withHint(fmt.Errorf("nothing was removed, because the key file can be a valid key: %w", err),
		"repair the key file first (blue-store doctor reports the error, blue-store doctor --fix revokes the access of others), or move it to a safe place")
}

func (r *resetAnswer) text() string {
	text := fmt.Sprintf("removed: the store %s (%d files and folders)\n", r.Store, len(r.Removed))
	if r.Renamed != "" {
		text += fmt.Sprintf("renamed: the unusable key is now %s\n", r.Renamed)
	}
	return text + "the next write creates a new store\n"
}

// offerReset asks the question of RFC 0058, "Key Loss Behavior", after a command
// that found a lost or replaced key. It asks only on a terminal, and only if the
// current key file opens nothing in the store. It never asks after an integrity
// error, because the user must not destroy a damaged store.
func (a *app) offerReset(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, blue.ErrTampered) {
		return err
	}
	c, configErr := a.config()
	if configErr != nil || c.kind != kindSQLite || c.kms.isSet() || c.checkExists() != nil || !c.isKeyLost(err) {
		return err
	}
	if hint := c.resetObstacle(ctx); hint != "" {
		return withHint(err, hint)
	}
	typed, canAsk, askErr := a.ask(ctx, fmt.Sprintf("error: %v\nLocal encryption key changed. Reset database? [y/N] ", err))
	switch {
	case !canAsk:
		return withHint(err, "restore the right key at "+c.umk+"; if it is lost, its dialogues are lost too: blue-store reset")
	case askErr != nil:
		return errors.Join(err, askErr)
	case typed != "y" && typed != "Y" && typed != "yes":
		return withHint(err, "nothing was changed. Restore the right key at "+c.umk+", or run blue-store reset")
	}
	if hint := c.resetObstacle(ctx); hint != "" { // the store changed after the question
		return withHint(fmt.Errorf("nothing was removed, because the store has changed: %w", err), hint)
	}
	answer, wipeErr := c.wipe(ctx)
	if wipeErr != nil {
		return errors.Join(err, wipeErr)
	}
	a.note("removed: the store %s (%d files and folders)", answer.Store, len(answer.Removed))
	return withHint(fmt.Errorf("%w: the dialogues of the lost key are removed", blue.ErrSealed), "the store is empty now; run the command again")
}

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
