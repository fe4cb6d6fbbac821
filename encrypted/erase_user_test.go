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
			k.Provider = localfile.Open(h.umk, &localfile.Options{MayCreate: func(context.Context) (bool, error) { return true, nil }})
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
		_, err := open(&mortal{Store: h.records, at: at, lands: at%2 == 0}, k).EraseUser(ctx, "bob", all, directory)
		if stopped := err != nil; stopped {
			names, namesErr := directory.Names(ctx)
			if namesErr != nil {
				t.Fatal(namesErr)
			}
			known := false
			for _, name := range names {
				known = known || name == "bob"
			}
			if !known && len(k.erased) == 0 {
				t.Errorf("stopped at commit %d: forgotten before the key was erased", at)
			}
		}
		k = &keeper{err: blue.ErrUnavailable}
		if _, err := open(h.records, k).EraseUser(ctx, "bob", all, directory); !errors.Is(err, blue.ErrUnavailable) {
			t.Fatalf("the key cannot be erased: %v", err)
		}
		k.err = nil
		if _, err := open(h.records, k).EraseUser(ctx, "bob", all, directory); err != nil {
			t.Fatalf("stopped at commit %d, run again: %v", at, err)
		}
		if !slices.Equal(k.erased, []string{"bob", "bob"}) {
			t.Errorf("keys erased: %v", k.erased)
		}
		names, namesErr := directory.Names(ctx)
		if namesErr != nil || len(names) != 1 {
			t.Errorf("names left: %v, %v", names, namesErr)
		}
		must(t)(h.as("ada").Load(ctx, "water"))
		h.wantVersion(2, "ada")
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
