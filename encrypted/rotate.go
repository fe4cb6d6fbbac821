package encrypted

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/record"
)

// Rotation says what a run of Rotate or Revoke did.
type Rotation struct {
	Dialogue blue.DialogueID `json:"dialogue"`
	From     uint32          `json:"from"`    // least key version in use before
	To       uint32          `json:"to"`      // key version that everything is sealed under now
	Resumed  bool            `json:"resumed"` // Rotate: no version was made, an unfinished rotation was finished
	Held     bool            `json:"held"`    // Revoke: the user's wraps stood there
	Items    int             `json:"items"`   // sealed anew by this run, meta not counted
	Commits  int             `json:"commits"` // of this run
}

// Rotate seals a whole dialogue under a new key version and destroys the
// wrapped keys of the versions before. Contents, clear attributes and history
// stay; every nonce and MAC is new. Reading and writing go on meanwhile: others
// follow to the new version by themselves.
//
// It goes in commits of up to 80 items. Stopped anywhere, nothing is lost, and
// the next run finishes what was begun instead of making one more version, as
// long as anything is left to seal anew. A copy of the data from before can then
// be opened only with a copy of the keys from before.
//
// Errors: as of Load and of writing; ErrSealed or keys.ErrDenied for a user who
// does not hold the active key; ErrBusy when other writers were faster again and
// again: run it again, it goes on.
func (e *EncryptedStore[S, K]) Rotate(ctx context.Context, id blue.DialogueID) (Rotation, error) {
	return e.sealing.rotate(ctx, string(id), "")
}

// Revoke takes a dialogue from a user: their wraps of every version are deleted
// in the commit that makes a new version for everybody else, and the dialogue is
// rotated to it. What the user holds in memory opens old items until they are
// sealed anew, and what they have read they keep.
//
// A version is made in any case, also for a user of whom nothing stands: they may
// have kept a wrap that they deleted themselves. Key versions that nobody made
// who held the one before, and wraps that nobody granted who held the key, are
// taken away too: whoever is to go cannot stay by putting any there.
//
// Errors as of Rotate, and ErrRefused for the store's own user.
func (e *EncryptedStore[S, K]) Revoke(ctx context.Context, id blue.DialogueID, user string) (Rotation, error) {
	if err := keys.CheckUser(user); err != nil {
		return Rotation{Dialogue: id}, err
	}
	return e.sealing.rotate(ctx, string(id), user)
}

// Limits of one commit of a rotation, below those of record.
const (
	maxResealed      = 80        // items
	maxResealedBytes = 3_000_000 // of them as stored; meta and the event come on top
)

// maxLost bounds how often in a row other writers may be faster.
const maxLost = 64

// rotation is one run.
type rotation struct {
	s      *sealing
	ks     *keyset
	o      *operation
	except string    // user who gets no new version; "" for nobody
	since  keys.Made // what the keys that are sealed under must go back to
	report Rotation
}

func (s *sealing) rotate(ctx context.Context, dialogue, except string) (Rotation, error) {
	name, kind := "rotate", audit.Rotate
	if except != "" {
		name, kind = "revoke", audit.Revoke
	}
	ctx, o := s.operate(ctx, name, kind, dialogue)
	r := &rotation{s: s, ks: newKeyset(s.ring), o: o, except: except, report: Rotation{Dialogue: blue.DialogueID(dialogue)}}
	defer r.ks.destroy()
	err := o.end(ctx, r.all(ctx))
	if err != nil {
		err = fmt.Errorf("%s of dialogue %s: %w", name, dialogue, err)
	}
	return r.report, err
}

// all is the run between its first read and its last event.
func (r *rotation) all(ctx context.Context) error {
	p, err := r.load(ctx)
	if err != nil {
		return err
	}
	note, err := r.s.subject(ctx, r.except)
	if err != nil {
		return err
	}
	if err := r.o.note(ctx, audit.Intent, note); err != nil {
		return err
	}
	r.report.From, r.report.To = p.root.LeastKey, p.meta.Version()
	if err := r.begin(ctx, p); err != nil {
		return err
	}
	if err := r.run(ctx, p); err != nil {
		return err
	}
	if err := r.s.ring.Retire(ctx, r.o.dialogue, r.report.To); err != nil {
		return err
	}
	return r.o.note(ctx, audit.Success, note)
}

// load reads and verifies the dialogue.
func (r *rotation) load(ctx context.Context) (*loaded, error) {
	p, _, err := r.s.fresh(ctx, r.ks, r.o, record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(r.o.dialogue), ForUpdate: true})
	if err == nil && p == nil {
		err = blue.ErrNotFound
	}
	return p, err
}

// begin makes the new version, unless there is a rotation to finish first. To
// take a version from a user there must be a new one in any case.
func (r *rotation) begin(ctx context.Context, p *loaded) (err error) {
	r.since.Version = p.meta.Version()
	if r.since.Public, err = p.meta.Public(); err != nil {
		return err
	}
	for range maxLost {
		err := r.advance(ctx, p)
		if !errors.Is(err, blue.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w: the keys changed %d times; nothing was changed", blue.ErrBusy, maxLost)
}

// advance is one try of begin.
func (r *rotation) advance(ctx context.Context, p *loaded) error {
	var except []string
	if r.except != "" {
		status, err := r.s.ring.Status(ctx, r.o.dialogue)
		if err != nil {
			return err
		}
		r.report.Held = r.report.Held || slices.Contains(status.Users(), r.except)
		if _, err := r.s.ring.Discard(ctx, r.o.dialogue, r.since.Version, r.since.Public); err != nil {
			return err
		}
		except = []string{r.except}
	}
	active, err := r.active(ctx, p)
	if err != nil {
		return err
	}
	if r.except == "" && (active.Version() > p.meta.Version() || p.root.LeastKey < p.meta.Version()) {
		r.report.Resumed = true
		return nil
	}
	made, err := r.s.ring.Advance(ctx, r.o.dialogue, active.Version(), except...)
	if err == nil {
		r.since = made
	}
	return err
}

// active opens the active key. A dialogue is never ahead of it, and nothing is
// sealed under one that no holder of the dialogue's made, nor under another than
// this run has made.
func (r *rotation) active(ctx context.Context, p *loaded) (*envelope.Keys, error) {
	k, err := r.ks.active(ctx, r.o.dialogue)
	if err == nil && k.Version() < p.meta.Version() {
		return nil, &blue.TamperError{Dialogue: blue.DialogueID(r.o.dialogue), Damage: []blue.Damage{{Class: blue.DamageRolledBack, Item: "head",
			Detail: fmt.Sprintf("the table of keys says version %d, the dialogue is sealed under version %d", k.Version(), p.meta.Version())}}}
	}
	if err != nil {
		return nil, err
	}
	return k, r.follows(ctx, k)
}

// follows refuses keys that do not go back to what this run began with or made.
func (r *rotation) follows(ctx context.Context, k *envelope.Keys) error {
	return r.s.ring.Follows(ctx, r.o.dialogue, r.since.Version, r.since.Public, k)
}

// run seals everything under the active version. After a conflict the dialogue
// is read again: what others have written meanwhile counts.
func (r *rotation) run(ctx context.Context, p *loaded) error {
	for lost := 0; lost < maxLost; lost++ {
		k, err := r.active(ctx, p)
		if err != nil {
			return err
		}
		before := r.report.Commits
		err = r.reseal(ctx, p, k)
		if err == nil {
			r.o.keyID, r.report.To = k.ID(), k.Version()
			return nil
		}
		if !faster(err) {
			return err
		}
		if r.report.Commits > before {
			lost = 0
		}
		if err := pause(ctx, lost); err != nil {
			return err
		}
		if p, err = r.load(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: other writers were faster %d times; run it again, it goes on", blue.ErrBusy, maxLost)
}

// faster reports whether an error of a commit says that it has not landed
// because another was first.
func faster(err error) bool {
	_, conflict := errors.AsType[*record.ConflictError](err)
	_, voided := errors.AsType[*record.VoidedError](err)
	return conflict || voided
}

// pause waits before try number n+1: full jitter under a cap that doubles from
// 1 ms to 64 ms.
func pause(ctx context.Context, n int) error {
	most := time.Millisecond << min(n, 6)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(rand.Int64N(int64(most)))):
		return nil
	}
}

// reseal commits batch after batch until nothing is below the version of k. p
// moves along with what was committed.
func (r *rotation) reseal(ctx context.Context, p *loaded, k *envelope.Keys) error {
	for n := 0; ; n++ {
		batch, all := p.below(k.Version())
		if len(batch) == 0 && p.root.LeastKey == k.Version() {
			return nil
		}
		if n > 0 {
			var err error
			if k, err = r.renew(ctx, p, k.ID()); err != nil {
				return err
			}
		}
		if err := r.commit(ctx, p, k, batch, all); err != nil {
			return err
		}
		r.report.Commits++
		r.report.Items += len(batch)
	}
}

// renew asks the ring for every key again: a rotation may take longer than the
// ring keeps them, and whom the provider denies by then goes no further. It
// returns the keys of an id.
func (r *rotation) renew(ctx context.Context, p *loaded, keyID string) (*envelope.Keys, error) {
	r.ks.destroy()
	for _, item := range p.items {
		k, err := r.ks.get(ctx, item.Attrs[attrKeyID].Str())
		if r.s.overtaken(ctx, r.o.dialogue, p.items, err) {
			err = &record.ConflictError{Table: record.Dialogues, Key: headKey(r.o.dialogue)}
		}
		if err != nil {
			return nil, err
		}
		p.keys[item.Key.Item] = k
	}
	p.meta = p.keys[record.Meta]
	k, err := r.ks.get(ctx, keyID)
	if err != nil {
		return nil, err
	}
	return k, r.follows(ctx, k)
}

// below returns the next items under older versions, and whether these are all.
func (p *loaded) below(version uint32) (batch []record.Record, all bool) {
	bytes := 0
	for _, item := range p.items {
		if item.Key.Item == record.Meta || p.keys[item.Key.Item].Version() >= version {
			continue
		}
		bytes += item.Size()
		if len(batch) == maxResealed || len(batch) > 0 && bytes > maxResealedBytes {
			return batch, false
		}
		batch = append(batch, item)
	}
	return batch, true
}

// commit seals a batch and meta under k. The first one that does so for meta
// renews the root under the new K_root, over the MACs of all items as they are;
// the last one raises the least version.
func (r *rotation) commit(ctx context.Context, p *loaded, k *envelope.Keys, batch []record.Record, last bool) error {
	c := &commit{dialogue: r.o.dialogue, keys: k, root: p.root}
	var err error
	if p.meta.Version() == k.Version() {
		c.sum, err = p.root.sum()
	} else {
		c.sum = p.sum(k)
		c.root.ActiveKey, c.root.Messages = k.Version(), 0
	}
	if err != nil {
		return err
	}
	if last {
		c.root.LeastKey = k.Version()
	}
	writes := make([]record.Write, 0, len(batch)+1)
	for _, item := range append(batch, p.items[p.find(record.Meta)]) {
		plain, err := open(p.keys[item.Key.Item], item)
		if err != nil {
			return err
		}
		writes = append(writes, record.Write{Table: record.Dialogues, Record: plain, Prev: item.Attrs})
	}
	ctx, o := r.s.operate(ctx, "commit", audit.Encrypt, r.o.dialogue)
	o.keyID = k.ID()
	sealed, err := r.s.land(ctx, o, c, writes)
	if err = o.end(ctx, err); err != nil {
		return err
	}
	p.moveTo(sealed, k, c.root)
	return nil
}

// sum is the root's sum over all items under another key.
func (p *loaded) sum(k *envelope.Keys) envelope.Sum {
	var sum envelope.Sum
	for _, item := range p.items {
		if sk := item.Key.Item; sk != record.Meta {
			sum.Add(k.Element(sk, item.Attrs[attrMAC].Bin()))
		}
	}
	return sum
}

// find returns the index of an item, or where it would be.
func (p *loaded) find(sk string) int {
	i, _ := slices.BinarySearchFunc(p.items, sk, func(r record.Record, sk string) int { return strings.Compare(r.Key.Item, sk) })
	return i
}

// moveTo puts what was committed in the place of what was read.
func (p *loaded) moveTo(sealed []record.Write, k *envelope.Keys, r root) {
	for _, w := range sealed {
		if w.Table == record.Dialogues {
			p.items[p.find(w.Record.Key.Item)] = w.Record
			p.keys[w.Record.Key.Item] = k
		}
	}
	p.meta, p.root = k, r
}
