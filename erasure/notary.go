package erasure

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Notary issues, verifies and finalizes certificates about one store, below
// its encryption. It needs no key but the one that signs, and changes nothing in
// the store. All methods may be called concurrently.
type Notary struct {
	Store     record.Store
	Signer    *checkpoint.Signer // signs certificates; nil for a notary that only verifies
	Verifiers note.Verifiers     // of the log's checkpoints and of certificates
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// CacheTTL is how long other processes can hold a key in memory. The default
	// is keys.DefaultTTL.
	CacheTTL time.Duration
}

func (n *Notary) now() time.Time {
	if n.Now == nil {
		return time.Now().UTC()
	}
	return n.Now().UTC()
}

func (n *Notary) ttl() time.Duration { return cmp.Or(n.CacheTTL, keys.DefaultTTL) }

// Issue returns a pending certificate of a finished erasure. A checkpoint must
// cover the event of its outcome (audit.Log.Checkpoint). The certificate of a
// user is issued before the user's name is forgotten, and holds from then on.
// If at is zero, the newest outcome is searched in the whole log. The outcome of
// a user does not name the user, so its place must be given.
//
// The error is blue.ErrNotFound if no such erasure, or no checkpoint over it, is
// known, or if a user's erasure erased nothing. It is blue.ErrConflict for an
// erasure that is not finished, blue.ErrTampered if store and log disagree,
// blue.ErrInvalid, or an error of the store, also if it cannot list its copies.
func (n *Notary) Issue(ctx context.Context, subject Subject, at Event) (text string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("certifying the erasure of %s %s: %w", subject.Kind, subject.ID, err)
		}
	}()
	e, err := n.outcome(ctx, subject, at)
	if err != nil {
		return "", err
	}
	c, err := describeErasure(ctx, n.Store, subject, &e)
	if err != nil {
		return "", err
	}
	if subject.Kind == KindDialogue {
		if entry, err := registryEntry(ctx, erasureRing(n.Store), subject.ID); err != nil || entry.FinishedAt == "" {
			return "", cmp.Or(err, fmt.Errorf("%w: the erasure is not finished; run it again", blue.ErrConflict))
		}
	}
	c.Format, c.State, c.Event = Format, Pending, placeOf(&e)
	if c.Proof, err = auditor.Proof(ctx, auditor.FromStore(n.Store), e.Chain, e.Seq, n.Verifiers); err != nil {
		return "", err
	}
	if c.Store, err = n.identity(ctx); err != nil {
		return "", err
	}
	if c.Copies, err = n.copies(ctx, c.FinishedAt); err != nil {
		return "", err
	}
	if err := n.date(&c); err != nil {
		return "", err
	}
	if err := n.check(ctx, &c); err != nil {
		return "", err
	}
	return c.sign(n.Signer)
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
func (n *Notary) outcome(ctx context.Context, subject Subject, at Event) (audit.Event, error) {
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

// copies lists the places from which the erased data could come back.
func (n *Notary) copies(ctx context.Context, finished string) ([]Copy, error) {
	at, err := time.Parse(time.RFC3339Nano, finished)
	if err != nil {
		return nil, fmt.Errorf("%w: finished_at is not a valid timestamp", blue.ErrTampered)
	}
	known, err := listedCopies(ctx, n.Store, at, n.now())
	return append([]Copy{cachedKeysCopy(at, n.ttl())}, known...), err
}

// cachedKeysCopy is the copy that every certificate lists: the keys that other
// processes held in memory when the erasure was finished.
func cachedKeysCopy(finished time.Time, ttl time.Duration) Copy {
	return Copy{Kind: "cache", What: "keys in the memory of processes that run", Expires: roundUp(finished.Add(ttl)).Format(second), Covered: true}
}

// clocks is how far the clock of a client that erases may be behind the clock
// that dates a store's copies. Nothing else bounds it, because the SDK of AWS
// corrects its own requests only.
const clocks = time.Hour

// listedCopies returns the copies that the store lists. It leaves out copies that
// were made clearly later. A copy that is still listed after its end has no end.
func listedCopies(ctx context.Context, store record.Store, finished, now time.Time) ([]Copy, error) {
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

// identity returns the names of the store, [] if it has none.
func (n *Notary) identity(ctx context.Context) ([]string, error) {
	identified, ok := n.Store.(record.Identified)
	if !ok {
		return []string{}, nil
	}
	name, err := identified.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking which store it is: %w", err)
	}
	return append([]string{}, name...), nil
}

// Finalize returns the final form of a certificate. All of the certificate must
// still hold in the store, and every copy that the certificate or the store lists
// must have ended.
//
// The error is blue.ErrRefused, with the first copy that has not ended. It is
// blue.ErrTampered if the certificate was issued in another store. Other errors
// come from Verify.
func (n *Notary) Finalize(ctx context.Context, text string) (string, error) {
	c, err := n.Verify(ctx, text)
	if err != nil || c.State == Final {
		return text, err
	}
	// Another store can hold the same records and not know of the same copies.
	here, err := n.identity(ctx)
	if err == nil && !slices.Equal(here, c.Store) {
		named := func(store []string) string { return cmp.Or(strings.Join(store, " and "), "one that has no name") }
		err = wrongCertificate("it was issued in %s, and this store is %s, which need not know of the same copies", named(c.Store), named(here))
	}
	if err != nil {
		return "", err
	}
	present, err := n.copies(ctx, c.FinishedAt)
	if err != nil {
		return "", err
	}
	// A copy without an end that is not listed any more was deleted.
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
		if copied.Covered && (copied.Expires == "" || copied.Expires > now) {
			return copied.until()
		}
	}
	return "until " + c.NotBefore
}

// dialoguesOf yields every dialogue that a store's index or its audit log names,
// once each.
func dialoguesOf(ctx context.Context, store record.Store) iter.Seq2[blue.DialogueID, error] {
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
