package erasure_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/erasure"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

var errDead = errors.New("the process is dead")

// dying is a store whose process dies at its n-th call of any kind, before it
// or after it, unseen.
type dying struct {
	record.Store
	at    int
	lands bool
	n     int
}

func (d *dying) step(do func() error) error {
	d.n++
	switch {
	case d.n < d.at:
		return do()
	case d.n == d.at && d.lands:
		_ = do()
	}
	return errDead
}

func (d *dying) Commit(ctx context.Context, writes []record.Write) error {
	return d.step(func() error { return d.Store.Commit(ctx, writes) })
}

func (d *dying) Query(ctx context.Context, q record.Query) (all []record.Record, err error) {
	err = d.step(func() (err error) { all, err = d.Store.Query(ctx, q); return err })
	return all, err
}

func (d *dying) Get(ctx context.Context, table record.Table, key record.Key) (r record.Record, err error) {
	err = d.step(func() (err error) { r, err = d.Store.Get(ctx, table, key); return err })
	return r, err
}

// wrapsOf are the SHA-256 of a user's stored wraps, ascending.
func (o *office) wrapsOf(user string, dialogues []string) []string {
	o.t.Helper()
	var hashes []string
	for _, id := range dialogues {
		all, err := o.records.Query(o.t.Context(), record.Query{Table: record.Keys, Partition: record.DialoguePartition(id)})
		if err != nil {
			o.t.Fatal(err)
		}
		for _, r := range all {
			if strings.HasSuffix(r.Key.Item, "#"+user) {
				hashes = append(hashes, fmt.Sprintf("%x", sha256.Sum256(r.Attrs["wrapped"].Bin())))
			}
		}
	}
	slices.Sort(hashes)
	return hashes
}

// plans are the records of erasures of users that are not finished.
func (o *office) plans() []record.Record {
	o.t.Helper()
	all, err := o.records.Query(o.t.Context(), record.Query{Table: record.Keys, Partition: "erasing"})
	if err != nil {
		o.t.Fatal(err)
	}
	return all
}

// knows reports whether the directory holds a name.
func (o *office) knows(name string) bool {
	o.t.Helper()
	names, err := o.directory.Names(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	for _, known := range names {
		if known == name {
			return true
		}
	}
	return false
}

// dies runs an erasure of bob that is stopped at a call, be it one of its last
// step; nil if it never came
// to that call.
func (o *office) dies(at int, lands bool) error {
	o.t.Helper()
	d := &dying{Store: o.records, at: at, lands: lands}
	mortal := &office{t: o.t, records: d, umk: o.umk, clock: o.clock, signer: o.signer, verifiers: o.verifiers, directory: audit.NewDirectory(d)}
	ada := mortal.as("ada")
	if _, err := ada.EraseUser(o.t.Context(), "bob", dialogues(o)); err != nil {
		return err
	}
	return ada.ForgetUser(o.t.Context(), "bob")
}

// TestUserStopped: wherever the erasure of a user is stopped, be it twice, the
// same command finishes it, and the certificate of its last run names what all
// of the runs took away.
func TestUserStopped(t *testing.T) {
	umk := newOffice(t, memory.New()).umk // one for all: making it is slow
	for _, lands := range []bool{false, true} {
		t.Run(fmt.Sprint("landing ", lands), func(t *testing.T) {
			t.Parallel() // what is refused is tried again after a pause
			at := 1
			step := campaigntest.Length(2, 1, 1)
			for stoppedAt(t, umk, at, lands) {
				at += step
			}
			t.Logf("stopped at every call of %d, in steps of %d", at-1, step)
			if at < 40 {
				t.Errorf("only %d calls to stop at", at-1)
			}
		})
	}
}

var shared, alone = []string{"shared-one", "shared-two"}, []string{"theirs-one", "theirs-two"}

// people is an office where bob holds what shared and alone name.
func people(t *testing.T, records record.Store, umk string) *office {
	t.Helper()
	o := newOffice(t, records)
	o.umk = umk
	ada, bob := o.as("ada"), o.as("bob")
	o.fill(ada, "mine", 1)
	for _, id := range shared {
		o.fill(ada, blue.DialogueID(id), 2)
		if _, err := ada.Grant(t.Context(), blue.DialogueID(id), "bob"); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range alone {
		o.fill(bob, blue.DialogueID(id), 2)
	}
	return o
}

// stoppedAt is one such case; false if the erasure did not come to that call.
func stoppedAt(t *testing.T, umk string, at int, lands bool) bool {
	o := people(t, memory.New(), umk)
	hashes := o.wrapsOf("bob", slices.Concat(shared, alone))
	if o.dies(at, lands) == nil {
		return false
	}
	where := fmt.Sprintf("stopped at call %d", at)
	for _, p := range o.plans() {
		if strings.Contains(p.Key.Item, "bob") || !strings.HasPrefix(p.Key.Item, "p-") {
			t.Fatalf("%s: the plan is kept under %s", where, p.Key.Item)
		}
	}
	if !o.knows("bob") {
		// The last commit landed: all is done, and the log says what.
		if !lands || len(o.plans()) > 0 {
			t.Fatalf("%s: forgotten, and %d plans are left", where, len(o.plans()))
		}
		o.wantOutcome(where)
		return true
	}
	if o.dies(7+at/2, !lands) == nil || !o.knows("bob") {
		return true // this one finished it
	}
	o.wantWhole(where, hashes)
	return true
}

// wantWhole runs the erasure of bob to its end, whose certificate names
// everything, and looks for what it left.
func (o *office) wantWhole(where string, hashes []string) {
	o.t.Helper()
	done, err := o.as("ada").EraseUser(o.t.Context(), "bob", dialogues(o))
	if err != nil {
		o.t.Fatalf("%s, run again: %v", where, err)
	}
	c := o.certified(done)
	if !slices.Equal(c.Erased, alone) || !slices.Equal(c.Revoked, shared) || !slices.Equal(c.Keys, hashes) || len(hashes) != 4 {
		o.t.Fatalf("%s, run again: the certificate names %v, %v and the keys %v; want %v", where, c.Erased, c.Revoked, c.Keys, hashes)
	}
	o.wantCounted(c, done, 8, alone...)
	if len(done.Erased) != 2 || len(done.Revoked) != 2 || len(done.Wraps) != 2 {
		o.t.Fatalf("%s, run again: %+v", where, done)
	}
	if c.StartedAt != done.StartedAt || len(done.StartedAt) != 30 {
		o.t.Fatalf("%s, run again: begun %q, in the certificate %q", where, done.StartedAt, c.StartedAt)
	}
	if err := o.as("ada").ForgetUser(o.t.Context(), "bob"); err != nil {
		o.t.Fatalf("%s, run again: %v", where, err)
	}
	if len(o.plans()) > 0 || o.knows("bob") {
		o.t.Fatalf("%s, run again: it left the plans %v", where, o.plans())
	}
	if _, err := o.as("ada").Load(o.t.Context(), "mine"); err != nil {
		o.t.Fatal(err)
	}
}

// certified is the certificate of an erasure of bob.
func (o *office) certified(done erasure.UserReport) erasure.Certificate {
	o.t.Helper()
	o.checkpoint()
	text, err := o.notary().Issue(o.t.Context(), erasure.Subject{Kind: erasure.KindUser, ID: "bob"}, done.Event)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.open(text)
}

// forgetful refuses the commit that forgets a principal, once.
type forgetful struct {
	record.Store
	refused int
}

func (f *forgetful) Commit(ctx context.Context, writes []record.Write) error {
	forgets := func(w record.Write) bool { return w.Record.Key.Partition == "principals" && len(w.Record.Attrs) == 0 }
	if f.refused == 0 && slices.ContainsFunc(writes, forgets) {
		f.refused++
		return errDead
	}
	return f.Store.Commit(ctx, writes)
}

// TestUserStoppedLast stops it before its last commit, on each kind of records:
// nothing is there any more of what the certificate names, but the plan.
func TestUserStoppedLast(t *testing.T) {
	for name, records := range dialoguetest.Backends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &forgetful{Store: records(t)}
			o := people(t, f, newOffice(t, f).umk)
			hashes := o.wrapsOf("bob", slices.Concat(shared, alone))
			if _, err := o.as("ada").EraseUser(t.Context(), "bob", dialogues(o)); err != nil {
				t.Fatal(err)
			}
			if err := o.as("ada").ForgetUser(t.Context(), "bob"); !errors.Is(err, errDead) {
				t.Fatalf("the first run: %v", err)
			}
			if left := o.wrapsOf("bob", slices.Concat(shared, alone)); len(left) > 0 || len(o.plans()) != 1 || !o.knows("bob") {
				t.Fatalf("keys %v, plans %v", left, o.plans())
			}
			o.wantUndisturbed()
			o.wantWhole("before the last commit", hashes)
		})
	}
}

// wantUndisturbed: a plan in the table of keys is in nobody's way.
func (o *office) wantUndisturbed() {
	o.t.Helper()
	ctx, s := o.t.Context(), o.as("ada")
	if status, err := s.KeyStatus(ctx, "mine"); err != nil || !slices.Equal(status.Users(), []string{"ada"}) {
		o.t.Errorf("the status of the keys: %v, %v", status, err)
	}
	again, err := s.ReplayErasures(ctx)
	if err != nil || len(again) != len(alone) {
		o.t.Errorf("the replay: %+v, %v", again, err)
	}
	for _, e := range again {
		if !e.Already {
			o.t.Errorf("the replay erased %+v", e)
		}
	}
	if names, err := o.directory.Names(ctx); err != nil || len(names) != 2 {
		o.t.Errorf("the directory: %v, %v", names, err)
	}
	report, err := auditor.Verify(ctx, auditor.FromStore(o.records), nil)
	if err != nil || report.Found > 0 {
		o.t.Errorf("the audit log: %v, %v", err, report.Err())
	}
}

// TestUserPlanAltered: a plan that is none of ours is damage, and nothing is
// begun.
func TestUserPlanAltered(t *testing.T) {
	for name, attrs := range map[string]record.Attrs{
		"half a hash":  {"wraps": record.B(make([]byte, 16))},
		"no dialogue":  {"erase": record.S("theirs-one\nNo Id")},
		"an empty one": {"revoke": record.S("shared-one\n\nshared-two")},
	} {
		o := people(t, memory.New(), newOffice(t, memory.New()).umk)
		pseudonym, err := o.directory.Pseudonym(t.Context(), "bob")
		if err != nil {
			t.Fatal(err)
		}
		if err := o.records.Commit(t.Context(), []record.Write{{Table: record.Keys, Record: record.Record{Key: record.Key{Partition: "erasing", Item: pseudonym}, Attrs: attrs}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := o.as("ada").EraseUser(t.Context(), "bob", dialogues(o)); !errors.Is(err, blue.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
		if left := o.wrapsOf("bob", slices.Concat(shared, alone)); len(left) != 4 {
			t.Errorf("%s: %d keys are left", name, len(left))
		}
	}
}

// wantOutcome looks in the whole log for the outcome, which names everything.
func (o *office) wantOutcome(where string) {
	o.t.Helper()
	var want []string
	for _, id := range alone {
		want = append(want, "erased#"+id)
	}
	for _, id := range shared {
		want = append(want, "revoked#"+id)
	}
	for e, err := range auditor.Events(o.t.Context(), auditor.FromStore(o.records), auditor.Filter{Operation: audit.Erase, Outcome: audit.Success}) {
		if err != nil {
			o.t.Fatal(err)
		}
		if e.Dialogue != "" {
			continue
		}
		items, err := e.Items()
		if err != nil {
			o.t.Fatal(err)
		}
		var got []string
		for _, item := range items {
			if strings.HasPrefix(item.SK, "erased#") || strings.HasPrefix(item.SK, "revoked#") {
				got = append(got, item.SK)
			}
		}
		if slices.Equal(got, want) && len(items) == len(want)+5 { // two wraps, the count, the time and the name
			return
		}
	}
	o.t.Errorf("%s: no outcome in the log names everything", where)
}

// TestUserPlanChanges: between two runs others change what the user holds. The
// certificate says what became of it in the end.
func TestUserPlanChanges(t *testing.T) {
	ctx := t.Context()
	// What is planned is taken in the order of its names, after what goes as a
	// whole: c-theirs and a-first are done before the stop, b-shared is not begun.
	setUp := func(t *testing.T) (*office, sealedStore) {
		o := newOffice(t, memory.New())
		ada, bob := o.as("ada"), o.as("bob")
		for _, id := range []blue.DialogueID{"a-first", "b-shared"} {
			o.fill(ada, id, 1)
			if _, err := ada.Grant(ctx, id, "bob"); err != nil {
				t.Fatal(err)
			}
		}
		o.fill(bob, "c-theirs", 1)
		o.fill(ada, "d-mine", 1)
		s := &stopping{Store: o.records}
		stopped := &office{t: t, records: s, umk: o.umk, clock: o.clock, signer: o.signer, verifiers: o.verifiers, directory: o.directory}
		if _, err := stopped.as("ada").EraseUser(ctx, "bob", dialogues(o)); !errors.Is(err, errDead) {
			t.Fatal(err)
		}
		if len(o.plans()) != 1 {
			t.Fatalf("plans %v", o.plans())
		}
		return o, ada
	}
	for name, c := range map[string]struct {
		change          func(t *testing.T, o *office, ada sealedStore)
		erased, revoked []string
		keys            int
	}{
		"nothing": {func(*testing.T, *office, sealedStore) {}, []string{"c-theirs"}, []string{"a-first", "b-shared"}, 3},
		"another erases a shared one": {func(t *testing.T, _ *office, ada sealedStore) {
			if _, err := ada.Erase(ctx, "b-shared"); err != nil {
				t.Fatal(err)
			}
		}, []string{"c-theirs"}, []string{"a-first", "b-shared"}, 3},
		"theirs is shared": {func(t *testing.T, o *office, _ sealedStore) {
			if _, err := o.as("bob").Grant(ctx, "c-theirs", "ada"); err != nil {
				t.Fatal(err)
			}
		}, nil, []string{"a-first", "b-shared", "c-theirs"}, 3},
		"a shared one is granted again": {func(t *testing.T, _ *office, ada sealedStore) {
			if _, err := ada.Grant(ctx, "a-first", "bob"); err != nil {
				t.Fatal(err)
			}
		}, []string{"c-theirs"}, []string{"a-first", "b-shared"}, 4},
		"another's erasure is not finished": {func(t *testing.T, o *office, _ sealedStore) {
			d := &dying{Store: o.records, at: 15}
			dead := &office{t: t, records: d, umk: o.umk, clock: o.clock, signer: o.signer, verifiers: o.verifiers, directory: o.directory}
			if _, err := dead.as("ada").Erase(ctx, "d-mine"); err == nil {
				t.Fatal("it was not stopped")
			}
			if lines, err := o.records.Query(ctx, record.Query{Table: record.Keys, Partition: "erased"}); err != nil || len(lines) != 1 {
				t.Fatalf("it had not begun: %v", err)
			}
		}, []string{"c-theirs"}, []string{"a-first", "b-shared"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			o, ada := setUp(t)
			c.change(t, o, ada)
			done, err := o.as("ada").EraseUser(ctx, "bob", dialogues(o))
			if err != nil {
				t.Fatal(err)
			}
			got := o.certified(done)
			if !slices.Equal(got.Erased, c.erased) && len(got.Erased)+len(c.erased) > 0 || !slices.Equal(got.Revoked, c.revoked) || len(got.Keys) != c.keys {
				t.Errorf("erased %v, revoked %v, %d keys; want %v, %v and %d", got.Erased, got.Revoked, len(got.Keys), c.erased, c.revoked, c.keys)
			}
		})
	}
}

// stopping is a store whose process dies when b-shared is to be changed.
type stopping struct {
	record.Store
	dead bool
}

func (s *stopping) Commit(ctx context.Context, writes []record.Write) error {
	s.dead = s.dead || slices.ContainsFunc(writes, func(w record.Write) bool { return w.Record.Key.Partition == "dialogue#b-shared" })
	if s.dead {
		return errDead
	}
	return s.Store.Commit(ctx, writes)
}
