package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Ring opens the keys of dialogues as one user. It caches opened secrets for a
// short time, so that it does not call the provider for each item. All methods
// may be called concurrently.
//
// Callers own the returned keys and must destroy them. Evictions and Close do not
// affect them. A cached secret is overwritten with zeros after Options.TTL, when
// it was not used for the longest time of more than Options.Max secrets, and by
// Close. The TTL starts with the provider's response about the KEK, and use does
// not extend it. So it is the longest time that a user can open keys after access
// was revoked.
//
// Every method can return the errors of the store and these:
//
//   - blue.ErrSealed if a key is not available: [ErrNoKEK] if it is missing,
//     [ErrDenied] if it is denied or not granted to the user, [*WrongKeyError] if
//     it is under another master key
//   - *blue.TamperError if a record of blue_keys is not as it was written
//   - blue.ErrErased after the start of an erasure
//   - blue.ErrInvalid for a malformed user, dialogue or key id
//   - blue.ErrUnavailable after Close
//   - blue.ErrAudit if the event of a key cannot be stored
//
// Failures are not cached.
type Ring struct {
	table    Table
	provider Provider
	user     string
	now      func() time.Time
	record   func(context.Context, KeyEvent) error
	tracer   trace.Tracer

	keks    *cache[*KEK] // at most one, its id is the user
	secrets *cache[*openedSecret]
}

// Options are the options of a Ring. Nil and zero values select the defaults.
type Options struct {
	Now func() time.Time // the clock, default time.Now
	TTL time.Duration    // how long a secret is cached, default DefaultTTL
	Max int              // how many secrets are cached, default 1000
	// Record stores the event of a use of the provider. The Ring does not return
	// a key whose event cannot be stored. Nil records nothing.
	Record func(context.Context, KeyEvent) error
	// Tracer creates the spans key.derive_kek, key.wrap and key.unwrap. Nil
	// creates none.
	Tracer trace.Tracer
}

// DefaultTTL is the time for which a Ring caches a secret.
const DefaultTTL = 300 * time.Second

const defaultMax = 1000

// NewRing returns a Ring over the table blue_keys of a store. Close does not close
// the store or the provider.
func NewRing(store record.Store, provider Provider, user string, opts *Options) *Ring {
	o := *cmp.Or(opts, new(Options))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider().Tracer("")
	}
	o.TTL, o.Max = cmp.Or(max(o.TTL, 0), DefaultTTL), cmp.Or(max(o.Max, 0), defaultMax)
	return &Ring{
		table: NewTable(store), provider: provider, user: user, now: o.Now, record: o.Record, tracer: o.Tracer,
		keks:    newCache(o.Now, o.TTL, 1, (*KEK).clone),
		secrets: newCache(o.Now, o.TTL, o.Max, (*openedSecret).clone),
	}
}

// Create returns the active keys of a new dialogue. It creates version 1 if there
// is none. Of several concurrent calls one creates it, and all return it. Create
// can be repeated after a crash. New keys are read back and opened before they are
// returned, so that nothing is sealed under a key that cannot be opened.
//
// If the provider distinguishes users, Create returns *blue.TamperError for a key
// that the user was granted, because a new dialogue cannot have been granted. An
// unauthorized writer of the table could have put the key there and know it.
func (r *Ring) Create(ctx context.Context, dialogue string) (*envelope.Keys, error) {
	if err := r.checkDialogue(dialogue); err != nil {
		return nil, err
	}
	_, err := r.table.Get(ctx, headerKey(dialogue))
	if errors.Is(err, record.ErrNotFound) {
		err = r.createFirstVersion(ctx, dialogue)
	}
	if err != nil && !errors.Is(err, record.ErrConflict) {
		return nil, fmt.Errorf("creating the keys of dialogue %s: %w", dialogue, err)
	}
	b, err := r.activeBinding(ctx, dialogue)
	if err != nil {
		return nil, err
	}
	o, err := r.openSecret(ctx, b)
	if err != nil {
		return nil, err
	}
	defer o.Destroy()
	if o.granted {
		err := newTamperError(dialogue, record.DamageExtra, b.SK(), "key was granted before the dialogue existed, so another user may know it; refusing to encrypt with it")
		return nil, fmt.Errorf("creating the keys of dialogue %s: %w", dialogue, err)
	}
	return envelope.DeriveKeys(o.Secret, b.Dialogue, b.Version)
}

// Active returns the keys that seal new items. It reads the key header each time,
// so it sees a rotation or an erasure by another process at once.
func (r *Ring) Active(ctx context.Context, dialogue string) (*envelope.Keys, error) {
	if err := r.checkDialogue(dialogue); err != nil {
		return nil, err
	}
	b, err := r.activeBinding(ctx, dialogue)
	if err != nil {
		return nil, err
	}
	return r.openKeys(ctx, b)
}

// Open returns the keys that a key id, dek#{dialogue}#{version}, names. They can
// come from the cache, without a read of the store.
func (r *Ring) Open(ctx context.Context, keyID string) (*envelope.Keys, error) {
	dialogue, version, err := envelope.ParseKeyID(keyID)
	if err != nil {
		return nil, err
	}
	if err := r.checkDialogue(dialogue); err != nil {
		return nil, err
	}
	return r.openKeys(ctx, Binding{r.user, dialogue, version})
}

// Close destroys the cached secrets. Later calls return blue.ErrUnavailable.
// Callers own the returned keys and must destroy them. Close does not affect them.
func (r *Ring) Close() error {
	r.secrets.close()
	r.keks.close()
	return nil
}

// checkDialogue returns blue.ErrInvalid if the Ring's user or the dialogue id is
// malformed.
func (r *Ring) checkDialogue(dialogue string) error {
	if err := CheckUser(r.user); err != nil {
		return err
	}
	_, err := blue.ParseDialogueID(dialogue)
	return err
}

// activeBinding returns the binding of the user's wrap of the active version.
func (r *Ring) activeBinding(ctx context.Context, dialogue string) (Binding, error) {
	version, err := r.readActive(ctx, dialogue)
	if err != nil {
		return Binding{}, fmt.Errorf("opening the active key of dialogue %s: %w", dialogue, err)
	}
	return Binding{r.user, dialogue, version}, nil
}

// readActive returns the active version of the stored key header.
func (r *Ring) readActive(ctx context.Context, dialogue string) (uint32, error) {
	header, err := r.table.Get(ctx, headerKey(dialogue))
	if errors.Is(err, record.ErrNotFound) {
		return 0, missingHeader(dialogue)
	}
	if err != nil {
		return 0, err
	}
	return activeVersion(dialogue, header)
}

func (r *Ring) openKeys(ctx context.Context, b Binding) (*envelope.Keys, error) {
	o, err := r.openSecret(ctx, b)
	if err != nil {
		return nil, err
	}
	defer o.Destroy()
	return envelope.DeriveKeys(o.Secret, b.Dialogue, b.Version)
}

// An openedSecret is the secret R of a dialogue and version.
type openedSecret struct {
	*envelope.Secret
	granted bool // a Granter made the wrap, not the KEK of the user
}

func (o *openedSecret) clone() (*openedSecret, error) {
	secret, err := o.Secret.Clone()
	return &openedSecret{secret, o.granted}, err
}

// openSecret returns the secret of a dialogue and version from the cache or the
// provider. The caller must destroy it.
func (r *Ring) openSecret(ctx context.Context, b Binding) (*openedSecret, error) {
	o, _, err := r.secrets.get(ctx, wrapKey(b).String(), func(ctx context.Context) (*openedSecret, time.Time, error) {
		return r.unwrap(ctx, b)
	})
	if err != nil {
		return nil, fmt.Errorf("opening key %d of dialogue %s: %w", b.Version, b.Dialogue, err)
	}
	return o, nil
}

// unwrap reads and opens a wrap and records the event. until is zero for a granted
// wrap, because the provider checks the permission for each of them.
func (r *Ring) unwrap(ctx context.Context, b Binding) (o *openedSecret, until time.Time, err error) {
	ctx, span := r.startSpan(ctx, "key.unwrap", b)
	defer func() { endSpan(span, err) }()
	wrapped, umk, err := r.readWrap(ctx, b)
	if err != nil {
		// Other errors say nothing about the key, so they make no event.
		if errors.Is(err, blue.ErrSealed) || errors.Is(err, blue.ErrTampered) || errors.Is(err, blue.ErrErased) {
			err = r.recordOutcome(ctx, b.newEvent(unwrapDEK), err)
		}
		return nil, until, err
	}
	var secret *envelope.Secret
	granted := len(wrapped) > envelope.WrapSize
	if granted {
		secret, err = r.unwrapGranted(ctx, b, wrapped, umk)
	} else {
		var kek *KEK
		if kek, until, err = r.kek(ctx); err != nil {
			return nil, until, err // deriveKEK has recorded this failure
		}
		defer kek.Destroy()
		secret, err = r.provider.UnwrapDEK(ctx, kek, b, wrapped)
		err = checkFingerprint(b, err, umk, kek.umkFor(umk))
	}
	err = r.recordOutcome(ctx, b.newEvent(unwrapDEK), err)
	if err != nil {
		if secret != nil {
			secret.Destroy()
		}
		return nil, until, err
	}
	return &openedSecret{secret, granted}, until, nil
}

// readWrap reads a wrap. It reads the key header after the wrap, so that a wrap
// that an erasure deletes in between is reported as erased.
func (r *Ring) readWrap(ctx context.Context, b Binding) (w Wrapped, umk string, err error) {
	wrap, err := r.table.Get(ctx, wrapKey(b))
	isMissing := errors.Is(err, record.ErrNotFound)
	if err != nil && !isMissing {
		return nil, "", err
	}
	if _, err := r.readActive(ctx, b.Dialogue); err != nil {
		return nil, "", err
	}
	if !isMissing {
		return parseWrap(b, wrap)
	}
	all, err := r.table.Query(ctx, record.DialoguePartition(b.Dialogue))
	if err != nil {
		return nil, "", err
	}
	for _, rec := range all {
		if strings.HasPrefix(rec.Key.Item, wrapPrefix(b.Version)) {
			return nil, "", fmt.Errorf("%w: key version %d is not granted to user %s", ErrDenied, b.Version, b.User)
		}
	}
	return nil, "", newMissingKeyError("there is no key version %d: %s is missing", b.Version, b.SK())
}

// unwrapGranted opens a wrap that only the provider can open. It does not need the
// KEK of the user, because a user with granted access need not have one.
func (r *Ring) unwrapGranted(ctx context.Context, b Binding, wrapped Wrapped, umk string) (*envelope.Secret, error) {
	master, err := r.provider.UMK(ctx)
	if err != nil {
		return nil, err
	}
	defer master.Destroy()
	secret, err := r.provider.UnwrapDEK(ctx, nil, b, wrapped)
	if have := master.Fingerprint(); errors.Is(err, blue.ErrTampered) && umk != have {
		return secret, &WrongKeyError{Want: umk, Have: have}
	}
	return secret, checkFingerprint(b, err, umk, master.Fingerprint())
}

// checkFingerprint distinguishes a wrong master key from damage. err is the result
// of opening a wrap, want the fingerprint that the wrap names, and have the
// fingerprint of the key that was used. If they differ, a wrap that does not open
// was made with the other key, and in a wrap that opens the fingerprint was
// changed. The latter must not be reported as a lost key.
func checkFingerprint(b Binding, err error, want, have string) error {
	var tampered *blue.TamperError
	switch {
	case want == have:
		return err
	case err == nil:
		return newTamperError(b.Dialogue, record.DamageChanged, b.SK(), "opens under "+have+" but names "+want)
	case errors.As(err, &tampered) && tampered.Damage[0].Class == record.DamageChanged:
		return &WrongKeyError{Want: want, Have: have}
	}
	return err
}

// createFirstVersion commits the key header and the first wrap of a dialogue, on
// the condition that neither exists.
func (r *Ring) createFirstVersion(ctx context.Context, dialogue string) (err error) {
	b := Binding{r.user, dialogue, 1}
	ctx, span := r.startSpan(ctx, "key.wrap", b)
	defer func() { endSpan(span, err) }()
	kek, err := r.kekForWrap(ctx)
	if err != nil {
		return err // before the intent is recorded
	}
	kek.Destroy()
	return r.withEvents(ctx, b.newEvent(wrapDEK), func() error {
		for range maxTries {
			err := r.commitFirstVersion(ctx, b)
			if !isKEKConflict(err) {
				return err
			}
			r.keks.forget("")
		}
		return fmt.Errorf("%w: the key of user %s was changed %d times in between; nothing was written", blue.ErrBusy, b.User, maxTries)
	})
}

func (r *Ring) commitFirstVersion(ctx context.Context, b Binding) error {
	kek, err := r.kekForWrap(ctx)
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
	header := record.Write{Table: record.Keys, Record: newHeader(b.Dialogue, now)}
	return r.table.Commit(ctx, append([]record.Write{header, wrap}, kek.checks...)...)
}

// kek returns the KEK of the user from the cache or the provider, and the time
// when it expires. The caller must destroy it.
func (r *Ring) kek(ctx context.Context) (*KEK, time.Time, error) {
	return r.keks.get(ctx, r.user, func(ctx context.Context) (*KEK, time.Time, error) {
		kek, err := r.deriveKEK(ctx)
		return kek, time.Time{}, err
	})
}

// deriveKEK calls the provider for the KEK of the user and records the event.
func (r *Ring) deriveKEK(ctx context.Context) (kek *KEK, err error) {
	ctx, span := r.tracer.Start(ctx, "key.derive_kek")
	defer func() { endSpan(span, err) }()
	e := KeyEvent{Action: deriveKEK, Outcome: success}
	umk, err := r.provider.UMK(ctx)
	if err == nil {
		defer umk.Destroy()
		e.KeyID = umk.Fingerprint()
		kek, err = r.provider.DeriveKEK(ctx, umk, r.user)
	}
	err = r.recordOutcome(ctx, e, err)
	if err != nil && kek != nil {
		kek.Destroy()
		kek = nil
	}
	return kek, err
}

// kekForWrap returns the KEK of the user for a new wrap. If the provider stores
// KEKs and the user has none, it creates one. The outcome of its intent is the
// event of the derivation.
func (r *Ring) kekForWrap(ctx context.Context) (*KEK, error) {
	kek, _, err := r.kek(ctx)
	maker, canMake := r.provider.(KEKMaker)
	if err == nil || !canMake || !errors.Is(err, ErrNoKEK) {
		return kek, err
	}
	umk, err := r.provider.UMK(ctx)
	if err != nil {
		return nil, err
	}
	defer umk.Destroy()
	e := KeyEvent{Action: deriveKEK, Outcome: intent, KeyID: umk.Fingerprint()}
	if err := r.recordOutcome(ctx, e, nil); err != nil {
		return nil, err
	}
	if err := maker.MakeKEK(ctx, umk, r.user); err != nil {
		return nil, r.recordOutcome(ctx, e, err)
	}
	kek, _, err = r.kek(ctx)
	return kek, err
}

// startSpan starts a span with the dialogue and the key version. It leaves out the
// user, because the name identifies a person.
func (r *Ring) startSpan(ctx context.Context, name string, b Binding) (context.Context, trace.Span) {
	return r.tracer.Start(ctx, name, trace.WithAttributes(attribute.String("dialogue", b.Dialogue), attribute.Int64("key_version", int64(b.Version))))
}

// endSpan ends a span with the class of the error. The message is left out, because
// it can contain a user name or a path.
func endSpan(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, Class(err))
	}
	span.End()
}
