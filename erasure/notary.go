package erasure

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/record"
)

// Notary issues certificates about one store, below its seal. It needs no key
// but the one that signs, and changes nothing in the store.
type Notary struct {
	Store     record.Store
	Signer    *checkpoint.Signer
	Verifiers note.Verifiers // of the log's checkpoints and of certificates
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// CacheTTL is how long other processes may hold a key in memory; 300 s,
	// which is the default of keys.Ring, if 0.
	CacheTTL time.Duration
}

const defaultTTL = 300 * time.Second

func (n *Notary) now() time.Time {
	if n.Now == nil {
		return time.Now().UTC()
	}
	return n.Now().UTC()
}

// Issue returns a pending certificate of an erasure that is finished. A
// checkpoint must cover its outcome: see audit.Log.Checkpoint. That of a user is
// issued before their name is forgotten (encrypted.EncryptedStore.ForgetUser),
// and holds from then on. Without a place
// the newest outcome is looked for in the whole log; the one of a user cannot
// be found so, since it does not name them, and must be given
// (encrypted.UserErasure.Event).
//
// Errors: ErrNotFound where no such erasure, or no checkpoint over it, is
// known, or one of a user that took nothing away; ErrConflict for one that is not finished; ErrTampered where store and
// log disagree; ErrInvalid; the store's own, also where it cannot list its copies.
func (n *Notary) Issue(ctx context.Context, subject Subject, at encrypted.EventPlace) (string, error) {
	text, err := n.issue(ctx, subject, at)
	if err != nil {
		return "", fmt.Errorf("certifying the erasure of %s %s: %w", subject.Kind, subject.ID, err)
	}
	return text, nil
}

func (n *Notary) issue(ctx context.Context, subject Subject, at encrypted.EventPlace) (string, error) {
	e, err := n.outcome(ctx, subject, at)
	if err != nil {
		return "", err
	}
	c, err := described(ctx, n.Store, subject, &e)
	if err == nil && subject.Kind == KindDialogue {
		err = finished(ctx, n.Store, subject.ID)
	}
	if err != nil {
		return "", err
	}
	c.Format, c.State, c.Event = Format, Pending, Event{Chain: e.Chain, Seq: e.Seq, Hash: e.EventHash}
	if c.Proof, err = auditor.Proof(ctx, auditor.FromStore(n.Store), e.Chain, e.Seq, n.Verifiers); err != nil {
		return "", err
	}
	if c.Store, err = identity(ctx, n.Store); err != nil {
		return "", err
	}
	if c.Copies, err = n.copies(ctx, c.FinishedAt); err != nil {
		return "", err
	}
	if err := n.date(&c); err != nil {
		return "", err
	}
	if err := check(ctx, n.Store, &c, n.Verifiers, n.limits()); err != nil {
		return "", err
	}
	return c.sign(n.Signer)
}

// limits are those of a verification.
func (n *Notary) limits() limits { return (&Options{Now: n.Now, CacheTTL: n.CacheTTL}).limits() }

// finished is ErrConflict while a dialogue is being erased.
func finished(ctx context.Context, store record.Store, dialogue string) error {
	line, err := registered(ctx, store, dialogue)
	if err == nil && line.FinishedAt == "" {
		err = fmt.Errorf("%w: the erasure is not finished; run it again", blue.ErrConflict)
	}
	return err
}

// date sets issued_at and final_not_before.
func (n *Notary) date(c *Certificate) error {
	end, known, err := c.end()
	c.IssuedAt, c.NotBefore = n.now().Format(second), ""
	if known {
		c.NotBefore = end.Format(second)
	}
	return err
}

// outcome reads the event of an erasure's outcome.
func (n *Notary) outcome(ctx context.Context, subject Subject, at encrypted.EventPlace) (audit.Event, error) {
	if at.Chain != "" {
		return audit.ReadEvent(ctx, n.Store, at.Chain, at.Seq)
	}
	if subject.Kind == KindUser || subject.ID == "" {
		return audit.Event{}, fmt.Errorf("%w: the place of the outcome's event must be given", blue.ErrInvalid)
	}
	var newest audit.Event
	found := auditor.Filter{Dialogue: subject.ID, Operation: audit.Erase, Outcome: audit.Success}
	for e, err := range auditor.Events(ctx, auditor.FromStore(n.Store), found) {
		if err != nil {
			return audit.Event{}, err
		}
		if e.Timestamp >= newest.Timestamp {
			newest = e
		}
	}
	if newest.Chain == "" {
		return newest, fmt.Errorf("%w: the log holds no erasure of it", blue.ErrNotFound)
	}
	return newest, nil
}

// copies lists where what was destroyed at a time may still be.
func (n *Notary) copies(ctx context.Context, finished string) ([]Copy, error) {
	at, err := time.Parse(time.RFC3339Nano, finished)
	if err != nil {
		return nil, fmt.Errorf("%w: the end of the erasure is no time", blue.ErrTampered)
	}
	known, err := listed(ctx, n.Store, at, n.now())
	return append([]Copy{cached(at, n.limits().ttl)}, known...), err
}

// cached is the copy that every certificate lists: what other processes had
// opened when the erasure was finished.
func cached(finished time.Time, ttl time.Duration) Copy {
	return Copy{Kind: "cache", What: "keys in the memory of processes that run", Expires: roundUp(finished.Add(ttl)).Format(second), Covered: true}
}

// clocks is how far the clock of a client that erases may be behind the one that
// dates a store's copies. Nothing else bounds it: the SDK goes on in AWS's time
// once it was told that its own is wrong.
const clocks = time.Hour

// listed asks the store. A copy that was clearly made later holds nothing of
// what was erased; one that is still there after its end has none.
func listed(ctx context.Context, store record.Store, finished, now time.Time) ([]Copy, error) {
	inventory, ok := store.(record.Inventory)
	if !ok {
		return nil, nil
	}
	found, err := inventory.Copies(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the copies of the store: %w", err)
	}
	var all []Copy
	for _, f := range found {
		if f.Made.After(finished.Add(clocks)) {
			continue
		}
		c := Copy{Kind: f.Kind, What: f.What, Covered: f.Covered}
		end := f.Expires
		if f.Window > 0 {
			end = finished.Add(f.Window + clocks)
		} else if !end.After(now) {
			end = time.Time{}
		}
		if !end.IsZero() {
			c.Expires = roundUp(end).Format(second)
		}
		all = append(all, c)
	}
	return all, nil
}

// identity names the store, [] where it does not say.
func identity(ctx context.Context, store record.Store) ([]string, error) {
	identified, ok := store.(record.Identified)
	if !ok {
		return []string{}, nil
	}
	name, err := identified.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking which store it is: %w", err)
	}
	return append([]string{}, name...), nil
}

// sameStore refuses to ask another store than the one that the certificate was
// issued in: it may hold the same records, and would know nothing of the copies.
func (n *Notary) sameStore(ctx context.Context, c *Certificate) error {
	here, err := identity(ctx, n.Store)
	if err == nil && !slices.Equal(here, c.Store) {
		err = wrong("it was issued in %s, and this store is %s, which need not know of the same copies", named(c.Store), named(here))
	}
	return err
}

func named(store []string) string {
	return cmp.Or(strings.Join(store, " and "), "one that has no name")
}

// Finalize returns the final form of a certificate, when all of it still holds
// in the store and no copy is left that the store knows of: neither one that
// the certificate lists with its end, nor one that is there now. Until then
// blue.ErrRefused says what is in the way. ErrTampered for a certificate that was
// issued in another store. Other errors as of Verify.
func (n *Notary) Finalize(ctx context.Context, text string) (string, error) {
	c, err := n.Verify(ctx, text)
	if err != nil || c.State == Final {
		return text, err
	}
	if err := n.sameStore(ctx, &c); err != nil {
		return "", err
	}
	present, err := n.copies(ctx, c.FinishedAt)
	if err != nil {
		return "", err
	}
	// What had no end and is not listed any more was deleted.
	c.Copies = slices.DeleteFunc(c.Copies, func(old Copy) bool {
		return old.Covered && old.Expires == "" && !slices.Contains(present, old)
	})
	for _, copied := range present {
		if !slices.Contains(c.Copies, copied) {
			c.Copies = append(c.Copies, copied)
		}
	}
	if err := n.date(&c); err != nil {
		return "", err
	}
	if c.NotBefore == "" || c.IssuedAt < c.NotBefore {
		return "", fmt.Errorf("%w: it stays pending: %s", blue.ErrRefused, c.waiting(c.IssuedAt))
	}
	c.State = Final
	return c.sign(n.Signer)
}

// waiting names the first copy that is in the way at a time.
func (c *Certificate) waiting(now string) string {
	for _, copied := range c.Copies {
		switch {
		case !copied.Covered:
		case copied.Expires == "":
			return copied.What + ", until it is deleted"
		case copied.Expires > now:
			return copied.What + ", until " + copied.Expires
		}
	}
	return "until " + c.NotBefore
}

// Verify is the function of that name with the notary's store, keys and clock.
func (n *Notary) Verify(ctx context.Context, text string) (Certificate, error) {
	return Verify(ctx, text, n.Store, n.Verifiers, &Options{Now: n.Now, CacheTTL: n.CacheTTL})
}

// Dialogues yields every dialogue that a store's index or its log names: those
// to look at when a user is erased. It holds their names.
func Dialogues(ctx context.Context, store record.Store) func(yield func(blue.DialogueID, error) bool) {
	return func(yield func(blue.DialogueID, error) bool) {
		src, seen := auditor.FromStore(store), map[string]bool{}
		show := func(id string, err error) bool {
			if err == nil && (id == "" || seen[id]) {
				return true
			}
			seen[id] = true
			return yield(blue.DialogueID(id), err) && err == nil
		}
		for id, err := range src.Dialogues(ctx) {
			if !show(id, err) {
				return
			}
		}
		for e, err := range auditor.Events(ctx, src, auditor.Filter{}) {
			if !show(e.Dialogue, err) {
				return
			}
		}
	}
}
