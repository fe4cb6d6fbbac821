package erasure_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
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
		h := newFixture(t, memory.New())
		directory := audit.NewDirectory(h.Records)
		open := func(records record.Store, k *keeper) sealedStore {
			k.Provider = sealedtest.Key(h.UMK)
			s := encrypted.New(records, k, "ada", audit.NewLog(records, "ada", &audit.Options{Principals: audit.NewDirectory(records)}), nil)
			t.Cleanup(func() { s.Close() })
			return sealedStore{s}
		}
		h.Fill(12, 5)
		dialoguetest.Must(t)(h.As("ada").Grant(ctx, tea, "bob"))
		dialoguetest.Must(t)(h.As("bob").Create(ctx, "coffee", blue.NewDialogue{Title: "Coffee?"}))
		dialoguetest.Must(t)(h.As("ada").Create(ctx, "water", blue.NewDialogue{Title: "Water?"}))
		dialoguetest.Must(t)(directory.Pseudonym(ctx, "bob"))
		all := each(tea, "coffee", "water", "never")

		k := &keeper{}
		mortal := &dialoguetest.StoppedStore{Store: h.Records, At: at, Commits: at%2 == 0}
		first := open(mortal, k)
		_, err := first.EraseUser(ctx, "bob", all)
		if err == nil {
			err = first.ForgetUser(ctx, "bob")
		}
		known, namesErr := directory.NamesOf(ctx, "bob")
		if namesErr != nil {
			t.Fatal(namesErr)
		}
		forgotten := len(known) == 0
		if forgotten && len(k.erased) == 0 {
			t.Fatalf("stopped at commit %d: forgotten before the key was erased", at)
		}
		if err == nil != forgotten && !mortal.Commits {
			t.Fatalf("stopped at commit %d: %v, and forgotten: %v", at, err, forgotten)
		}
		if !forgotten {
			k = &keeper{err: blue.ErrUnavailable}
			if _, err := open(h.Records, k).EraseUser(ctx, "bob", all); !errors.Is(err, blue.ErrUnavailable) {
				t.Fatalf("the key cannot be erased: %v", err)
			}
			k.err = nil
			s := open(h.Records, k)
			if _, err := s.EraseUser(ctx, "bob", all); err != nil {
				t.Fatalf("stopped at commit %d, run again: %v", at, err)
			}
			if !slices.Equal(k.erased, []string{"bob", "bob"}) {
				t.Errorf("keys erased: %v", k.erased)
			}
			if err := s.ForgetUser(ctx, "bob"); err != nil {
				t.Fatalf("stopped at commit %d, run again: %v", at, err)
			}
		}
		names, namesErr := directory.Names(ctx)
		if namesErr != nil || len(names) != 1 {
			t.Errorf("names left: %v, %v", names, namesErr)
		}
		dialoguetest.Must(t)(h.As("ada").Load(ctx, "water"))
		st, err := h.As("ada").KeyStatus(ctx, tea)
		if err != nil || st.Active < 2 {
			t.Errorf("the keys of what was shared: %+v, %v", st, err)
		}
		h.WantVersion(st.Active, "ada")
		for id, want := range map[blue.DialogueID]error{tea: blue.ErrSealed, "coffee": blue.ErrErased} {
			if _, err := h.As("bob").Load(ctx, id); !errors.Is(err, want) {
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

// TestEraseUserUnknown: an erasure of an unknown user writes nothing, and a user
// who was not erased is not forgotten.
func TestEraseUserUnknown(t *testing.T) {
	ctx := t.Context()
	h := newFixture(t, memory.New())
	h.Fill(3, 5)
	directory := audit.NewDirectory(h.Records)
	counted := &counting{Store: h.Records}
	provider := &keeper{Provider: localfile.Open(h.UMK, nil)}
	s := sealedStore{encrypted.New(counted, provider, "ada", audit.NewLog(counted, "ada", &audit.Options{Principals: directory}), nil)}
	defer s.Close()
	_, err := s.EraseUser(ctx, "bbo", each(tea, "never"))
	forgotten := s.ForgetUser(ctx, "bbo")
	if !errors.Is(err, blue.ErrNotFound) || !errors.Is(forgotten, blue.ErrNotFound) || counted.commits > 0 || len(provider.erased) > 0 {
		t.Errorf("%v; %v; %d commits, %v erased", err, forgotten, counted.commits, provider.erased)
	}
	if names, err := directory.Names(ctx); err != nil || len(names) > 0 {
		t.Errorf("names %v, %v", names, err)
	}

	// Known by their name alone, and not forgotten before they are erased.
	dialoguetest.Must(t)(directory.Pseudonym(ctx, "bob arn:aws:iam::111122223333:user/bob"))
	if err := s.ForgetUser(ctx, "bob"); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("forgotten before: %v", err)
	}
	if _, err := s.EraseUser(ctx, "bob", each(tea)); err != nil {
		t.Fatal(err)
	}
	if names, err := directory.NamesOf(ctx, "bob"); err != nil || len(names) != 2 {
		t.Errorf("names %v, %v", names, err)
	}
	if err := s.ForgetUser(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	if names, err := directory.NamesOf(ctx, "bob"); err != nil || len(names) > 0 {
		t.Errorf("names %v, %v", names, err)
	}
	if _, err := s.EraseUser(ctx, "bob", each(tea)); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
}

// TestForgetUserTooEarly: while a key of theirs is there they are not forgotten.
func TestForgetUserTooEarly(t *testing.T) {
	ctx := t.Context()
	for _, lost := range []blue.DialogueID{tea, "coffee"} {
		h := newFixture(t, memory.New())
		h.Fill(3, 5)
		dialoguetest.Must(t)(h.As("ada").Grant(ctx, tea, "bob"))
		dialoguetest.Must(t)(h.As("bob").Create(ctx, "coffee", blue.NewDialogue{Title: "Coffee?"}))
		records := &refusing{Store: h.Records, pk: record.DialoguePartition(string(lost))}
		if _, err := h.Over(records, "ada").EraseUser(ctx, "bob", each(tea, "coffee")); err == nil {
			t.Fatal("it was not stopped")
		}
		if err := h.As("ada").ForgetUser(ctx, "bob"); !errors.Is(err, blue.ErrConflict) {
			t.Errorf("stopped at %s: %v", lost, err)
		}
		if _, err := h.As("ada").EraseUser(ctx, "bob", each(tea, "coffee")); err != nil {
			t.Fatal(err)
		}
		if err := h.As("ada").ForgetUser(ctx, "bob"); err != nil {
			t.Error(err)
		}
	}
}

// TestEraseUserGranted: between the look and the erasure another is let in: the
// dialogue is theirs, and stays.
func TestEraseUserGranted(t *testing.T) {
	ctx := t.Context()
	h := newFixture(t, memory.New())
	h.Fill(3, 5) // of ada alone
	late := &interjecting{Store: h.Records, on: "erasing"}
	late.do = func() { dialoguetest.Must(t)(h.As("ada").Grant(ctx, tea, "cy")) }
	done, err := h.Over(late, "cy").EraseUser(ctx, "ada", each(tea))
	if err != nil || len(done.Erased) > 0 || !slices.Equal(done.Revoked, []blue.DialogueID{tea}) || len(done.Wraps) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	dialoguetest.Must(t)(h.As("cy").Load(ctx, tea))
	if _, err := h.As("ada").Load(ctx, tea); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("ada: %v", err)
	}
}

// TestEraseUserStray: what names the user among the keys of a dialogue goes,
// also where no wrap is put.
func TestEraseUserStray(t *testing.T) {
	ctx := t.Context()
	h := newFixture(t, memory.New())
	h.Fill(3, 5)
	dialoguetest.Must(t)(h.As("ada").Grant(ctx, tea, "bob"))
	for _, r := range h.KeysOf(record.DialoguePartition(string(tea))) {
		if r.Key.Item == "wrap#0000000001#bob" {
			r.Key.Item = "wrap#1#bob"
			if err := h.Records.Commit(ctx, []record.Write{{Table: record.Keys, Record: r}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := h.As("ada").EraseUser(ctx, "bob", each(tea)); err != nil {
		t.Fatal(err)
	}
	status, err := h.As("ada").KeyStatus(ctx, tea)
	if err != nil || len(status.Strays) > 0 || !slices.Equal(status.Users(), []string{"ada"}) {
		t.Errorf("%+v, %v", status, err)
	}
	dialoguetest.Must(t)(h.As("ada").Load(ctx, tea))
}

// TestEraseAgainWithStray: a wrap that came back at another place goes too.
func TestEraseAgainWithStray(t *testing.T) {
	ctx := t.Context()
	h := newFixture(t, memory.New())
	h.Fill(3, 5)
	var wrap record.Record
	for _, r := range h.KeysOf(record.DialoguePartition(string(tea))) {
		if r.Key.Item != "head" {
			wrap = r
		}
	}
	dialoguetest.Must(t)(h.As("ada").Erase(ctx, tea))
	wrap.Key.Item = "wrap#1#ada"
	if err := h.Records.Commit(ctx, []record.Write{{Table: record.Keys, Record: wrap}}); err != nil {
		t.Fatal(err)
	}
	if done, err := h.As("ada").Erase(ctx, tea); err != nil || done.Already {
		t.Errorf("%+v, %v", done, err)
	}
	if left := h.KeysOf(record.DialoguePartition(string(tea))); len(left) != 1 {
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
