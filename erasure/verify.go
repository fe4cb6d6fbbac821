package erasure

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/internal/seal"
	"github.com/superviber/blue-encrypted-store/record"
)

// Verify checks a certificate against the store:
//
//   - The signature is valid, and the certificate does not contradict itself. If
//     it is final, its date has come.
//   - It lists the keys in memory of other processes, and every older copy that
//     the store lists. If it is final, no such copy is left.
//   - Its event is in the log and under a signed checkpoint.
//   - Its keys, records, dialogues and times are exactly those in the event and in
//     the registry of erasures.
//   - An erased dialogue has the state erased, no wrapped key, and no item but the
//     tombstone.
//   - An erased user holds no key in any dialogue that the store's index or its
//     log names, and has neither an own key nor a name in the directory.
//
// If the certificate can be read, it is returned with an error too. The error is
// blue.ErrTampered with the failed check, or an error of the store. After a
// restore of older data, Service.Replay erases again, and a new certificate is
// needed.
func (n *Notary) Verify(ctx context.Context, text string) (Certificate, error) {
	c, err := Open(text, n.Verifiers)
	if err != nil {
		return c, err
	}
	if err := n.check(ctx, &c); err != nil || c.Subject.Kind != KindUser {
		return c, err
	}
	names, err := audit.NewDirectory(n.Store).NamesOf(ctx, c.Subject.ID)
	if err == nil && len(names) > 0 {
		err = wrongCertificate("user %s has a name in the directory; run blue-store erase --user %s", c.Subject.ID, c.Subject.ID)
	}
	return c, err
}

// check compares a certificate with the store.
func (n *Notary) check(ctx context.Context, c *Certificate) error {
	e, err := c.checkEvent(ctx, n.Store, n.Verifiers)
	if err != nil {
		return err
	}
	if c.Subject.Kind == KindUser {
		err = c.checkUser(ctx, n.Store)
	} else {
		err = checkErased(ctx, n.Store, c.Subject.ID)
	}
	if err != nil {
		return err
	}
	said, err := describeErasure(ctx, n.Store, c.Subject, &e)
	if err == nil {
		err = c.compare(&said)
	}
	if errors.Is(err, blue.ErrNotFound) {
		err = wrongCertificate("%v", err)
	}
	if err != nil {
		return err
	}
	return n.checkCopies(ctx, c)
}

// checkCopies looks for copies that the certificate does not list. If it is final,
// it looks for copies that have not ended.
func (n *Notary) checkCopies(ctx context.Context, c *Certificate) error {
	now := n.now().Format(second)
	if c.State == Final && now < c.NotBefore {
		return wrongCertificate("it is final, and must not be final before %s", c.NotBefore)
	}
	at, err := time.Parse(time.RFC3339Nano, c.FinishedAt)
	if err != nil {
		return wrongCertificate("finished_at is not a valid timestamp")
	}
	if always := cachedKeysCopy(at, n.ttl()); !slices.Contains(c.Copies, always) {
		return wrongCertificate("it does not list %s until %s", always.What, always.Expires)
	}
	asOf := at // a pending one lists ends as they were promised
	if c.State == Final {
		asOf = n.now()
	}
	present, err := listedCopies(ctx, n.Store, at, asOf)
	if err != nil {
		return err
	}
	for _, there := range present {
		alive := there.Covered && (there.Expires == "" || there.Expires > now)
		switch {
		case alive && c.State == Final:
			return wrongCertificate("it is final, and a copy is there: %s", there.What)
		case (alive || !there.Covered) && !slices.ContainsFunc(c.Copies, there.within):
			return wrongCertificate("it does not list %s", there.What)
		}
	}
	return nil
}

// within reports whether a copy that a certificate lists covers this copy. For a
// copy that the store cannot see, the kind is enough, because its place can be
// written in many ways.
func (c Copy) within(listed Copy) bool {
	if !c.Covered {
		return listed.Kind == c.Kind && !listed.Covered
	}
	lasts := listed.Expires == "" || c.Expires != "" && listed.Expires >= c.Expires
	return listed.Kind == c.Kind && listed.What == c.What && listed.Covered && lasts
}

// checkEvent finds the event in the log and under the signed checkpoint.
func (c *Certificate) checkEvent(ctx context.Context, store record.Store, verifiers note.Verifiers) (audit.Event, error) {
	e, err := audit.ReadEvent(ctx, store, c.Event.Chain, c.Event.Seq)
	if errors.Is(err, blue.ErrNotFound) {
		return e, wrongCertificate("its event is not in the log of this store: it is of another store, or the log was rolled back")
	}
	if err != nil {
		return e, err
	}
	dialogue := c.Subject.ID
	if c.Subject.Kind == KindUser {
		dialogue = ""
	}
	if e.EventHash != c.Event.Hash || e.Operation != audit.Erase || e.Outcome != audit.Success || e.Dialogue != dialogue {
		return e, wrongCertificate("another event is stored at its place in the log")
	}
	p, err := checkpoint.ParseProof(c.Proof)
	if err != nil {
		return e, err
	}
	leaf, err := hex.DecodeString(e.EventHash)
	if err != nil {
		return e, wrongCertificate("the event's hash")
	}
	signed, err := p.Open(leaf, verifiers)
	if err != nil {
		return e, err
	}
	if signed.Origin != checkpoint.Origin(e.Chain) || p.Index != e.Seq-1 {
		return e, wrongCertificate("its proof is about another event")
	}
	return e, nil
}

// checkErased looks for anything that is left of a dialogue.
func checkErased(ctx context.Context, store record.Store, dialogue string) error {
	status, err := erasureRing(store).Status(ctx, dialogue)
	switch {
	case errors.Is(err, blue.ErrNotFound):
		return wrongCertificate("the keys of dialogue %s do not say that it was erased", dialogue)
	case err != nil:
		return err
	case len(status.Fingerprints()) > 0:
		return wrongCertificate("dialogue %s has wrapped keys again; run blue-store erase replay", dialogue)
	case status.State != seal.StateErased:
		return wrongCertificate("the keys of dialogue %s are %.40q, not erased", dialogue, status.State)
	}
	pk := record.DialoguePartition(dialogue)
	left, err := store.Query(ctx, record.Query{Table: record.Dialogues, Partition: pk})
	switch {
	case err != nil:
		return err
	case len(left) != 1 || !record.IsErased(left[0]):
		return wrongCertificate("%d records of dialogue %s are stored instead of its tombstone alone; run blue-store erase replay", len(left), dialogue)
	}
	n, err := leftovers(ctx, store, pk)
	if err == nil && n > 0 {
		err = wrongCertificate("%d pieces of an unfinished commit to dialogue %s are stored; erase it again", n, dialogue)
	}
	return err
}

// checkUser looks for anything that is left of a user but their name.
func (c *Certificate) checkUser(ctx context.Context, store record.Store) error {
	for _, id := range c.Erased {
		if err := checkErased(ctx, store, id); err != nil {
			return err
		}
	}
	for id, err := range dialoguesOf(ctx, store) {
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
	stored, err := erasureRing(store).StoredKeyHashes(ctx, c.Subject.ID)
	if err == nil && len(stored) > 0 {
		err = wrongCertificate("a key of user %s is stored", c.Subject.ID)
	}
	return err
}

// checkHolds looks among the keys of a dialogue for the user, and for keys that
// the certificate says are gone.
func (c *Certificate) checkHolds(ctx context.Context, store record.Store, dialogue string) error {
	user := c.Subject.ID
	status, err := erasureRing(store).Status(ctx, dialogue)
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return err
	}
	if slices.Contains(status.Users(), user) || len(status.StraysOf(user)) > 0 {
		return wrongCertificate("user %s holds a key of dialogue %s", user, dialogue)
	}
	for _, hash := range status.Fingerprints() {
		if slices.Contains(c.Keys, hash) {
			return wrongCertificate("the key %.64q is stored again, in dialogue %s", hash, dialogue)
		}
	}
	return nil
}
