package keys

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

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
// Errors of all methods: ErrSealed (a key is missing: ErrNoKEK; not granted to
// the user or denied by the provider: ErrDenied; *WrongKeyError), *blue.TamperError (a
// record of blue_keys is not what was written), ErrErased, ErrInvalid
// (malformed user, dialogue or key id), ErrUnavailable (closed), ErrAudit (the
// event of a key could not be recorded), and the store's own. A failure is
// never remembered.
type Ring struct {
	store    record.Store
	provider Provider
	user     string
	now      func() time.Time
	record   func(context.Context, KeyEvent) error
	tracer   trace.Tracer

	keks    *cache[*KEK] // holds one, under the user's name
	secrets *cache[*opened]
}

// Options of a Ring. Nil and zero values work.
type Options struct {
	Now func() time.Time // default time.Now, whose clock does not jump
	TTL time.Duration    // default DefaultTTL
	Max int              // dialogue keys held at once, default 1000
	// Record stores the event of each use of the provider. A key whose event
	// it cannot store is not handed out: ErrAudit. Nil records nothing.
	Record func(context.Context, KeyEvent) error
	// Tracer makes the spans key.derive_kek, key.wrap and key.unwrap. Nil
	// makes none.
	Tracer trace.Tracer
}

// DefaultTTL is how long a ring keeps an opened key.
const DefaultTTL = 300 * time.Second

const defaultMax = 1000

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
		o.TTL = DefaultTTL
	}
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	return &Ring{
		store: Table(store), provider: provider, user: user, now: o.Now, record: o.Record, tracer: o.Tracer,
		keks:    newCache(o.Now, o.TTL, 1, (*KEK).clone),
		secrets: newCache(o.Now, o.TTL, o.Max, (*opened).clone),
	}
}

// Create returns the active keys of a new dialogue and makes version 1 first
// if there is none. Of many at once one makes it and all return it. A key
// whose dialogue was never written, left by a crash, is used, so that Create
// may be repeated. Made keys are read back and opened before they are
// returned: nothing is sealed under a key that cannot be had again.
//
// Where the provider tells users apart, a key that the user was granted, rather
// than one wrapped under their own KEK, is none for a new dialogue: whoever may
// write the table could have put it there and know it. *blue.TamperError.
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
	version, err := r.active(ctx, dialogue)
	if err != nil {
		return nil, fmt.Errorf("opening the active key of dialogue %s: %w", dialogue, err)
	}
	b := Binding{r.user, dialogue, version}
	o, err := r.held(ctx, b)
	if err != nil {
		return nil, err
	}
	defer o.Destroy()
	if o.granted {
		err := damaged(dialogue, record.DamageExtra, b.SK(), "was granted before there is a dialogue: somebody else made this key and may know it; nothing is sealed under it")
		return nil, fmt.Errorf("creating the keys of dialogue %s: %w", dialogue, err)
	}
	return envelope.DeriveKeys(o.Secret, b.Dialogue, b.Version)
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
	secret, err := r.secret(ctx, b)
	if err != nil {
		return nil, err
	}
	defer secret.Destroy()
	return envelope.DeriveKeys(secret, b.Dialogue, b.Version)
}

// opened is a dialogue's secret and what its wrap was.
type opened struct {
	*envelope.Secret
	granted bool // by means of the provider, rather than wrapped under the user's KEK
}

func (o *opened) clone() (*opened, error) {
	secret, err := o.Secret.Clone()
	if err != nil {
		return nil, err
	}
	return &opened{secret, o.granted}, nil
}

// held returns a dialogue's secret of one version, from memory or the provider.
// The caller destroys it.
func (r *Ring) held(ctx context.Context, b Binding) (*opened, error) {
	at := wrapKey(b)
	o, _, err := r.secrets.get(ctx, at.String(), func(ctx context.Context) (*opened, time.Time, error) {
		return r.unwrap(ctx, b)
	})
	if err != nil {
		return nil, fmt.Errorf("opening key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	return o, nil
}

// unwrap fetches one secret and records that.
func (r *Ring) unwrap(ctx context.Context, b Binding) (o *opened, until time.Time, err error) {
	ctx, span := r.tracer.Start(ctx, "key.unwrap", b.attributes())
	defer func() { end(span, err) }()
	wrapped, umk, err := r.find(ctx, b)
	if err != nil {
		if isVerdict(err) {
			err = r.note(ctx, b.event(UnwrapDEK), err)
		}
		return nil, until, err
	}
	var secret *envelope.Secret
	byGrant := len(wrapped) > envelope.WrapSize
	if byGrant {
		secret, err = r.granted(ctx, b, wrapped, umk)
	} else {
		var kek *KEK
		if kek, until, err = r.kek(ctx); err != nil {
			return nil, until, err // that failure has its own event
		}
		defer kek.Destroy()
		secret, err = r.provider.UnwrapDEK(ctx, kek, b, wrapped)
		err = judge(b, err, umk, kek.as(umk))
	}
	err = r.note(ctx, b.event(UnwrapDEK), err)
	if err != nil {
		if secret != nil {
			secret.Destroy()
		}
		return nil, until, err
	}
	return &opened{secret, byGrant}, until, nil
}

// find reads a wrap. The head is read after it, so that a wrap that an erasure
// took away in between is reported as erased.
func (r *Ring) find(ctx context.Context, b Binding) (w Wrapped, umk string, err error) {
	wrap, err := r.store.Get(ctx, record.Keys, wrapKey(b))
	gone := errors.Is(err, record.ErrNotFound)
	if err != nil && !gone {
		return nil, "", err
	}
	if _, err := r.active(ctx, b.Dialogue); err != nil {
		return nil, "", err
	}
	if gone {
		return nil, "", r.missing(ctx, b)
	}
	return readWrap(b, wrap)
}

// isVerdict reports whether an error says something of the key, rather than of
// the way to it.
func isVerdict(err error) bool {
	return errors.Is(err, blue.ErrSealed) || errors.Is(err, blue.ErrTampered) || errors.Is(err, blue.ErrErased)
}

// granted opens a wrap that only the provider can open, without the user's
// KEK: who was granted a dialogue need not have one. The provider is asked for
// each such dialogue, so its time begins with that question: a TTL from when
// the load began.
func (r *Ring) granted(ctx context.Context, b Binding, wrapped Wrapped, umk string) (*envelope.Secret, error) {
	master, err := r.provider.UMK(ctx)
	if err != nil {
		return nil, err
	}
	defer master.Destroy()
	have := master.Fingerprint()
	secret, err := r.provider.UnwrapDEK(ctx, nil, b, wrapped)
	if _, tampered := errors.AsType[*blue.TamperError](err); tampered && umk != have {
		return secret, &WrongKeyError{Want: umk, Have: have}
	}
	return secret, judge(b, err, umk, have)
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
		return damaged(b.Dialogue, record.DamageChanged, wrapKey(b).Item, "opens under "+have+" but names "+want)
	case errors.As(err, &tampered) && tampered.Damage[0].Class == record.DamageChanged:
		return &WrongKeyError{Want: want, Have: have}
	default:
		return err
	}
}

// make commits the first head and wrap of a dialogue together, must-not-exist.
// The put of the head is the proof that it is active.
func (r *Ring) make(ctx context.Context, dialogue string) (err error) {
	b := Binding{r.user, dialogue, 1}
	ctx, span := r.tracer.Start(ctx, "key.wrap", b.attributes())
	defer func() { end(span, err) }()
	kek, err := r.ownKEK(ctx)
	if err != nil {
		return err
	}
	kek.Destroy() // put asks again; a user who has none leaves no intent
	return r.around(ctx, b.event(WrapDEK), func() error {
		for range maxTries {
			if err := r.put(ctx, b); !r.stale(err) {
				return err
			}
		}
		return fmt.Errorf("%w: the key of user %s was changed %d times meanwhile; nothing was written", blue.ErrBusy, b.User, maxTries)
	})
}

// stale reports whether a commit failed because the stored KEK of the user is no
// longer the one in memory, which it then drops.
func (r *Ring) stale(err error) bool {
	lost, conflict := errors.AsType[*record.ConflictError](err)
	if !conflict {
		return false
	}
	if _, isUser := lost.Key.Partition.User(); !isUser {
		return false
	}
	r.keks.forget("")
	return true
}

// put makes a key and commits it with its head.
func (r *Ring) put(ctx context.Context, b Binding) error {
	kek, err := r.ownKEK(ctx)
	if err != nil {
		return err
	}
	defer kek.Destroy()
	secret, wrapped, err := r.provider.GenerateDEK(ctx, kek, b)
	if err != nil {
		return err
	}
	defer secret.Destroy()
	now := r.now()
	wrap, err := newWrap(b, kek.UMK(), wrapped, secret, now)
	if err != nil {
		return err
	}
	writes := []record.Write{{Table: record.Keys, Record: headRecord(b.Dialogue, now)}, wrap}
	return r.store.Commit(ctx, append(writes, kek.checks()...))
}

// active reads the head's version; ErrSealed, ErrErased, *TamperError.
func (r *Ring) active(ctx context.Context, dialogue string) (uint32, error) {
	head, err := r.store.Get(ctx, record.Keys, headKey(dialogue))
	if errors.Is(err, record.ErrNotFound) {
		return 0, missing("there is no key of dialogue %s: %s is missing", dialogue, headSK)
	}
	if err != nil {
		return 0, err
	}
	return readHead(dialogue, head)
}

// missing says whether a version is gone for all or was not given to us.
func (r *Ring) missing(ctx context.Context, b Binding) error {
	all, err := r.store.Query(ctx, record.Query{Table: record.Keys, Partition: partition(b.Dialogue)})
	if err != nil {
		return err
	}
	for _, rec := range all {
		if strings.HasPrefix(rec.Key.Item, wrapPrefix(b.Version)) {
			return fmt.Errorf("%w: key version %d is not granted to user %s", ErrDenied, b.Version, b.User)
		}
	}
	return missing("there is no key version %d: %s is missing", b.Version, wrapKey(b).Item)
}

func (r *Ring) kek(ctx context.Context) (*KEK, time.Time, error) {
	return r.keks.get(ctx, r.user, func(ctx context.Context) (*KEK, time.Time, error) {
		kek, err := r.derive(ctx)
		return kek, time.Time{}, err
	})
}

// derive asks the provider for the user's key and records that.
func (r *Ring) derive(ctx context.Context) (kek *KEK, err error) {
	ctx, span := r.tracer.Start(ctx, "key.derive_kek")
	defer func() { end(span, err) }()
	e := KeyEvent{Action: DeriveKEK, Outcome: Success}
	umk, err := r.provider.UMK(ctx)
	if err == nil {
		defer umk.Destroy()
		e.KeyID = umk.Fingerprint()
		kek, err = r.provider.DeriveKEK(ctx, umk, r.user)
	}
	err = r.note(ctx, e, err)
	if err != nil && kek != nil {
		kek.Destroy()
		kek = nil
	}
	return kek, err
}

// ownKEK returns the user's KEK for wrapping something new, and makes it first
// where the provider stores them and there is none.
func (r *Ring) ownKEK(ctx context.Context) (*KEK, error) {
	kek, _, err := r.kek(ctx)
	maker, stores := r.provider.(KEKMaker)
	if err == nil || !stores || !errors.Is(err, ErrNoKEK) {
		return kek, err
	}
	umk, err := r.provider.UMK(ctx)
	if err != nil {
		return nil, err
	}
	defer umk.Destroy()
	e := KeyEvent{Action: DeriveKEK, Outcome: Intent, KeyID: umk.Fingerprint()} // its outcome is that of the derivation below
	if err := r.note(ctx, e, nil); err != nil {
		return nil, err
	}
	if err := maker.MakeKEK(ctx, umk, r.user); err != nil {
		return nil, r.note(ctx, e, err)
	}
	kek, _, err = r.kek(ctx)
	return kek, err
}
