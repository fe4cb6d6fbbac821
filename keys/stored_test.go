package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// cloudProvider stores a KEK for each user, and its grants are longer than a wrap
// under a KEK, as in keys/awskms.
type cloudProvider struct {
	*fakeProvider
	store record.Store
}

func userKey(user string) record.Key {
	return record.Key{Partition: record.UserPartition(user), Item: "kek"}
}

func (p cloudProvider) DeriveKEK(ctx context.Context, umk UMK, user string) (*KEK, error) {
	stored, err := p.store.Get(ctx, record.Keys, userKey(user))
	if errors.Is(err, record.ErrNotFound) {
		return nil, ErrNoKEK
	}
	if err != nil {
		return nil, err
	}
	secret, err := p.secret.Derive("kek/" + user + string(stored.Attrs[attrWrapped].Bin()))
	if err != nil {
		return nil, err
	}
	return NewKEK(user, umk.Fingerprint(), secret).StoredAt(stored.Key, record.Attrs{attrWrapped: stored.Attrs[attrWrapped]}), nil
}

func (p cloudProvider) MakeKEK(ctx context.Context, _ UMK, user string) error {
	if _, err := p.store.Get(ctx, record.Keys, userKey(user)); err == nil {
		return nil
	}
	r := record.Record{Key: userKey(user), Attrs: record.Attrs{attrWrapped: record.B([]byte(rand.Text()))}}
	return p.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: r}})
}

func (p cloudProvider) EraseKEK(ctx context.Context, user string) error {
	stored, err := p.store.Get(ctx, record.Keys, userKey(user))
	if err != nil {
		return err
	}
	return p.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: stored.Key}, Prev: stored.Attrs}})
}

// grantKEK returns the key that stands in for KMS in grants to a user.
func (p cloudProvider) grantKEK(user string) (*KEK, error) {
	secret, err := p.secret.Derive("grant/" + user)
	return NewKEK(user, p.name, secret), err
}

func (p cloudProvider) Grant(_ context.Context, b Binding, secret *envelope.Secret) (Wrapped, error) {
	kek, err := p.grantKEK(b.User)
	if err != nil {
		return nil, err
	}
	w, err := kek.Wrap(b, secret)
	return append(w, "granted"...), err
}

func (p cloudProvider) UnwrapDEK(ctx context.Context, kek *KEK, b Binding, w Wrapped) (*envelope.Secret, error) {
	if len(w) <= envelope.WrapSize {
		return p.fakeProvider.UnwrapDEK(ctx, kek, b, w)
	}
	kek, err := p.grantKEK(b.User)
	if err != nil {
		return nil, err
	}
	return kek.Unwrap(b, w[:envelope.WrapSize])
}

// cloudRing returns a new Ring with a cloudProvider.
func (w *env) cloudRing(user string) *Ring {
	return NewRing(w.store, cloudProvider{w.provider, w.store}, user, &Options{Now: w.now})
}

// plant stores keys that eve chose, granted to ada and eve, for a dialogue that does
// not exist. A writer of the table who can grant is able to do this.
func (w *env) plant(dialogue string, version uint32) {
	w.t.Helper()
	p, secret := cloudProvider{w.provider, w.store}, envelope.GenerateSecret()
	header := newHeader(dialogue, w.at)
	header.Attrs[attrActive] = record.N(int64(version))
	writes := []record.Write{{Table: record.Keys, Record: header}}
	for _, user := range []string{"ada", "eve"} {
		b := Binding{user, dialogue, version}
		wrapped, err := p.Grant(ctx, b, secret)
		if err != nil {
			w.t.Fatal(err)
		}
		put, err := newWrap(b, p.name, wrapped, secret, w.at)
		if err != nil {
			w.t.Fatal(err)
		}
		writes = append(writes, put)
	}
	if err := w.store.Commit(ctx, writes); err != nil {
		w.t.Fatal(err)
	}
}

// TestPlanted: Create refuses a key that another user made for a dialogue that does
// not exist yet, whether the key is cached or not.
func TestPlanted(t *testing.T) {
	w := newEnv(t)
	must(t)(w.cloudRing("ada").Create(ctx, "tea")) // ada has a KEK
	for dialogue, version := range map[string]uint32{"milk": 1, "soup": 2} {
		w.plant(dialogue, version)
		cold, warm := w.cloudRing("ada"), w.cloudRing("ada")
		must(t)(warm.Active(ctx, dialogue))
		for name, r := range map[string]*Ring{"cold": cold, "warm": warm, "without a key": w.cloudRing("ada")} {
			k, err := r.Create(ctx, dialogue)
			if k != nil {
				t.Errorf("%s, %s: Create returned keys that eve knows", dialogue, name)
			}
			tampered, ok := errors.AsType[*blue.TamperError](err)
			if !ok || tampered.Damage[0].Class != record.DamageExtra || tampered.Damage[0].Item != (Binding{"ada", dialogue, version}).SK() {
				t.Errorf("%s, %s: %v; want the damage at the wrap", dialogue, name, err)
			}
		}
	}
	if first, again := must(t)(w.cloudRing("ada").Create(ctx, "bread")), must(t)(w.cloudRing("ada").Create(ctx, "bread")); first != again {
		t.Error("ada's own key, left by a crash, is not used")
	}
}

// TestErasedKEK: a process with a cached KEK that was erased or replaced must not
// wrap under it.
func TestErasedKEK(t *testing.T) {
	for name, change := range map[string]func(*env, cloudProvider) error{
		"erased": func(_ *env, p cloudProvider) error { return p.EraseKEK(ctx, "bob") },
		"replaced": func(_ *env, p cloudProvider) error {
			return errors.Join(p.EraseKEK(ctx, "bob"), p.MakeKEK(ctx, nil, "bob"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			bob := w.cloudRing("bob")
			must(t)(bob.Create(ctx, "first"))
			if err := change(w, cloudProvider{w.provider, w.store}); err != nil {
				t.Fatal(err)
			}
			made := must(t)(bob.Create(ctx, "late"))
			if got := must(t)(w.cloudRing("bob").Open(ctx, "dek#late#1")); got != made {
				t.Error("another process opens other keys")
			}
			if _, err := w.cloudRing("bob").Open(ctx, "dek#first#1"); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("a wrap under the erased key: %v", err)
			}
		})
	}
}

// TestErasedKEKAgain: a KEK that is erased before each commit is ErrBusy and not an
// endless loop.
func TestErasedKEKAgain(t *testing.T) {
	w := newEnv(t)
	bob := w.cloudRing("bob")
	must(t)(bob.Create(ctx, "first"))
	w.store.onCommit = func(writes []record.Write) {
		if strings.HasPrefix(string(writes[0].Record.Key.Partition), "dialogue#") {
			w.store.mu.Lock()
			delete(w.store.records, userKey("bob"))
			w.store.mu.Unlock()
		}
	}
	if _, err := bob.Create(ctx, "late"); !errors.Is(err, blue.ErrBusy) {
		t.Errorf("%v; want ErrBusy", err)
	}
	if all, _ := w.store.Query(ctx, record.Query{Table: record.Keys, Partition: record.DialoguePartition("late")}); len(all) > 0 {
		t.Errorf("%d records were left", len(all))
	}
}

// TestIdle: cached secrets are overwritten with zeros when they expire, without any
// call, and Close stops the timers.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newEnv(t)
		r := NewRing(w.store, w.provider, "ada", nil)
		must(t)(r.Create(t.Context(), "tea"))
		peek := func(dialogue string) *envelope.Secret {
			r.secrets.mu.Lock()
			defer r.secrets.mu.Unlock()
			return r.secrets.entries["dialogue#"+dialogue+" wrap#0000000001#ada"].value.Secret
		}
		tea, kek := peek("tea"), r.keks.entries["ada"].value
		time.Sleep(100 * time.Second)
		must(t)(r.Create(t.Context(), "milk")) // expires with the cached KEK
		milk := peek("milk")
		time.Sleep(DefaultTTL - 100*time.Second - time.Nanosecond)
		synctest.Wait()
		if tea.InsecureBytes() == nil || milk.InsecureBytes() == nil {
			t.Error("a secret was destroyed before it expired")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if tea.InsecureBytes() != nil || milk.InsecureBytes() != nil || kek.secret.InsecureBytes() != nil {
			t.Error("a secret is cached after it expired")
		}
		must(t)(r.Open(t.Context(), "dek#tea#1")) // starts another timer
		tea = peek("tea")
		time.Sleep(DefaultTTL)
		synctest.Wait()
		if tea.InsecureBytes() != nil {
			t.Error("a secret is cached after it expired the second time")
		}
		must(t)(r.Open(t.Context(), "dek#tea#1"))
		timers := []*time.Timer{r.secrets.entries["dialogue#tea wrap#0000000001#ada"].timer, r.keks.entries["ada"].timer}
		_ = r.Close()
		for _, timer := range timers {
			if timer.Stop() {
				t.Error("a timer runs after Close")
			}
		}
	})
}
