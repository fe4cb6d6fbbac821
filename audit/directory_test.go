package audit_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestPseudonym computes a pseudonym as docs/format.md describes.
func TestPseudonym(t *testing.T) {
	w := newFaultStore()
	d := audit.NewDirectory(w)
	got, err := d.Pseudonym(t.Context(), "muffin")
	if err != nil {
		t.Fatal(err)
	}
	r, err := w.Get(t.Context(), record.Keys, record.Key{Partition: "principals", Item: "muffin"})
	if err != nil || len(r.Attrs) != 2 || len(r.Attrs["pepper"].Bin()) != 32 || len(r.Attrs["created_at"].Str()) != 30 {
		t.Fatalf("record %v, %v", r, err)
	}
	mac := hmac.New(sha256.New, r.Attrs["pepper"].Bin())
	for _, part := range []string{"blue/1/principal", "muffin"} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	if want := "p-" + hex.EncodeToString(mac.Sum(nil))[:32]; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if again, err := audit.NewDirectory(w).Pseudonym(t.Context(), "muffin"); err != nil || again != got {
		t.Errorf("another time: %s, %v", again, err)
	}
	other, err := d.Pseudonym(t.Context(), "scone")
	if err != nil || other == got {
		t.Errorf("of another: %s, %v", other, err)
	}
	if names, err := d.Names(t.Context()); err != nil || !maps.Equal(names, map[string]string{got: "muffin", other: "scone"}) {
		t.Errorf("names %v, %v", names, err)
	}
}

// TestPseudonymRace makes a pseudonym in 50 goroutines. All must get the same one.
func TestPseudonymRace(t *testing.T) {
	w := newFaultStore()
	var gate sync.WaitGroup
	gate.Add(50)
	got := make(chan string, 50)
	w.before = func(int, []record.Write) error {
		gate.Done() // all have found no record before one writes
		gate.Wait()
		return nil
	}
	for range 50 {
		go func() {
			p, err := audit.NewDirectory(w).Pseudonym(t.Context(), "muffin")
			if err != nil {
				t.Error(err)
			}
			got <- p
		}()
	}
	seen := map[string]int{}
	for range 50 {
		seen[<-got]++
	}
	if len(seen) != 1 {
		t.Errorf("%v, want one pseudonym", seen)
	}
}

func TestPseudonymFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(w *faultStore)
		name  string
		want  error
	}{
		"put fails":          {func(w *faultStore) { w.before = nth(1, record.ErrBusy) }, "muffin", record.ErrBusy},
		"put lost":           {func(w *faultStore) { w.before = nth(1, errLost) }, "muffin", errLost},
		"put lands, unheard": {func(w *faultStore) { w.after = nth(1, errLost) }, "muffin", nil},
		"no name":            {func(*faultStore) {}, "", blue.ErrInvalid},
		"long name":          {func(*faultStore) {}, strings.Repeat("m", record.MaxItem+1), blue.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFaultStore()
			c.fault(w)
			_, err := audit.NewDirectory(w).Pseudonym(t.Context(), c.name)
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	w := newFaultStore()
	short := record.Record{Key: record.Key{Partition: "principals", Item: "muffin"}, Attrs: record.Attrs{"pepper": record.B([]byte("short"))}}
	if err := w.Commit(t.Context(), []record.Write{{Table: record.Keys, Record: short}}); err != nil {
		t.Fatal(err)
	}
	_, err := audit.NewDirectory(w).Pseudonym(t.Context(), "muffin")
	_, namesErr := audit.NewDirectory(w).Names(t.Context())
	if !errors.Is(err, blue.ErrTampered) || !errors.Is(namesErr, blue.ErrTampered) {
		t.Errorf("%v, %v; want ErrTampered", err, namesErr)
	}
}

// TestForget checks that the log keeps a pseudonym whose name was deleted.
func TestForget(t *testing.T) {
	w := newFaultStore()
	d := audit.NewDirectory(w)
	open := func() *audit.Log { return audit.NewLog(w, "muffin", &audit.Options{Principals: d}) }
	log := open()
	mustRead(t, log)
	if err := d.Forget(t.Context(), "muffin"); err != nil {
		t.Fatal(err)
	}
	mustRead(t, log)
	if err := d.Forget(t.Context(), "muffin"); !errors.Is(err, blue.ErrNotFound) {
		t.Errorf("the second Forget: %v, want ErrNotFound", err)
	}
	next := open()
	mustRead(t, next)
	principals := map[string]int{}
	for _, chain := range chainsIn(t, w) {
		for _, e := range eventsIn(t, w, chain) {
			principals[e.Principal]++
			if !strings.HasPrefix(e.Principal, "p-") || len(e.Principal) != 34 {
				t.Errorf("principal %q", e.Principal)
			}
		}
	}
	names, err := d.Names(t.Context())
	if err != nil || len(principals) != 2 || len(names) != 1 {
		t.Errorf("%d principals, %d of them with a name, %v", len(principals), len(names), err)
	}
}

// TestPrincipalUnavailable checks that nothing is written if the pseudonym cannot
// be read.
func TestPrincipalUnavailable(t *testing.T) {
	w := newFaultStore()
	w.before = to("principals", blue.ErrUnavailable)
	log := audit.NewLog(w, "muffin", &audit.Options{Principals: audit.NewDirectory(w)})
	if err := read(t.Context(), log); !errors.Is(err, blue.ErrAudit) {
		t.Errorf("%v, want ErrAudit", err)
	}
	if n := len(chainsIn(t, w)); n != 0 {
		t.Errorf("%d chains", n)
	}
	w.heal()
	mustRead(t, log)
	if n := w.count(); n != 3 {
		t.Errorf("%d commits, want 3", n)
	}
	mustRead(t, log)
	if n := w.count(); n != 4 {
		t.Errorf("an operation on a free chain makes %d commits", n-3)
	}
}

// TestNamesOf checks that the names of a user are the name itself and names with
// an identity after a space, and that the call stores no record.
func TestNamesOf(t *testing.T) {
	ctx := t.Context()
	d := audit.NewDirectory(newFaultStore())
	for _, name := range []string{"ada arn:aws:iam::111122223333:user/ada", "adam", "ada", "bob arn:x"} {
		if _, err := d.Pseudonym(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	for user, want := range map[string][]string{
		"ada": {"ada", "ada arn:aws:iam::111122223333:user/ada"}, "adam": {"adam"}, "bob": {"bob arn:x"}, "ad": nil, "cy": nil,
	} {
		if got, err := d.NamesOf(ctx, user); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", user, got, err)
		}
	}
	if all, err := d.Names(ctx); err != nil || len(all) != 4 {
		t.Errorf("names %v, %v", all, err)
	}
}
