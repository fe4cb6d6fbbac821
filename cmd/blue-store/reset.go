package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
)

func resetCommand(a *app) *cobra.Command {
	var confirm string
	c := &cobra.Command{
		Use:   "reset",
		Short: "Remove a local store whose key is lost: all its dialogues, and what this client knows of it",
		Long: "Removes the SQLite files of the store, its keys, the memory of this client and the anchors of\n" +
			"its audit log. Nothing of it can be read again. A master key that is a proper one stays, since\n" +
			"other stores may be sealed under it; a file that can be no key is renamed, and the next write\n" +
			"makes a fresh key. Where that cannot be told, nothing is removed. It asks for the name of the\n" +
			"database file on a terminal; elsewhere --confirm must give it. DynamoDB is never reset.",
		Example: "  blue-store reset\n  blue-store reset --confirm blue.db",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.reset(c.Context(), confirm) },
	}
	c.Flags().StringVar(&confirm, "confirm", "", "the `NAME` of the database file, where nobody can be asked")
	return c
}

// resetAnswer is what reset says, schema blue-store/reset@1.
type resetAnswer struct {
	Schema  string   `json:"schema"`
	Store   string   `json:"store"`
	Removed []string `json:"removed"`
	Renamed string   `json:"renamed,omitempty"` // the unusable master key, where it is now
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
		given: confirm, name: name, warning: "This removes every dialogue in " + c.database + " for good.",
		wants: "reset wants the name of the database file", hint: "blue-store reset --confirm " + name, undone: "removed",
	})
	if err != nil {
		return err
	}
	answer, err := c.wipe(ctx)
	if err != nil {
		return err
	}
	return a.answer(answer, answer.text)
}

// wipe removes the files of the store, data first: what is left by a crash in
// between is a store without data, which another reset removes.
func (c config) wipe(ctx context.Context) (*resetAnswer, error) {
	aside, err := c.isUnusableKey(ctx)
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
			return nil, fmt.Errorf("%w: removing what this client knows of the store: %w", blue.ErrUnavailable, err)
		}
		answer.Removed = append(answer.Removed, folder)
	}
	if !aside {
		return answer, nil
	}
	answer.Renamed = c.umk + ".unusable-" + time.Now().UTC().Format("20060102T150405Z")
	if err := os.Rename(c.umk, answer.Renamed); err != nil {
		return nil, fmt.Errorf("%w: the store is removed, but the unusable key is in the way: %w", blue.ErrUnavailable, err)
	}
	return answer, nil
}

// noKey reports whether what lies in the place of the master key can be none,
// so that it is put aside. A file that is refused and may be a key all the same
// is an error: other stores may be sealed under it, and this one too.
func (c config) isUnusableKey(ctx context.Context) (bool, error) {
	if c.kms.isSet() {
		return false, nil // it is not even looked at
	}
	_, err := localfile.Open(c.umk, nil).Fingerprint(ctx)
	file, refused := errors.AsType[*localfile.FileError](err)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return false, nil
	case refused && file.NoKey:
		return true, nil
	}
	return false, withHint(fmt.Errorf("nothing was removed, for the key file may be a proper key: %w", err),
		"put it in order first (blue-store doctor says what is wrong with it, blue-store doctor --fix takes access away from others), or move it to a safe place")
}

func (r *resetAnswer) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "removed: the store %s (%d files and folders)\n", r.Store, len(r.Removed))
	if r.Renamed != "" {
		fmt.Fprintf(&b, "renamed: the unusable key is now %s\n", r.Renamed)
	}
	b.WriteString("the next write makes a new store\n")
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

// offerReset asks the RFC's question after a command that met a lost or
// replaced key (RFC 0058, "Key Loss Behavior"): only on a terminal, only where
// nothing in the store can be opened with the key file that is there, and never
// after an integrity failure, which must not lead anyone to destroy a store.
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
	typed, asked, askErr := a.ask(ctx, fmt.Sprintf("error: %v\nLocal encryption key changed. Reset database? [y/N] ", err))
	switch {
	case !asked:
		return withHint(err, "put the right key back at "+c.umk+"; if it is lost for good, so is what it sealed: blue-store reset")
	case askErr != nil:
		return errors.Join(err, askErr)
	case typed != "y" && typed != "Y" && typed != "yes":
		return withHint(err, "nothing was changed. Put the right key back at "+c.umk+", or run blue-store reset")
	}
	if err := c.stillLost(ctx, err); err != nil {
		return err
	}
	answer, wipeErr := c.wipe(ctx)
	if wipeErr != nil {
		return errors.Join(err, wipeErr)
	}
	a.note("removed: the store %s (%d files and folders)", answer.Store, len(answer.Removed))
	return withHint(fmt.Errorf("%w: the old dialogues are gone with their key", blue.ErrSealed), "the store is empty now; run the command again")
}
