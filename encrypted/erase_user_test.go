package encrypted_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// keeper is a provider that stores the key of each user, and says when it is
// told to erase one.
type keeper struct {
	*localfile.Provider
	erased []string
	err    error
}

func (k *keeper) EraseKEK(_ context.Context, user string) error {
	k.erased = append(k.erased, user)
	return k.err
}

func each(ids ...blue.DialogueID) iter.Seq2[blue.DialogueID, error] {
	return func(yield func(blue.DialogueID, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}

// TestEraseUser: what a user holds alone goes, what others hold is taken from
// them, their own key and name go last, and only if all else is done. Stopped
// anywhere, running it again finishes.
func TestEraseUser(t *testing.T) {
	for at := 0; ; at++ {
		ctx := t.Context()
		h := newHouse(t, memory.New())
		directory := audit.NewDirectory(h.records)
		open := func(records record.Store, k *keeper) *encrypted.EncryptedStore[record.Store, *keeper] {
			k.Provider = sealedtest.Key(h.umk)
			s := encrypted.New(records, k, "ada", audit.NewLog(records, "ada", &audit.Options{Principals: directory}), nil)
			t.Cleanup(func() { s.Close() })
			return s
		}
		h.fill(12, 5)
		must(t)(h.as("ada").Grant(ctx, tea, "bob"))
		must(t)(h.as("bob").Create(ctx, "coffee", blue.NewDialogue{Title: "Coffee?"}))
		must(t)(h.as("ada").Create(ctx, "water", blue.NewDialogue{Title: "Water?"}))
		must(t)(directory.Pseudonym(ctx, "bob"))
		all := each(tea, "coffee", "water", "never")

		k := &keeper{}
		mortal := &mortal{Store: h.records, at: at, lands: at%2 == 0}
		first, its := open(mortal, k), audit.NewDirectory(mortal)
		_, err := first.EraseUser(ctx, "bob", all, its)
		if err == nil {
			err = first.ForgetUser(ctx, "bob", its)
		}
		known, namesErr := directory.NamesOf(ctx, "bob")
		if namesErr != nil {
			t.Fatal(namesErr)
		}
		forgotten := len(known) == 0
		if forgotten && len(k.erased) == 0 {
			t.Fatalf("stopped at commit %d: forgotten before the key was erased", at)
		}
		if err == nil != forgotten && !mortal.lands {
			t.Fatalf("stopped at commit %d: %v, and forgotten: %v", at, err, forgotten)
		}
		if !forgotten {
			k = &keeper{err: blue.ErrUnavailable}
			if _, err := open(h.records, k).EraseUser(ctx, "bob", all, directory); !errors.Is(err, blue.ErrUnavailable) {
				t.Fatalf("the key cannot be erased: %v", err)
			}
			k.err = nil
			s := open(h.records, k)
			if _, err := s.EraseUser(ctx, "bob", all, directory); err != nil {
				t.Fatalf("stopped at commit %d, run again: %v", at, err)
			}
			if !slices.Equal(k.erased, []string{"bob", "bob"}) {
				t.Errorf("keys erased: %v", k.erased)
			}
			if err := s.ForgetUser(ctx, "bob", directory); err != nil {
				t.Fatalf("stopped at commit %d, run again: %v", at, err)
			}
		}
		names, namesErr := directory.Names(ctx)
		if namesErr != nil || len(names) != 1 {
			t.Errorf("names left: %v, %v", names, namesErr)
		}
		must(t)(h.as("ada").Load(ctx, "water"))
		st, err := h.as("ada").KeyStatus(ctx, tea)
		if err != nil || st.Active < 2 {
			t.Errorf("the keys of what was shared: %+v, %v", st, err)
		}
		h.wantVersion(st.Active, "ada")
		for id, want := range map[blue.DialogueID]error{tea: blue.ErrSealed, "coffee": blue.ErrErased} {
			if _, err := h.as("bob").Load(ctx, id); !errors.Is(err, want) {
				t.Errorf("bob and %s: %v", id, err)
			}
		}
		if t.Failed() {
			t.FailNow()
		}
		if err == nil && at > 0 {
			t.Logf("stopped at each of %d commits", at-1)
			break
		}
	}
}

// TestEraseUserUnknown: of a user of whom nothing is known nothing is written,
// and nobody is forgotten who was not erased.
func TestEraseUserUnknown(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, memory.New())
	h.fill(3, 5)
	directory := audit.NewDirectory(h.records)
	counted := &counting{Store: h.records}
	provider := &keeper{Provider: localfile.Open(h.umk, nil)}
	s := encrypted.New[record.Store](counted, provider, "ada", audit.NewLog(counted, "ada", &audit.Options{Principals: directory}), nil)
	defer s.Close()
	_, err := s.EraseUser(ctx, "bbo", each(tea, "never"), directory)
	forgotten := s.ForgetUser(ctx, "bbo", directory)
	if !errors.Is(err, blue.ErrNotFound) || !errors.Is(forgotten, blue.ErrNotFound) || counted.commits > 0 || len(provider.erased) > 0 {
		t.Errorf("%v; %v; %d commits, %v erased", err, forgotten, counted.commits, provider.erased)
	}
	if names, err := directory.Names(ctx); err != nil || len(names) > 0 {
		t.Errorf("names %v, %v", names, err)
	}

	// Known by their name alone, and not forgotten before they are erased.
	must(t)(directory.Pseudonym(ctx, "bob arn:aws:iam::111122223333:user/bob"))
	if err := s.ForgetUser(ctx, "bob", directory); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("forgotten before: %v", err)
	}
	if _, err := s.EraseUser(ctx, "bob", each(tea), directory); err != nil {
		t.Fatal(err)
	}
	if names, err := directory.NamesOf(ctx, "bob"); err != nil || len(names) != 2 {
		t.Errorf("names %v, %v", names, err)
	}
	if err := s.ForgetUser(ctx, "bob", directory); err != nil {
		t.Fatal(err)
	}
	if names, err := directory.NamesOf(ctx, "bob"); err != nil || len(names) > 0 {
		t.Errorf("names %v, %v", names, err)
	}
	if _, err := s.EraseUser(ctx, "bob", each(tea), directory); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
}

// TestForgetUserTooEarly: while a key of theirs is there they are not forgotten.
func TestForgetUserTooEarly(t *testing.T) {
	ctx := t.Context()
	for _, lost := range []blue.DialogueID{tea, "coffee"} {
		h := newHouse(t, memory.New())
		h.fill(3, 5)
		must(t)(h.as("ada").Grant(ctx, tea, "bob"))
		must(t)(h.as("bob").Create(ctx, "coffee", blue.NewDialogue{Title: "Coffee?"}))
		records := &refusing{Store: h.records, pk: record.DialoguePartition(string(lost))}
		if _, err := h.over(records, "ada").EraseUser(ctx, "bob", each(tea, "coffee"), nil); err == nil {
			t.Fatal("it was not stopped")
		}
		if err := h.as("ada").ForgetUser(ctx, "bob", nil); !errors.Is(err, blue.ErrConflict) {
			t.Errorf("stopped at %s: %v", lost, err)
		}
		if _, err := h.as("ada").EraseUser(ctx, "bob", each(tea, "coffee"), nil); err != nil {
			t.Fatal(err)
		}
		if err := h.as("ada").ForgetUser(ctx, "bob", nil); err != nil {
			t.Error(err)
		}
	}
}

// TestEraseUserGranted: between the look and the erasure another is let in: the
// dialogue is theirs, and stays.
func TestEraseUserGranted(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, memory.New())
	h.fill(3, 5) // of ada alone
	late := &interjecting{Store: h.records, on: "erasing"}
	late.do = func() { must(t)(h.as("ada").Grant(ctx, tea, "cy")) }
	done, err := h.over(late, "cy").EraseUser(ctx, "ada", each(tea), nil)
	if err != nil || len(done.Erased) > 0 || !slices.Equal(done.Revoked, []blue.DialogueID{tea}) || len(done.Wraps) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	must(t)(h.as("cy").Load(ctx, tea))
	if _, err := h.as("ada").Load(ctx, tea); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("ada: %v", err)
	}
}

// TestEraseUserStray: what names the user among the keys of a dialogue goes,
// also where no wrap is put.
func TestEraseUserStray(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, memory.New())
	h.fill(3, 5)
	must(t)(h.as("ada").Grant(ctx, tea, "bob"))
	for _, r := range h.keysOf(record.DialoguePartition(string(tea))) {
		if r.Key.Item == "wrap#0000000001#bob" {
			r.Key.Item = "wrap#1#bob"
			if err := h.records.Commit(ctx, []record.Write{{Table: record.Keys, Record: r}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := h.as("ada").EraseUser(ctx, "bob", each(tea), nil); err != nil {
		t.Fatal(err)
	}
	status, err := h.as("ada").KeyStatus(ctx, tea)
	if err != nil || len(status.Strays) > 0 || !slices.Equal(status.Users(), []string{"ada"}) {
		t.Errorf("%+v, %v", status, err)
	}
	must(t)(h.as("ada").Load(ctx, tea))
}

// TestEraseAgainWithStray: a wrap that came back at another place goes too.
func TestEraseAgainWithStray(t *testing.T) {
	ctx := t.Context()
	h := newHouse(t, memory.New())
	h.fill(3, 5)
	var wrap record.Record
	for _, r := range h.keysOf(record.DialoguePartition(string(tea))) {
		if r.Key.Item != "head" {
			wrap = r
		}
	}
	must(t)(h.as("ada").Erase(ctx, tea))
	wrap.Key.Item = "wrap#1#ada"
	if err := h.records.Commit(ctx, []record.Write{{Table: record.Keys, Record: wrap}}); err != nil {
		t.Fatal(err)
	}
	if done, err := h.as("ada").Erase(ctx, tea); err != nil || done.Already {
		t.Errorf("%+v, %v", done, err)
	}
	if left := h.keysOf(record.DialoguePartition(string(tea))); len(left) != 1 {
		t.Errorf("%d records are left among the keys", len(left))
	}
}

// counting counts commits.
type counting struct {
	record.Store
	commits int
}

func (c *counting) Commit(ctx context.Context, writes []record.Write) error {
	c.commits++
	return c.Store.Commit(ctx, writes)
}

// refusing refuses every commit to one partition.
type refusing struct {
	record.Store
	pk record.Partition
}

func (r *refusing) Commit(ctx context.Context, writes []record.Write) error {
	if slices.ContainsFunc(writes, func(w record.Write) bool { return w.Record.Key.Partition == r.pk }) {
		return blue.ErrUnavailable
	}
	return r.Store.Commit(ctx, writes)
}

// interjecting does something once, after a commit to a partition.
type interjecting struct {
	record.Store
	on string
	do func()
}

func (i *interjecting) Commit(ctx context.Context, writes []record.Write) error {
	err := i.Store.Commit(ctx, writes)
	if do := i.do; do != nil && slices.ContainsFunc(writes, func(w record.Write) bool { return string(w.Record.Key.Partition) == i.on }) {
		i.do = nil
		do()
	}
	return err
}
