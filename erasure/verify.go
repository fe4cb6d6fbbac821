package erasure

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
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
// so, no wrapped key and no item is there, and the tombstone stands. Of a user:
// that they hold no key in any dialogue which the store's index or its log names,
// and have neither a key of their own nor a name in the directory. The
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
	if err := check(ctx, store, &c, verifiers); err != nil || c.Subject.Kind != KindUser {
		return c, err
	}
	return c, checkForgotten(ctx, store, c.Subject.ID)
}

// checkFinal: its date has come, and the store lists nothing that is alive.
func (c *Certificate) checkFinal(ctx context.Context, store record.Store, now time.Time) error {
	text := now.Format(second)
	if text < c.NotBefore {
		return wrong("it is final, and may not be before %s", c.NotBefore)
	}
	last, err := c.last(ctx, store)
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339Nano, last)
	if err != nil {
		return wrong("finished_at is no time")
	}
	present, err := listed(ctx, store, at, now)
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
	case len(status.Standing()) > 0:
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

// checkUser looks for anything that is left of a user but their name.
func (c *Certificate) checkUser(ctx context.Context, store record.Store, e *audit.Event) error {
	if err := c.checkOutcome(e); err != nil {
		return err
	}
	for _, id := range c.Erased {
		if err := checkErased(ctx, store, id, nil); err != nil {
			return err
		}
	}
	for id, err := range Dialogues(ctx, store) {
		if err == nil {
			err = c.checkHolds(ctx, store, string(id))
		}
		if err != nil {
			return err
		}
	}
	for _, id := range c.Revoked { // also where neither index nor log name it any more
		if err := c.checkHolds(ctx, store, id); err != nil {
			return err
		}
	}
	stored, err := reader(store).Stored(ctx, c.Subject.ID)
	if err == nil && len(stored) > 0 {
		err = wrong("a key of user %s is stored", c.Subject.ID)
	}
	return err
}

// checkOutcome compares a user's certificate with the event.
func (c *Certificate) checkOutcome(e *audit.Event) error {
	out, err := outcomeOf(e)
	if errors.Is(err, blue.ErrNotFound) {
		return wrong("its event took nothing from anybody")
	}
	if err != nil {
		return err
	}
	if !slices.Equal(out.erased, c.Erased) || !slices.Equal(out.revoked, c.Revoked) {
		return wrong("its event names other dialogues")
	}
	for _, hash := range out.wraps {
		if !slices.Contains(c.Keys, hash) {
			return wrong("its event names a key that it does not")
		}
	}
	if out.begun != c.StartedAt {
		return wrong("its event says that it began at %.40q", out.begun)
	}
	return nil
}

// checkHolds looks among the keys of a dialogue for the user, and for keys that
// the certificate says are gone.
func (c *Certificate) checkHolds(ctx context.Context, store record.Store, dialogue string) error {
	user := c.Subject.ID
	status, err := reader(store).Status(ctx, dialogue)
	if err != nil {
		return notFound(err)
	}
	if slices.Contains(status.Users(), user) || len(status.StraysOf(user)) > 0 {
		return wrong("user %s holds a key of dialogue %s", user, dialogue)
	}
	for _, hash := range status.Standing() {
		if slices.Contains(c.Keys, hash) {
			return wrong("the key %.64q is stored again, in dialogue %s", hash, dialogue)
		}
	}
	return nil
}

// checkForgotten looks for a user's names in the directory.
func checkForgotten(ctx context.Context, store record.Store, user string) error {
	names, err := audit.NewDirectory(store).NamesOf(ctx, user)
	if err == nil && len(names) > 0 {
		err = wrong("user %s has a name in the directory; run blue-store erase --user %s", user, user)
	}
	return err
}

// outcome is what the event of a user's erasure says.
type outcome struct {
	erased, revoked []string // ids of dialogues, ascending; not nil
	wraps           []string // SHA-256, 64 hex digits
	begun           string
}

// outcomeOf reads the outcome of a user's erasure. ErrNotFound for one that took
// nothing away.
func outcomeOf(e *audit.Event) (outcome, error) {
	all, err := e.Items()
	if err != nil {
		return outcome{}, err
	}
	out, named := outcome{erased: []string{}, revoked: []string{}}, false
	for _, item := range all {
		if id, ok := strings.CutPrefix(item.SK, encrypted.ErasedItem); ok {
			out.erased = append(out.erased, id)
		}
		if id, ok := strings.CutPrefix(item.SK, encrypted.RevokedItem); ok {
			out.revoked = append(out.revoked, id)
		}
		if hash, ok := strings.CutPrefix(item.SK, encrypted.WrapItem); ok {
			out.wraps = append(out.wraps, hash)
		}
		if begun, ok := strings.CutPrefix(item.SK, encrypted.BegunItem); ok {
			out.begun = begun
		}
		named = named || item.SK == encrypted.NameItem
	}
	if len(out.erased)+len(out.revoked)+len(out.wraps) == 0 && !named {
		return outcome{}, fmt.Errorf("%w: the event at its place took nothing from anybody", blue.ErrNotFound)
	}
	return out, nil
}
