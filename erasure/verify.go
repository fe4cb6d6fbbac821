package erasure

import (
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/record"
)

// Options configure Verify. Nil works.
type Options struct {
	Now func() time.Time // time.Now if nil
}

// Verify checks a certificate against the store it is about: the signature; that
// it agrees with itself and, if final, that its date has come and the store
// lists no copy from before; that its event is in the log, says the same, and
// is under a signed checkpoint; and that what was erased still is: the keys say
// so, no wrapped key and no item is there, and the tombstone stands. The
// certificate is returned also where a check fails, if it could be read.
//
// Errors: ErrTampered says what fails, be it the certificate, or the store,
// which may be another one, or has been restored: then erase replay is due;
// the store's own.
func Verify(ctx context.Context, text string, store record.Store, verifiers note.Verifiers, opts *Options) (Certificate, error) {
	now := time.Now
	if opts != nil && opts.Now != nil {
		now = opts.Now
	}
	c, err := Open(text, verifiers)
	if err != nil {
		return c, err
	}
	if c.State == Final {
		if err := c.checkFinal(ctx, store, now().UTC()); err != nil {
			return c, err
		}
	}
	return c, check(ctx, store, &c, verifiers)
}

// checkFinal: its date has come, and the store lists nothing that is alive.
func (c *Certificate) checkFinal(ctx context.Context, store record.Store, now time.Time) error {
	text := now.Format(second)
	if text < c.NotBefore {
		return wrong("it is final, and may not be before %s", c.NotBefore)
	}
	at, err := time.Parse(time.RFC3339Nano, c.FinishedAt)
	if err != nil {
		return wrong("finished_at is no time")
	}
	present, err := listed(ctx, store, at)
	if err != nil {
		return err
	}
	for _, copied := range present {
		if copied.Covered && (copied.Expires == "" || copied.Expires > text) {
			return wrong("it is final, and a copy is there: %s", copied.What)
		}
	}
	return nil
}

// check compares a certificate with the store.
func check(ctx context.Context, store record.Store, c *Certificate, verifiers note.Verifiers) error {
	e, err := c.checkEvent(ctx, store, verifiers)
	if err != nil {
		return err
	}
	if c.Subject.Kind == KindUser {
		return c.checkUser(ctx, store, &e)
	}
	if e.ItemCount != c.Items || hex.EncodeToString(e.ItemsDigest) != c.ItemsDigest {
		return wrong("its event counts %d items, or has another digest", e.ItemCount)
	}
	return checkErased(ctx, store, c.Subject.ID, c.Keys)
}

// checkEvent finds the event in the log and under the signed checkpoint.
func (c *Certificate) checkEvent(ctx context.Context, store record.Store, verifiers note.Verifiers) (audit.Event, error) {
	e, err := audit.ReadEvent(ctx, store, c.Event.Chain, c.Event.Seq)
	if errors.Is(err, blue.ErrNotFound) {
		return e, wrong("its event is not in the log of this store: it is of another store, or the log was put back")
	}
	if err != nil {
		return e, err
	}
	dialogue := c.Subject.ID
	if c.Subject.Kind == KindUser {
		dialogue = ""
	}
	if e.EventHash != c.Event.Hash || e.Operation != audit.Erase || e.Outcome != audit.Success || e.Dialogue != dialogue {
		return e, wrong("another event stands at its place in the log")
	}
	p, err := checkpoint.ParseProof(c.Proof)
	if err != nil {
		return e, err
	}
	leaf, err := hex.DecodeString(e.EventHash)
	if err != nil {
		return e, wrong("the event's hash")
	}
	signed, err := p.Open(leaf, verifiers)
	if err != nil {
		return e, err
	}
	if signed.Origin != checkpoint.Origin(e.Chain) || p.Index != e.Seq-1 {
		return e, wrong("its proof is about another event")
	}
	return e, nil
}

// checkErased looks for anything that is left of a dialogue.
func checkErased(ctx context.Context, store record.Store, dialogue string, fingerprints []string) error {
	status, err := reader(store).Status(ctx, dialogue)
	switch {
	case notFound(err) != nil:
		return err
	case err != nil:
		return wrong("the keys of dialogue %s do not say that it was erased", dialogue)
	case len(status.Versions) > 0:
		return wrong("dialogue %s has wrapped keys again; run blue-store erase replay", dialogue)
	case status.State != "erased":
		return wrong("the keys of dialogue %s are %.40q, not erased", dialogue, status.State)
	}
	line, err := registered(ctx, store, dialogue)
	if err != nil {
		return err
	}
	for _, hash := range fingerprints {
		if !slices.Contains(line.Wraps, hash) {
			return wrong("the registry of erasures does not know the key %.64q", hash)
		}
	}
	return checkGone(ctx, store, dialogue)
}

// checkGone looks for items, and for the tombstone.
func checkGone(ctx context.Context, store record.Store, dialogue string) error {
	pk := "dialogue#" + dialogue
	left, err := store.Query(ctx, record.Query{Table: record.Dialogues, PK: pk})
	switch {
	case err != nil:
		return err
	case len(left) != 1 || !record.IsErased(left[0]):
		return wrong("%d records of dialogue %s are stored instead of its tombstone alone; run blue-store erase replay", len(left), dialogue)
	}
	if p, ok := store.(record.Purger); ok {
		n, err := p.Leftovers(ctx, pk)
		if err != nil {
			return err
		}
		if n > 0 {
			return wrong("%d pieces of an unfinished commit to dialogue %s are stored; erase it again", n, dialogue)
		}
	}
	return nil
}

// checkUser looks for anything that is left of a user.
func (c *Certificate) checkUser(ctx context.Context, store record.Store, e *audit.Event) error {
	user := c.Subject.ID
	erased, revoked, wraps, err := items(e)
	if err != nil {
		return err
	}
	if !slices.Equal(erased, c.Erased) || !slices.Equal(revoked, c.Revoked) {
		return wrong("its event names other dialogues")
	}
	for _, hash := range wraps {
		if !slices.Contains(c.Keys, hash) {
			return wrong("its event names a key that it does not")
		}
	}
	for _, id := range erased {
		if err := checkErased(ctx, store, id, nil); err != nil {
			return err
		}
	}
	for _, id := range revoked {
		status, err := reader(store).Status(ctx, id)
		if notFound(err) != nil {
			return err
		}
		if slices.Contains(status.Users(), user) {
			return wrong("user %s holds a key of dialogue %s again", user, id)
		}
	}
	stored, err := store.Query(ctx, record.Query{Table: record.Keys, PK: "user#" + user})
	if err != nil {
		return err
	}
	names, err := audit.NewDirectory(store).Names(ctx)
	if err != nil {
		return err
	}
	if len(stored) > 0 || slices.Contains(slices.Collect(maps.Values(names)), user) {
		return wrong("user %s has a key or a pseudonym again", user)
	}
	return nil
}

// items reads the outcome of a user's erasure.
func items(e *audit.Event) (erased, revoked, wraps []string, err error) {
	all, err := e.Items()
	if err != nil {
		return nil, nil, nil, err
	}
	erased, revoked = []string{}, []string{}
	for _, item := range all {
		if id, ok := strings.CutPrefix(item.SK, encrypted.ErasedItem); ok {
			erased = append(erased, id)
		}
		if id, ok := strings.CutPrefix(item.SK, encrypted.RevokedItem); ok {
			revoked = append(revoked, id)
		}
		if hash, ok := strings.CutPrefix(item.SK, encrypted.WrapItem); ok {
			wraps = append(wraps, hash)
		}
	}
	return erased, revoked, wraps, nil
}
