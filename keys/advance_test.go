package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// Grant implements Granter.
func (p *fakeProvider) Grant(_ context.Context, b Binding, secret *envelope.Secret) (Wrapped, error) {
	kek, err := p.secret.Derive(b.User)
	if err != nil {
		return nil, err
	}
	return NewKEK(b.User, p.name, kek).Wrap(b, secret)
}

// wraps returns the wraps of a dialogue as text: "1:ada,bob 2:ada".
func (w *env) wraps(dialogue string) string {
	w.t.Helper()
	st, err := w.ring("ada", nil).Status(ctx, dialogue)
	if err != nil {
		w.t.Fatal(err)
	}
	var parts []string
	for _, v := range st.Versions {
		var users []string
		for _, h := range v.Holders {
			users = append(users, h.User)
		}
		parts = append(parts, fmt.Sprintf("%d:%s", v.Version, strings.Join(users, ",")))
	}
	return strings.Join(parts, " ")
}

func (w *env) grant(by, dialogue string, users ...string) {
	w.t.Helper()
	for _, user := range users {
		if _, err := w.ring(by, nil).Grant(ctx, dialogue, user); err != nil {
			w.t.Fatalf("granting to %s: %v", user, err)
		}
	}
}

func (w *env) advanceKey(by, dialogue string, from uint32, except ...string) {
	w.t.Helper()
	made, err := w.ring(by, nil).Advance(ctx, dialogue, from, except...)
	if err != nil || made.Version != from+1 {
		w.t.Fatalf("Advance(%d): %+v, %v", from, made, err)
	}
}

func TestAdvance(t *testing.T) {
	w := newEnv(t)
	first := must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	w.grant("ada", "tea", "bob", "cy")
	w.advanceKey("ada", "tea", 1)
	if got := w.wraps("tea"); got != "1:ada,bob,cy 2:ada,bob,cy" {
		t.Errorf("after Advance: %s", got)
	}
	second := must(t)(w.ring("ada", nil).Active(ctx, "tea"))
	if second == first {
		t.Error("the new version has the keys of the old one")
	}
	for _, user := range []string{"bob", "cy"} {
		if must(t)(w.ring(user, nil).Open(ctx, "dek#tea#1")) != first || must(t)(w.ring(user, nil).Active(ctx, "tea")) != second {
			t.Errorf("%s has other keys", user)
		}
	}
	w.advanceKey("bob", "tea", 2, "ada", "dan") // a user with granted access can rotate, and revoke the access of the creator
	if got := w.wraps("tea"); got != "1:bob,cy 2:bob,cy 3:bob,cy" {
		t.Errorf("after bob revoked ada: %s", got)
	}
	for _, id := range []string{"dek#tea#1", "dek#tea#2", "dek#tea#3"} {
		if _, err := w.ring("ada", nil).Open(ctx, id); !errors.Is(err, ErrDenied) {
			t.Errorf("ada opens %s: %v", id, err)
		}
	}
	if err := w.ring("bob", nil).RetireBefore(ctx, "tea", 3); err != nil {
		t.Fatal(err)
	}
	if got := w.wraps("tea"); got != "3:bob,cy" {
		t.Errorf("after RetireBefore: %s", got)
	}
	if err := w.ring("bob", nil).RetireBefore(ctx, "tea", 3); err != nil {
		t.Errorf("RetireBefore again: %v", err)
	}
}

func TestAdvanceRefuses(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	w.grant("ada", "tea", "bob")
	for _, c := range []struct {
		name   string
		user   string
		from   uint32
		except string
		want   error
	}{
		{"a version that is not active", "ada", 2, "", blue.ErrConflict},
		{"a version before the first", "ada", 0, "", blue.ErrConflict},
		{"the last version of all", "ada", 1<<32 - 1, "", blue.ErrInvalid},
		{"a user without access", "eve", 1, "", blue.ErrSealed},
		{"the own user", "ada", 1, "ada", blue.ErrRefused},
		{"no user", "ada", 1, " ", blue.ErrInvalid},
	} {
		var except []string
		if c.except != "" {
			except = []string{c.except}
		}
		if _, err := w.ring(c.user, nil).Advance(ctx, "tea", c.from, except...); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", c.name, err, c.want)
		}
	}
	if _, err := w.ring("ada", nil).Advance(ctx, "milk", 1); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("a missing dialogue: %v", err)
	}
	if err := w.ring("ada", nil).RetireBefore(ctx, "tea", 2); !errors.Is(err, blue.ErrInvalid) {
		t.Errorf("retiring the active version: %v", err)
	}
	if got := w.wraps("tea"); got != "1:ada,bob" {
		t.Errorf("a record was changed: %s", got)
	}
}

// TestAdvancePlantedWraps: an unauthorized writer of the table cannot get the next
// version for a user by planting a wrap: one of another dialogue, version or secret,
// with the name of the user.
func TestAdvancePlantedWraps(t *testing.T) {
	for name, plant := range map[string]func(w *env){
		"without proof": func(w *env) {
			w.move("tea", adasWrap, "tea", "wrap#0000000001#eve")
			w.edit("tea", "wrap#0000000001#eve", set("user", record.S("eve")))
			w.edit("tea", "wrap#0000000001#eve", without("proof"))
		},
		"with the proof of another user": func(w *env) {
			w.move("tea", adasWrap, "tea", "wrap#0000000001#eve")
			w.edit("tea", "wrap#0000000001#eve", set("user", record.S("eve")))
		},
		"with the proof of another dialogue": func(w *env) {
			must(w.t)(w.ring("eve", nil).Create(ctx, "milk"))
			w.move("milk", "wrap#0000000001#eve", "tea", "wrap#0000000001#eve")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			must(t)(w.ring("ada", nil).Create(ctx, "tea"))
			plant(w)
			_, err := w.ring("ada", nil).Advance(ctx, "tea", 1)
			wantError(t, "Advance", err, blue.ErrTampered, record.DamageExtra, "wrap#0000000001#eve", "no valid proof")
			w.advanceKey("ada", "tea", 1, "eve") // deletes the wrap
			if got := w.wraps("tea"); got != "1:ada 2:ada" {
				t.Errorf("after revoking eve: %s", got)
			}
		})
	}
	// A deleted wrap that is restored belongs to an old version.
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	w.grant("ada", "tea", "eve")
	kept := w.store.records[record.Key{Partition: "dialogue#tea", Item: "wrap#0000000001#eve"}].Clone()
	w.advanceKey("ada", "tea", 1, "eve")
	w.store.records[kept.Key] = kept
	w.advanceKey("ada", "tea", 2)
	if got := w.wraps("tea"); got != "1:ada,eve 2:ada 3:ada" {
		t.Errorf("a restored wrap led to %s", got)
	}
}

func TestGrant(t *testing.T) {
	w := newEnv(t)
	want := must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	w.advanceKey("ada", "tea", 1)
	r := w.ring("ada", nil)
	if granted, err := r.Grant(ctx, "tea", "bob"); err != nil || !granted {
		t.Fatalf("Grant: %v, %v", granted, err)
	}
	if got := w.wraps("tea"); got != "1:ada,bob 2:ada,bob" {
		t.Errorf("after Grant: %s", got)
	}
	if must(t)(w.ring("bob", nil).Open(ctx, "dek#tea#1")) != want {
		t.Error("bob has other keys")
	}
	before := w.store.records[record.Key{Partition: "dialogue#tea", Item: "wrap#0000000001#bob"}].Clone()
	for _, user := range []string{"bob", "ada"} {
		if granted, err := r.Grant(ctx, "tea", user); err != nil || granted {
			t.Errorf("Grant to %s again: %v, %v", user, granted, err)
		}
	}
	w.drop("tea", "wrap#0000000002#bob")
	w.edit("tea", "wrap#0000000001#bob", without("proof")) // invalid, so it is replaced
	w.grant("ada", "tea", "bob")
	if now := w.store.records[before.Key]; now.Equal(before) || now.Attrs["proof"].Bin() == nil {
		t.Error("a wrap without proof is kept")
	}
	if got := w.wraps("tea"); got != "1:ada,bob 2:ada,bob" {
		t.Errorf("after Grant of the missing wraps: %s", got)
	}
	for _, c := range []struct {
		name, by, dialogue, user string
		want                     error
	}{
		{"by a user without access", "eve", "tea", "bob", blue.ErrSealed},
		{"by a user without access to herself", "eve", "tea", "eve", blue.ErrSealed},
		{"of a missing dialogue", "ada", "milk", "bob", blue.ErrSealed},
		{"to no user", "ada", "tea", "", blue.ErrInvalid},
	} {
		if _, err := w.ring(c.by, nil).Grant(ctx, c.dialogue, c.user); !errors.Is(err, c.want) {
			t.Errorf("%s: %v; want %v", c.name, err, c.want)
		}
	}
}

func TestMaxHolders(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	for i := range maxHolders - 1 {
		w.grant("ada", "tea", fmt.Sprintf("u%02d", i))
	}
	if _, err := w.ring("ada", nil).Grant(ctx, "tea", "one-more"); !errors.Is(err, blue.ErrTooLarge) {
		t.Errorf("user %d: %v; want ErrTooLarge", maxHolders+1, err)
	}
	w.grant("ada", "tea", "u00")         // an existing holder can be granted again
	w.advanceKey("ada", "tea", 1)        // one commit of 91 writes
	w.advanceKey("ada", "tea", 2, "u00") // and some deletions
	must(t)(w.ring("u88", nil).Active(ctx, "tea"))
	if err := w.ring("ada", nil).RetireBefore(ctx, "tea", 3); err != nil { // 89 deletions for each of two versions
		t.Fatal(err)
	}
	if st, _ := w.ring("ada", nil).Status(ctx, "tea"); len(st.Versions) != 1 || len(st.Users()) != maxHolders-1 {
		t.Errorf("%d versions, %d users", len(st.Versions), len(st.Users()))
	}
}

// TestTurns: changes of one dialogue's keys take turns. A change that conflicts with
// another one starts again. Here the other one commits between the read and the
// commit of the first.
func TestTurns(t *testing.T) {
	for _, c := range []struct {
		name         string
		first, other func(r *Ring) error
		want         string
	}{
		{"rotate, granted in between",
			func(r *Ring) error { _, err := r.Advance(ctx, "tea", 1); return err },
			func(r *Ring) error { _, err := r.Grant(ctx, "tea", "cy"); return err }, "1:ada,bob,cy 2:ada,bob,cy"},
		{"revoke, granted in between",
			func(r *Ring) error { _, err := r.Advance(ctx, "tea", 1, "cy"); return err },
			func(r *Ring) error { _, err := r.Grant(ctx, "tea", "cy"); return err }, "1:ada,bob 2:ada,bob"},
		{"grant, rotated in between",
			func(r *Ring) error { _, err := r.Grant(ctx, "tea", "cy"); return err },
			func(r *Ring) error { _, err := r.Advance(ctx, "tea", 1); return err }, "1:ada,bob,cy 2:ada,bob,cy"},
		{"grant, revoked in between",
			func(r *Ring) error { _, err := r.Grant(ctx, "tea", "cy"); return err },
			func(r *Ring) error { _, err := r.Advance(ctx, "tea", 1, "cy", "bob"); return err }, "1:ada,cy 2:ada,cy"},
	} {
		for _, older := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, older=%v", c.name, older), func(t *testing.T) {
				w := newEnv(t)
				must(t)(w.ring("ada", nil).Create(ctx, "tea"))
				w.grant("ada", "tea", "bob")
				if older {
					w.edit("tea", headerOfTea, without("turn"))
				}
				commits := 0
				w.store.onCommit = func([]record.Write) {
					if commits++; commits == 1 {
						if err := c.other(w.ring("ada", nil)); err != nil {
							t.Errorf("the other: %v", err)
						}
					}
				}
				if err := c.first(w.ring("ada", nil)); err != nil {
					t.Errorf("the first: %v", err)
				}
				if got := w.wraps("tea"); got != c.want {
					t.Errorf("the wraps are %s; want %s", got, c.want)
				}
			})
		}
	}
}

// TestChangesTogether runs concurrent changes. One of them creates the version, and
// every user with access holds every stored version.
func TestChangesTogether(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	w.grant("ada", "tea", "bob")
	made := make(chan error, 64)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := w.ring([]string{"ada", "bob"}[i%2], nil).Advance(ctx, "tea", 1)
			made <- err
		})
	}
	for i := range 4 {
		wg.Go(func() {
			if _, err := w.ring("ada", nil).Grant(ctx, "tea", fmt.Sprintf("u%d", i)); err != nil && !errors.Is(err, blue.ErrBusy) {
				t.Errorf("Grant: %v", err)
			}
		})
	}
	wg.Wait()
	close(made)
	won := 0
	for err := range made {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, blue.ErrConflict):
			t.Errorf("Advance: %v; want nil or ErrConflict", err)
		}
	}
	st, err := w.ring("ada", nil).Status(ctx, "tea")
	if err != nil || won != 1 || st.Active != 2 || len(st.Versions) != 2 || len(st.Versions[0].Holders) != len(st.Versions[1].Holders) {
		t.Errorf("%d won; %+v, %v", won, st, err)
	}
}

// TestChangesDropSecrets: a change removes the cached secrets of its dialogue only.
func TestChangesDropSecrets(t *testing.T) {
	for name, change := range map[string]func(r *Ring) error{
		"Advance":    func(r *Ring) error { _, err := r.Advance(ctx, "tea", 1); return err },
		"Grant":      func(r *Ring) error { _, err := r.Grant(ctx, "tea", "bob"); return err },
		"BeginErase": func(r *Ring) error { _, err := r.BeginErase(ctx, "tea", ""); return err },
	} {
		w := newEnv(t)
		r := w.ring("ada", nil)
		must(t)(r.Create(ctx, "tea"))
		must(t)(r.Create(ctx, "teapot"))
		if err := change(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, kept := r.secrets.entries["dialogue#teapot wrap#0000000001#ada"]; len(r.secrets.entries) != 1 || !kept {
			t.Errorf("%s: %d secrets are cached", name, len(r.secrets.entries))
		}
	}
}

// TestChangesAreRecorded: the creation and deletion of wraps has an intent before and
// an outcome after it.
func TestChangesAreRecorded(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	var seen []string
	opts := &Options{Now: w.now, Record: func(_ context.Context, e KeyEvent) error {
		if e.Action == wrapDEK || e.Action == destroyKey {
			seen = append(seen, fmt.Sprint(e.Action, " ", e.KeyID, " ", e.Outcome, e.Class))
		}
		return nil
	}}
	w.store.onCommit = func([]record.Write) { seen = append(seen, "commit") }
	r := w.ring("ada", opts)
	_, err := r.Grant(ctx, "tea", "bob")
	_, err2 := r.Advance(ctx, "tea", 1)
	err3 := r.RetireBefore(ctx, "tea", 2)
	_, err4 := r.Advance(ctx, "tea", 7)
	if err := errors.Join(err, err2, err3); err != nil || !errors.Is(err4, blue.ErrConflict) {
		t.Fatal(err, err4)
	}
	want := []string{
		"wrap_dek dek#tea#1 intent", "commit", "wrap_dek dek#tea#1 success",
		"wrap_dek dek#tea#2 intent", "commit", "wrap_dek dek#tea#2 success",
		"destroy_key dek#tea#1 intent", "commit", "destroy_key dek#tea#1 success",
		"wrap_dek dek#tea#8 intent", "wrap_dek dek#tea#8 failureconflict",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("recorded\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
	// A change whose event cannot be stored is not made.
	opts.Record = func(context.Context, KeyEvent) error { return errors.New("full") }
	before := w.wraps("tea")
	r = w.ring("ada", opts)
	for name, change := range map[string]func() error{
		"Advance": func() error { _, err := r.Advance(ctx, "tea", 2); return err },
		"Grant":   func() error { _, err := r.Grant(ctx, "tea", "cy"); return err },
	} {
		if err := change(); !errors.Is(err, blue.ErrAudit) || w.wraps("tea") != before {
			t.Errorf("%s: %v, and the wraps are %s; want ErrAudit and no change", name, err, w.wraps("tea"))
		}
	}
}

// TestNoGranter: a provider that cannot grant can rotate a dialogue of one user only.
func TestNoGranter(t *testing.T) {
	w := newEnv(t)
	must(t)(w.ring("ada", nil).Create(ctx, "tea"))
	w.grant("ada", "tea", "bob")
	r := NewRing(w.store, struct{ Provider }{w.provider}, "ada", &Options{Now: w.now, TTL: time.Hour})
	if _, err := r.Grant(ctx, "tea", "cy"); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("Grant: %v; want ErrSealed", err)
	}
	if _, err := r.Advance(ctx, "tea", 1); !errors.Is(err, blue.ErrSealed) || w.wraps("tea") != "1:ada,bob" {
		t.Errorf("Advance: %v; want ErrSealed", err)
	}
	if _, err := r.Advance(ctx, "tea", 1, "bob"); err != nil {
		t.Errorf("Advance for one user: %v", err)
	}
}
