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

// cloud is a provider that stores a KEK for each user, and whose grants are
// longer than a wrap under one, as those of keys/awskms.
type cloud struct {
	*fakeProvider
	store record.Store
}

func userKey(user string) record.Key {
	return record.Key{Partition: record.UserPartition(user), Item: "kek"}
}

func (p cloud) DeriveKEK(ctx context.Context, umk UMK, user string) (*KEK, error) {
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
	return NewKEK(user, umk.Fingerprint(), secret).Stored(stored.Key, record.Attrs{attrWrapped: stored.Attrs[attrWrapped]}), nil
}

func (p cloud) MakeKEK(ctx context.Context, _ UMK, user string) error {
	if _, err := p.store.Get(ctx, record.Keys, userKey(user)); err == nil {
		return nil
	}
	r := record.Record{Key: userKey(user), Attrs: record.Attrs{attrWrapped: record.B([]byte(rand.Text()))}}
	return p.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: r}})
}

func (p cloud) EraseKEK(ctx context.Context, user string) error {
	stored, err := p.store.Get(ctx, record.Keys, userKey(user))
	if err != nil {
		return err
	}
	return p.store.Commit(ctx, []record.Write{{Table: record.Keys, Record: record.Record{Key: stored.Key}, Prev: stored.Attrs}})
}

func (p cloud) granting(user string) (*KEK, error) {
	secret, err := p.secret.Derive("grant/" + user)
	return NewKEK(user, p.name, secret), err
}

func (p cloud) Grant(_ context.Context, b Binding, secret *envelope.Secret) (Wrapped, error) {
	kek, err := p.granting(b.User)
	if err != nil {
		return nil, err
	}
	w, err := kek.Wrap(b, secret)
	return append(w, "granted"...), err
}

func (p cloud) UnwrapDEK(ctx context.Context, kek *KEK, b Binding, w Wrapped) (*envelope.Secret, error) {
	if len(w) <= envelope.WrapSize {
		return p.fakeProvider.UnwrapDEK(ctx, kek, b, w)
	}
	kek, err := p.granting(b.User)
	if err != nil {
		return nil, err
	}
	return kek.Unwrap(b, w[:envelope.WrapSize])
}

// inCloud is another process over such a provider.
func (w *world) inCloud(user string) *Ring {
	return NewRing(w.store, cloud{w.provider, w.store}, user, &Options{Now: w.now})
}

// plant puts keys that eve drew, granted to ada and herself, where no dialogue
// is: whoever may write the table and grant can.
func (w *world) plant(dialogue string, version uint32) {
	w.t.Helper()
	p, secret := cloud{w.provider, w.store}, envelope.GenerateSecret()
	head := headRecord(dialogue, w.at)
	head.Attrs[attrActive] = record.N(int64(version))
	writes := []record.Write{{Table: record.Keys, Record: head}}
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

// TestPlanted: nothing is sealed under a key that somebody else made for a
// dialogue that is not there yet, whether it was opened before or not.
func TestPlanted(t *testing.T) {
	w := newWorld(t)
	must(t)(w.inCloud("ada").Create(ctx, "tea")) // she has a key of her own
	for dialogue, version := range map[string]uint32{"milk": 1, "soup": 2} {
		w.plant(dialogue, version)
		cold, warm := w.inCloud("ada"), w.inCloud("ada")
		must(t)(warm.Active(ctx, dialogue))
		for name, r := range map[string]*Ring{"cold": cold, "warm": warm, "without a key": w.inCloud("ada")} {
			k, err := r.Create(ctx, dialogue)
			if k != nil {
				t.Errorf("%s, %s: keys that eve knows", dialogue, name)
			}
			tampered, ok := errors.AsType[*blue.TamperError](err)
			if !ok || tampered.Damage[0].Class != record.DamageExtra || tampered.Damage[0].Item != (Binding{"ada", dialogue, version}).SK() {
				t.Errorf("%s, %s: %v; want what stands at the wrap", dialogue, name, err)
			}
		}
	}
	if first, again := must(t)(w.inCloud("ada").Create(ctx, "bread")), must(t)(w.inCloud("ada").Create(ctx, "bread")); first != again {
		t.Error("her own key, left by a crash, is not used")
	}
}

// TestErasedKEK: a process that still holds the KEK of a user who was erased, or
// whose KEK is another now, wraps nothing under it.
func TestErasedKEK(t *testing.T) {
	for name, change := range map[string]func(*world, cloud) error{
		"erased": func(_ *world, p cloud) error { return p.EraseKEK(ctx, "bob") },
		"made anew": func(_ *world, p cloud) error {
			return errors.Join(p.EraseKEK(ctx, "bob"), p.MakeKEK(ctx, nil, "bob"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			bob := w.inCloud("bob")
			must(t)(bob.Create(ctx, "first"))
			if err := change(w, cloud{w.provider, w.store}); err != nil {
				t.Fatal(err)
			}
			made := must(t)(bob.Create(ctx, "late"))
			if got := must(t)(w.inCloud("bob").Open(ctx, "dek#late#1")); got != made {
				t.Error("another process opens other keys")
			}
			if _, err := w.inCloud("bob").Open(ctx, "dek#first#1"); !errors.Is(err, blue.ErrTampered) {
				t.Errorf("what lay under the erased key: %v", err)
			}
		})
	}
}

// TestErasedKEKAgain: a KEK that is gone each time is busy, not a loop.
func TestErasedKEKAgain(t *testing.T) {
	w := newWorld(t)
	bob := w.inCloud("bob")
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
	if all, _ := w.store.Query(ctx, record.Query{Table: record.Keys, Partition: partition("late")}); len(all) > 0 {
		t.Errorf("%d records were left", len(all))
	}
}

// TestIdle: what a ring holds is zeroed when its time is over, although nobody
// asks it for anything, and its timer ends with it.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := NewRing(w.store, w.provider, "ada", nil)
		must(t)(r.Create(t.Context(), "tea"))
		peek := func(dialogue string) *envelope.Secret {
			r.secrets.mu.Lock()
			defer r.secrets.mu.Unlock()
			return r.secrets.held["dialogue#"+dialogue+" wrap#0000000001#ada"].value.Secret
		}
		tea, kek := peek("tea"), r.keks.held["ada"].value
		time.Sleep(100 * time.Second)
		must(t)(r.Create(t.Context(), "milk")) // under the KEK in memory: no longer than that
		milk := peek("milk")
		time.Sleep(DefaultTTL - 100*time.Second - time.Nanosecond)
		synctest.Wait()
		if tea.InsecureBytes() == nil || milk.InsecureBytes() == nil {
			t.Error("gone before their time")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if tea.InsecureBytes() != nil || milk.InsecureBytes() != nil || kek.secret.InsecureBytes() != nil {
			t.Error("held after their time")
		}
		must(t)(r.Open(t.Context(), "dek#tea#1")) // the timer is set again
		tea = peek("tea")
		time.Sleep(DefaultTTL)
		synctest.Wait()
		if tea.InsecureBytes() != nil {
			t.Error("held after its time, the second time")
		}
		must(t)(r.Open(t.Context(), "dek#tea#1"))
		_ = r.Close()
		if r.secrets.timer.Stop() || r.keks.timer.Stop() {
			t.Error("a timer outlives Close")
		}
	})
}
