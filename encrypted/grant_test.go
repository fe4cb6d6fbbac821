package encrypted_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// Another user reads and writes between grant and revocation. Once the keys in
// their memory have expired, they open neither older nor later items. The user
// who granted access never gets access to the other user's own dialogues.
func TestGrantRevoke(t *testing.T) {
	backends(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		h.Fill(60, 20)
		now := time.Now()
		provider := localfile.Open(h.UMK, nil)
		bob := encrypted.New(h.Records, provider, "bob", audit.NewLog(h.Records, "bob", nil), &encrypted.Options{Now: func() time.Time { return now }})
		defer bob.Close()
		ada := h.As("ada")

		for _, s := range []sealedStore{bob, h.As("bob")} {
			if _, err := s.Load(ctx, tea); !errors.Is(err, keys.ErrDenied) {
				t.Errorf("before the grant bob has %v, want ErrDenied", err)
			}
		}
		dialoguetest.Must(t)(bob.Create(ctx, "bobs-own", blue.NewDialogue{Title: "Bob's"}))
		if granted, err := ada.Grant(ctx, tea, "bob"); err != nil || !granted {
			t.Fatalf("Grant: %v, %v", granted, err)
		}
		if granted, err := ada.Grant(ctx, tea, "bob"); err != nil || granted {
			t.Errorf("Grant again: %v, %v", granted, err)
		}
		if dialoguetest.TextOf(t, bob) != dialoguetest.TextOf(t, ada) {
			t.Error("bob sees another dialogue")
		}
		dialoguetest.Must(t)(bob.RegisterRound(ctx, tea, dialoguetest.MovesOf(50, 2, 10)))
		if _, err := ada.Load(ctx, "bobs-own"); !errors.Is(err, keys.ErrDenied) {
			t.Errorf("ada opens a dialogue of bob: %v", err)
		}

		old := h.Items()
		got, err := ada.Revoke(ctx, tea, "bob")
		if err != nil || !got.Held || got.To != 2 {
			t.Fatalf("Revoke: %+v, %v", got, err)
		}
		h.WantVersion(2, "ada")
		dialoguetest.Must(t)(ada.RegisterRound(ctx, tea, dialoguetest.MovesOf(51, 2, 10)))
		for name, s := range map[string]sealedStore{"bob, keys in memory": bob, "bob, new": h.As("bob")} {
			if _, err := s.Load(ctx, tea); !errors.Is(err, blue.ErrSealed) {
				t.Errorf("%s reads re-encrypted items: %v", name, err)
			}
			if _, err := s.RegisterRound(ctx, tea, dialoguetest.MovesOf(52, 2, 10)); !errors.Is(err, blue.ErrSealed) {
				t.Errorf("%s writes: %v", name, err)
			}
			if _, err := s.Grant(ctx, tea, "bob"); !errors.Is(err, blue.ErrSealed) {
				t.Errorf("%s grants: %v", name, err)
			}
			if _, err := s.Rotate(ctx, tea); !errors.Is(err, blue.ErrSealed) {
				t.Errorf("%s rotates: %v", name, err)
			}
		}
		// An old copy of the data opens with the keys in bob's memory, until they expire.
		present := h.Items()
		h.Put(values(old)...)
		now = now.Add(301 * time.Second)
		for name, s := range map[string]sealedStore{"bob, an hour later": bob, "bob, new": h.As("bob")} {
			if _, err := s.Load(ctx, tea); !errors.Is(err, blue.ErrSealed) {
				t.Errorf("%s reads an old copy: %v", name, err)
			}
		}
		h.Put(append(values(present), missingOf(old, present)...)...)
		dialoguetest.Must(t)(ada.Verify(ctx, tea))

		if got, err := ada.Revoke(ctx, tea, "bob"); err != nil || got.Held || got.To != 3 || got.Items == 0 {
			t.Errorf("Revoke again: %+v, %v", got, err)
		}
		dialoguetest.Must(t)(ada.Grant(ctx, tea, "bob"))
		if dialoguetest.TextOf(t, h.As("bob")) != dialoguetest.TextOf(t, ada) {
			t.Error("bob, let in again, sees another dialogue")
		}
	})
}

func values(items map[string]record.Record) []record.Record {
	var all []record.Record
	for _, r := range items {
		all = append(all, r)
	}
	return all
}

// missingOf returns deletions of the items that are in old and not in now.
func missingOf(old, now map[string]record.Record) []record.Record {
	var gone []record.Record
	for sk, r := range old {
		if _, there := now[sk]; !there {
			gone = append(gone, record.Record{Key: r.Key})
		}
	}
	return gone
}

func TestGrantRefuses(t *testing.T) {
	ctx := t.Context()
	h := newFixture(t, memory.New())
	h.Fill(3, 10)
	ada := h.As("ada")
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"grant of nothing":               {func() error { _, err := ada.Grant(ctx, "milk", "bob"); return err }, blue.ErrNotFound},
		"grant without a user":           {func() error { _, err := ada.Grant(ctx, tea, ""); return err }, blue.ErrInvalid},
		"grant by an unauthorized user":  {func() error { _, err := h.As("eve").Grant(ctx, tea, "eve"); return err }, keys.ErrDenied},
		"revoke of nothing":              {func() error { _, err := ada.Revoke(ctx, "milk", "bob"); return err }, blue.ErrNotFound},
		"revoke without a user":          {func() error { _, err := ada.Revoke(ctx, tea, ""); return err }, blue.ErrInvalid},
		"revoke from oneself":            {func() error { _, err := ada.Revoke(ctx, tea, "ada"); return err }, blue.ErrRefused},
		"revoke by an unauthorized user": {func() error { _, err := h.As("eve").Revoke(ctx, tea, "ada"); return err }, keys.ErrDenied},
		"status of nothing":              {func() error { _, err := ada.KeyStatus(ctx, "milk"); return err }, blue.ErrNotFound},
	} {
		if err := c.do(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	h.WantVersion(1, "ada")
	if got, err := ada.Revoke(ctx, tea, "nobody-here"); err != nil || got.Held || got.To != 2 {
		t.Errorf("revoke from who holds nothing: %+v, %v", got, err)
	}
}

// The events of a grant and of a revocation name the user by the pseudonym of the
// log's directory.
func TestGrantEvents(t *testing.T) {
	ctx := t.Context()
	h := newFixture(t, memory.New())
	h.Fill(3, 10)
	directory := audit.NewDirectory(h.Records)
	log := audit.NewLog(h.Records, "ada", &audit.Options{Principals: directory})
	s := encrypted.New(h.Records, localfile.Open(h.UMK, nil), "ada", log, nil)
	defer s.Close()
	dialoguetest.Must(t)(s.Grant(ctx, tea, "bob"))
	dialoguetest.Must(t)(s.Revoke(ctx, tea, "bob"))
	if _, err := s.Revoke(ctx, tea, "ada"); !errors.Is(err, blue.ErrRefused) {
		t.Fatal(err)
	}
	name, err := directory.Pseudonym(ctx, "bob")
	if err != nil || !strings.HasPrefix(name, "p-") {
		t.Fatal(name, err)
	}
	own, _ := directory.Pseudonym(ctx, "ada")
	var got []string
	for _, e := range eventsOf(t, h.Records) {
		if e.Operation != audit.Grant && e.Operation != audit.Revoke {
			continue
		}
		items, err := e.Items()
		if err != nil || len(items) > 1 {
			t.Fatal(items, err)
		}
		line := fmt.Sprint(e.Operation, " ", e.Outcome, " ", e.KeyID, e.ErrorClass)
		for _, it := range items {
			line += " " + it.SK
		}
		got = append(got, line)
	}
	want := []string{
		"grant intent dek#tea#1 " + name, "grant success dek#tea#1 " + name,
		"revoke intent dek#tea#1 " + name, "revoke success dek#tea#2 " + name,
		"revoke intent dek#tea#2 " + own, "revoke failure dek#tea#2other",
	}
	if !slices.Equal(got, want) {
		t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// eventsOf returns the events of the newest chain of one process, in order.
func eventsOf(t *testing.T, records record.Store) []audit.Event {
	t.Helper()
	events, err := audit.ReadCommits(t.Context(), records, string(tea))
	if err != nil {
		t.Fatal(err)
	}
	chain := events[len(events)-1].Chain
	var all []audit.Event
	for seq := uint64(1); ; seq++ {
		e, err := audit.ReadEvent(t.Context(), records, chain, seq)
		if errors.Is(err, blue.ErrNotFound) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

// A grant is stopped at every commit. The user then holds all keys or none, and
// the next grant gives all of them.
func TestGrantStopped(t *testing.T) {
	for _, lands := range []bool{false, true} {
		for at := 1; ; at++ {
			h := newFixture(t, memory.New())
			h.Fill(3, 10)
			_, err := h.Over(&dialoguetest.StoppedStore{Store: h.Records, At: at, Commits: lands}, "ada").Grant(t.Context(), tea, "bob")
			if err == nil {
				if at < 5 {
					t.Errorf("only %d commits to stop at", at-1)
				}
				break
			}
			dialoguetest.Must(t)(h.As("ada").Verify(t.Context(), tea))
			dialoguetest.Must(t)(h.As("ada").Grant(t.Context(), tea, "bob"))
			h.WantVersion(1, "ada", "bob")
			dialoguetest.Must(t)(h.As("bob").Load(t.Context(), tea))
		}
	}
}

// Grants and rotations run at once. Every granted user then holds all stored
// versions.
func TestGrantAgainstRotate(t *testing.T) {
	backends(t, func(t *testing.T, h *fixture) {
		ctx := t.Context()
		h.Fill(100, 10)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if _, err := h.As("ada").Grant(ctx, tea, fmt.Sprintf("user%d", i)); err != nil {
					t.Errorf("Grant: %v", err)
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				if _, err := h.As("ada").Rotate(ctx, tea); err != nil {
					t.Errorf("Rotate: %v", err)
				}
			})
		}
		wg.Wait()
		for i := range 4 {
			dialoguetest.Must(t)(h.As(fmt.Sprintf("user%d", i)).Load(ctx, tea))
		}
		got, err := h.As("user0").Rotate(ctx, tea)
		if err != nil {
			t.Fatal(err)
		}
		h.WantVersion(got.To, "ada", "user0", "user1", "user2", "user3")
	})
}
