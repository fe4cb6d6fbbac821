package keys

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// maxHolders is the number of users of one dialogue. It keeps a new version within
// one commit (a transaction of DynamoDB has 100 actions).
const maxHolders = 90

// Grant gives a user access to a dialogue. It wraps every stored version that the
// Ring's user holds for the other user. The Ring's user must hold the active one.
// Existing wraps of the other user are kept. granted is false if none was missing.
//
// In addition to the errors of [Ring], Grant returns blue.ErrTooLarge beyond 90
// users, blue.ErrSealed if the provider is not a [Granter], and blue.ErrBusy if
// other writers change the keys.
func (r *Ring) Grant(ctx context.Context, dialogue, user string) (granted bool, err error) {
	if err := CheckUser(user); err != nil {
		return false, err
	}
	if err := r.checkDialogue(dialogue); err != nil {
		return false, err
	}
	active, err := r.readActive(ctx, dialogue)
	if err == nil {
		err = r.withEvents(ctx, Binding{r.user, dialogue, active}.newEvent(wrapDEK), func() error {
			return r.change(ctx, dialogue, func(p *partition) ([]record.Write, error) {
				writes, err := r.planGrant(ctx, p, user)
				granted = len(writes) > 0
				return writes, err
			})
		})
	}
	if err != nil {
		return false, fmt.Errorf("granting dialogue %s to user %s: %w", dialogue, user, err)
	}
	return granted, nil
}

// planGrant returns the writes of Grant.
func (r *Ring) planGrant(ctx context.Context, p *partition, user string) ([]record.Write, error) {
	active, err := p.active()
	if err != nil {
		return nil, err
	}
	versions := []uint32{active}
	var holders []string
	for _, w := range p.wraps {
		if w.User == r.user && w.Version < active {
			versions = append(versions, w.Version)
		}
		if w.User != "" && !slices.Contains(holders, w.User) {
			holders = append(holders, w.User)
		}
	}
	if !slices.Contains(holders, user) && len(holders) >= maxHolders {
		return nil, fmt.Errorf("%w: dialogue %s has %d users, at most %d are allowed", blue.ErrTooLarge, p.dialogue, len(holders), maxHolders)
	}
	umk, err := r.provider.UMK(ctx)
	if err != nil {
		return nil, err
	}
	defer umk.Destroy()
	var writes []record.Write
	for _, version := range versions {
		w, err := r.grantVersion(ctx, p, Binding{user, p.dialogue, version}, umk.Fingerprint())
		if err != nil {
			return nil, err
		}
		writes = append(writes, w...)
	}
	if len(writes) == 0 {
		return nil, nil
	}
	return append(writes, p.replaceHeader(nil)), nil
}

// grantVersion returns the write of one wrap, or none if the user has a valid one.
// It replaces a wrap without a valid proof, because no holder made it.
func (r *Ring) grantVersion(ctx context.Context, p *partition, b Binding, umk string) ([]record.Write, error) {
	secret, err := r.openSecret(ctx, Binding{r.user, b.Dialogue, b.Version})
	if err != nil {
		return nil, err
	}
	defer secret.Destroy()
	i := slices.IndexFunc(p.wraps, func(w wrap) bool { return w.Binding == b })
	if i >= 0 {
		isValid, err := p.wraps[i].hasProof(secret.Secret)
		if err != nil || isValid || b.User == r.user { // the Ring has just opened its own wrap
			return nil, err
		}
	}
	put, err := r.wrapFor(ctx, b, umk, secret.Secret)
	if i >= 0 {
		put.Prev = Removal(p.wraps[i].record).Prev
	}
	return []record.Write{put}, err
}

// wrapFor returns the write of a new wrap for another user.
func (r *Ring) wrapFor(ctx context.Context, b Binding, umk string, secret *envelope.Secret) (record.Write, error) {
	wrapped, err := r.callGranter(ctx, b, secret)
	if err != nil {
		return record.Write{}, err
	}
	return newWrap(b, umk, wrapped, secret, r.now())
}

// callGranter calls Granter.Grant. It returns blue.ErrSealed if the provider is not
// a Granter.
func (r *Ring) callGranter(ctx context.Context, b Binding, secret *envelope.Secret) (Wrapped, error) {
	granter, canGrant := r.provider.(Granter)
	if !canGrant {
		return nil, fmt.Errorf("%w: this key provider cannot wrap a key for user %s", blue.ErrSealed, b.User)
	}
	return granter.Grant(ctx, b, secret)
}

// RewrapKEK opens the stored KEK of the Ring's user with the provider from and
// stores it under the Ring's master key. changed is false if it was already there.
// RewrapKEK returns blue.ErrSealed if the provider is not a [KEKRewrapper], and the
// errors of its method.
func (r *Ring) RewrapKEK(ctx context.Context, from Provider) (changed bool, err error) {
	rewrapper, canRewrap := r.provider.(KEKRewrapper)
	if !canRewrap {
		return false, fmt.Errorf("%w: the master key of this key provider never changes", blue.ErrSealed)
	}
	defer r.keks.forget("")
	return rewrapper.RewrapKEK(ctx, from, r.user)
}

// Rewrap re-encrypts the wraps of a dialogue that were granted to the Ring's user
// under the Ring's master key. The provider from opens them. Wraps under the KEK
// of the user need no change. Rewrap returns the number of changed wraps. It can be
// repeated.
//
// In addition to the errors of [Ring], Rewrap returns blue.ErrSealed if the
// provider is not a [Granter], and blue.ErrBusy if other writers change the keys.
func (r *Ring) Rewrap(ctx context.Context, dialogue string, from Provider) (changed int, err error) {
	umk, err := r.provider.UMK(ctx)
	if err != nil {
		return 0, err
	}
	defer umk.Destroy()
	err = r.change(ctx, dialogue, func(p *partition) ([]record.Write, error) {
		var writes []record.Write
		for _, w := range p.wraps {
			if w.User != r.user || len(w.record.Attrs[attrWrapped].Bin()) <= envelope.WrapSize || w.record.Attrs[attrUMK].Str() == umk.Fingerprint() {
				continue
			}
			put, err := r.rewrap(ctx, w, umk.Fingerprint(), from)
			if err != nil {
				return nil, err
			}
			writes = append(writes, put)
		}
		if changed = len(writes); changed == 0 {
			return nil, nil
		}
		if _, err := p.active(); err != nil { // an erased dialogue gets no wrap
			return nil, err
		}
		return append(writes, p.replaceHeader(nil)), nil
	})
	if err != nil {
		return 0, fmt.Errorf("rewrapping the keys of dialogue %s: %w", dialogue, err)
	}
	return changed, nil
}

// rewrap opens a granted wrap with from and grants it again. The proof stays valid.
func (r *Ring) rewrap(ctx context.Context, w wrap, umk string, from Provider) (record.Write, error) {
	wrapped, _, err := parseWrap(w.Binding, w.record)
	if err != nil {
		return record.Write{}, err
	}
	secret, err := from.UnwrapDEK(ctx, nil, w.Binding, wrapped)
	if err != nil {
		return record.Write{}, err
	}
	defer secret.Destroy()
	if wrapped, err = r.callGranter(ctx, w.Binding, secret); err != nil {
		return record.Write{}, err
	}
	next := w.record.Clone()
	next.Attrs[attrWrapped] = record.B(wrapped)
	next.Attrs[attrUMK] = record.S(umk)
	return record.Write{Table: record.Keys, Record: next, Prev: w.record.Attrs}, nil
}

// A Status describes the records of one dialogue in blue_keys. Its values are not
// authenticated.
type Status struct {
	Dialogue  string    `json:"dialogue"`
	State     string    `json:"state"`          // "active", "erasing" or "erased"
	Active    uint32    `json:"active_version"` // 0 if the key header has none
	CreatedAt string    `json:"created_at"`     // in record.TimeLayout
	Versions  []Version `json:"versions"`       // versions with at least one wrap, ascending
	Strays    []Stray   `json:"strays,omitempty"`
}

// A Version describes one version of a dialogue's key.
type Version struct {
	Version   uint32   `json:"version"`
	CreatedAt string   `json:"created_at"` // of the earliest stored wrap, "" if none has it
	Holders   []Holder `json:"holders"`    // ascending by user
}

// A Holder describes the wrap of one user.
type Holder struct {
	User        string `json:"user"`
	UMK         string `json:"umk"`         // fingerprint of the master key above
	Fingerprint string `json:"fingerprint"` // SHA-256 of the wrapped bytes, 64 hexadecimal digits
	CreatedAt   string `json:"created_at"`  // in record.TimeLayout
}

// A Stray describes a record in a dialogue's partition whose sort key is not that
// of a key header or a wrap. A Ring never opens it. It could be a wrap that was
// moved, so an erasure deletes it.
type Stray struct {
	SK          string `json:"sk"`
	User        string `json:"user"`        // from the attribute user, "" if there is none
	Fingerprint string `json:"fingerprint"` // SHA-256 of the attribute wrapped, 64 hexadecimal digits
}

// isOf reports whether the attribute or the sort key of a stray names a user.
func (s Stray) isOf(user string) bool { return s.User == user || strings.HasSuffix(s.SK, "#"+user) }

// Status reads the keys of a dialogue in any state, without the provider. It
// returns blue.ErrNotFound if there are none, blue.ErrInvalid for a malformed id,
// and the errors of the store.
func (r *Ring) Status(ctx context.Context, dialogue string) (Status, error) {
	if err := r.checkDialogue(dialogue); err != nil {
		return Status{}, err
	}
	p, err := r.readPartition(ctx, dialogue)
	if err != nil {
		return Status{}, err
	}
	if len(p.header.Attrs) == 0 && len(p.wraps) == 0 {
		return Status{}, fmt.Errorf("keys of dialogue %s: %w", dialogue, blue.ErrNotFound)
	}
	header := p.header.Attrs
	st := Status{Dialogue: dialogue, State: p.state(), Active: uint32(header[attrActive].Int()), CreatedAt: header[attrCreated].Str()}
	for _, w := range p.wraps {
		if w.Version == 0 {
			st.Strays = append(st.Strays, w.stray())
			continue
		}
		if n := len(st.Versions); n == 0 || st.Versions[n-1].Version != w.Version {
			st.Versions = append(st.Versions, Version{Version: w.Version})
		}
		v := &st.Versions[len(st.Versions)-1]
		created := w.record.Attrs[attrCreated].Str()
		v.Holders = append(v.Holders, Holder{User: w.User, UMK: w.record.Attrs[attrUMK].Str(), Fingerprint: w.hexHash(), CreatedAt: created})
		if v.CreatedAt == "" || created != "" && created < v.CreatedAt { // the layout has a fixed width
			v.CreatedAt = created
		}
	}
	return st, nil
}

func (w wrap) stray() Stray {
	return Stray{SK: w.record.Key.Item, User: w.record.Attrs[attrUser].Str(), Fingerprint: w.hexHash()}
}

// holders iterates over the holders of all versions.
func (s Status) holders() iter.Seq[Holder] {
	return func(yield func(Holder) bool) {
		for _, v := range s.Versions {
			for _, h := range v.Holders {
				if !yield(h) {
					return
				}
			}
		}
	}
}

// Fingerprints returns the fingerprints of all wraps and strays.
func (s Status) Fingerprints() []string {
	var all []string
	for h := range s.holders() {
		all = append(all, h.Fingerprint)
	}
	for _, stray := range s.Strays {
		all = append(all, stray.Fingerprint)
	}
	return all
}

// StraysOf returns the fingerprints of the strays that name a user.
func (s Status) StraysOf(user string) []string {
	var all []string
	for _, stray := range s.Strays {
		if stray.isOf(user) {
			all = append(all, stray.Fingerprint)
		}
	}
	return all
}

// Users returns the users with a wrap of any version, ascending.
func (s Status) Users() []string {
	var users []string
	for h := range s.holders() {
		users = append(users, h.User)
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// WrapsOf returns the fingerprints of a user's wraps, ascending by version.
func (s Status) WrapsOf(user string) []string {
	var wraps []string
	for h := range s.holders() {
		if h.User == user {
			wraps = append(wraps, h.Fingerprint)
		}
	}
	return wraps
}
