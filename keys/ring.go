package keys

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// Ring opens the keys of dialogues as one user and keeps their secrets in
// memory for a short while, so that a provider is not asked for each item.
// All methods may be called concurrently.
//
// Every call returns keys of the caller's own, which the caller destroys;
// neither an eviction nor Close touches them. What the ring itself keeps is
// zeroed when it leaves: after TTL, counted from the provider's answer about
// the KEK and never extended by use, when more than Max are held (the
// longest unused goes), and by Close. TTL is thus the time a revoked user can still open keys.
//
// Errors of all methods: ErrSealed (a key is missing, not granted to the
// user, or the provider denies it; *WrongKeyError), *blue.TamperError (a
// record of blue_keys is not what was written), ErrErased, ErrInvalid
// (malformed user, dialogue or key id), ErrUnavailable (closed), and the
// store's own. A failure is never remembered.
type Ring struct {
	store    record.Store
	provider Provider
	user     string
	now      func() time.Time

	keks    *cache[*KEK] // holds one, under the user's name
	secrets *cache[*envelope.Secret]
}

// Options of a Ring. Nil and zero values work.
type Options struct {
	Now func() time.Time // default time.Now, whose clock does not jump
	TTL time.Duration    // default 300 s
	Max int              // dialogue keys held at once, default 1000
}

const (
	defaultTTL = 300 * time.Second
	defaultMax = 1000
)

// NewRing returns a ring over the table blue_keys of a store. The store and
// the provider stay the caller's.
func NewRing(store record.Store, provider Provider, user string, opts *Options) *Ring {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TTL <= 0 {
		o.TTL = defaultTTL
	}
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	return &Ring{
		store: store, provider: provider, user: user, now: o.Now,
		keks:    newCache(o.Now, o.TTL, 1, (*KEK).clone),
		secrets: newCache(o.Now, o.TTL, o.Max, cloneSecret),
	}
}

// Create returns the active keys of a new dialogue and makes version 1 first
// if there is none. Of many at once one makes it and all return it. A key
// whose dialogue was never written, left by a crash, is used, so that Create
// may be repeated. Made keys are read back and opened before they are
// returned: nothing is sealed under a key that cannot be had again.
func (r *Ring) Create(ctx context.Context, dialogue string) (*envelope.Keys, error) {
	if err := r.check(dialogue); err != nil {
		return nil, err
	}
	_, err := r.store.Get(ctx, record.Keys, headKey(dialogue))
	if errors.Is(err, record.ErrNotFound) {
		err = r.make(ctx, dialogue)
	}
	if err != nil && !errors.Is(err, record.ErrConflict) {
		return nil, fmt.Errorf("creating the keys of dialogue %s: %w", dialogue, err)
	}
	return r.Active(ctx, dialogue)
}

// Active returns the keys that new items are sealed under. The head is read
// each time, so a rotation or an erasure elsewhere is seen at once.
func (r *Ring) Active(ctx context.Context, dialogue string) (*envelope.Keys, error) {
	if err := r.check(dialogue); err != nil {
		return nil, err
	}
	version, err := r.active(ctx, dialogue)
	if err != nil {
		return nil, fmt.Errorf("opening the active key of dialogue %s: %w", dialogue, err)
	}
	return r.open(ctx, Binding{r.user, dialogue, version})
}

// Open returns the keys that a key id, dek#{dialogue}#{version}, names. They
// may come from memory, without a look at the store.
func (r *Ring) Open(ctx context.Context, keyID string) (*envelope.Keys, error) {
	dialogue, version, err := envelope.ParseKeyID(keyID)
	if err != nil {
		return nil, err
	}
	if err := r.check(dialogue); err != nil {
		return nil, err
	}
	return r.open(ctx, Binding{r.user, dialogue, version})
}

// Close zeroes what the ring holds. Later calls fail with ErrUnavailable.
// The keys handed out stay their takers'.
func (r *Ring) Close() error {
	r.secrets.close()
	r.keks.close()
	return nil
}

func (r *Ring) check(dialogue string) error {
	if err := CheckUser(r.user); err != nil {
		return err
	}
	_, err := blue.ParseDialogueID(dialogue)
	return err
}

func (r *Ring) open(ctx context.Context, b Binding) (*envelope.Keys, error) {
	at := wrapKey(b)
	secret, _, err := r.secrets.get(ctx, at.PK+" "+at.SK, func(ctx context.Context) (*envelope.Secret, time.Time, error) {
		return r.unwrap(ctx, b)
	})
	if err != nil {
		return nil, fmt.Errorf("opening key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	defer secret.Destroy()
	return envelope.DeriveKeys(secret, b.Dialogue, b.Version)
}

// unwrap fetches one secret. The head is read after the wrap, so that a wrap
// that an erasure took away in between is reported as erased.
func (r *Ring) unwrap(ctx context.Context, b Binding) (*envelope.Secret, time.Time, error) {
	var never time.Time
	wrap, err := r.store.Get(ctx, record.Keys, wrapKey(b))
	missing := errors.Is(err, record.ErrNotFound)
	if err != nil && !missing {
		return nil, never, err
	}
	if _, err := r.active(ctx, b.Dialogue); err != nil {
		return nil, never, err
	}
	if missing {
		return nil, never, r.missing(ctx, b)
	}
	wrapped, umk, err := readWrap(b, wrap)
	if err != nil {
		return nil, never, err
	}
	kek, until, err := r.kek(ctx)
	if err != nil {
		return nil, never, err
	}
	defer kek.Destroy()
	secret, err := r.provider.UnwrapDEK(ctx, kek, b, wrapped)
	if err = judge(b, err, umk, kek.UMK()); err != nil {
		if secret != nil {
			secret.Destroy()
		}
		return nil, never, err
	}
	return secret, until, nil
}

// judge tells a wrong key from damage. A wrap that does not open and names
// another master key was made by that key; one that opens although it names
// another has had its fingerprint altered, and must not lead anyone to
// believe that the key is lost.
func judge(b Binding, err error, want, have string) error {
	var tampered *blue.TamperError
	switch {
	case want == have:
		return err
	case err == nil:
		return damaged(b.Dialogue, blue.DamageChanged, wrapKey(b).SK, "opens under "+have+" but names "+want)
	case errors.As(err, &tampered) && tampered.Damage[0].Class == blue.DamageChanged:
		return &WrongKeyError{Want: want, Have: have}
	default:
		return err
	}
}

// make commits the first head and wrap of a dialogue together, must-not-exist.
// The put of the head is the proof that it is active.
func (r *Ring) make(ctx context.Context, dialogue string) error {
	kek, _, err := r.kek(ctx)
	if err != nil {
		return err
	}
	defer kek.Destroy()
	b := Binding{r.user, dialogue, 1}
	secret, wrapped, err := r.provider.GenerateDEK(ctx, kek, b)
	if err != nil {
		return err
	}
	secret.Destroy()
	now := r.now()
	return r.store.Commit(ctx, []record.Write{
		{Table: record.Keys, Record: headRecord(dialogue, now)},
		{Table: record.Keys, Record: wrapRecord(b, kek.UMK(), wrapped, now)},
	})
}

// active reads the head's version; ErrSealed, ErrErased, *TamperError.
func (r *Ring) active(ctx context.Context, dialogue string) (uint32, error) {
	head, err := r.store.Get(ctx, record.Keys, headKey(dialogue))
	if errors.Is(err, record.ErrNotFound) {
		return 0, sealed("there is no key of dialogue %s: %s is missing", dialogue, headSK)
	}
	if err != nil {
		return 0, err
	}
	return readHead(dialogue, head)
}

// missing says whether a version is gone for all or was not given to us.
func (r *Ring) missing(ctx context.Context, b Binding) error {
	all, err := r.store.Query(ctx, record.Query{Table: record.Keys, PK: partition(b.Dialogue)})
	if err != nil {
		return err
	}
	for _, rec := range all {
		if strings.HasPrefix(rec.Key.SK, wrapPrefix(b.Version)) {
			return sealed("key version %d is not granted to user %s", b.Version, b.User)
		}
	}
	return sealed("there is no key version %d: %s is missing", b.Version, wrapKey(b).SK)
}

func (r *Ring) kek(ctx context.Context) (*KEK, time.Time, error) {
	return r.keks.get(ctx, r.user, func(ctx context.Context) (*KEK, time.Time, error) {
		var never time.Time
		umk, err := r.provider.UMK(ctx)
		if err != nil {
			return nil, never, err
		}
		defer umk.Destroy()
		kek, err := r.provider.DeriveKEK(ctx, umk, r.user)
		return kek, never, err
	})
}
