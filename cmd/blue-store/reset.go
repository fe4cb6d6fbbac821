package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
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
		Args:    cobra.NoArgs,
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
