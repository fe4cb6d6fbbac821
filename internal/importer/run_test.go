package importer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
)

// fakeStore keeps only what an import depends on: which ids are taken, how far
// each source has come, and what was asked. It keeps the engine's rule of
// steps: one that is done is a conflict, one too far ahead is invalid.
type fakeStore struct {
	blue.DialogueStore // nil: a method that Run should not call panics

	mu        sync.Mutex
	dialogues map[blue.DialogueID]*blue.Dialogue
	log       map[blue.DialogueID][]string
	calls     int
	fail      map[int]fault // by call, from 1
	refuse    map[int]error // by operation: a rule's answer
	onCreate  func()        // before the next create, once
}

type fault struct {
	err   error
	after bool // the commit lands and the answer is lost
}

func newFake() *fakeStore {
	return &fakeStore{dialogues: map[blue.DialogueID]*blue.Dialogue{}, log: map[blue.DialogueID][]string{}, fail: map[int]fault{}, refuse: map[int]error{}}
}

func (f *fakeStore) Load(_ context.Context, id blue.DialogueID) (*blue.Snapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if fault, ok := f.fail[f.calls]; ok {
		return nil, fault.err
	}
	d, ok := f.dialogues[id]
	if !ok {
		return nil, fmt.Errorf("loading %s: %w", id, blue.ErrNotFound)
	}
	if d.Status == "erased" {
		return nil, blue.ErrErased
	}
	s := &blue.Snapshot{Dialogue: *d}
	s.Dialogue.Imports = map[string]blue.ImportProgress{}
	for digest, p := range d.Imports {
		s.Dialogue.Imports[digest] = blue.ImportProgress{Done: p.Done, Refused: slices.Clone(p.Refused)}
	}
	return s, nil
}

func (f *fakeStore) Create(_ context.Context, id blue.DialogueID, d blue.NewDialogue) (blue.Scoped[blue.Dialogue], error) {
	if hook := f.onCreate; hook != nil {
		f.onCreate = nil
		hook()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	fault, failing := f.fail[f.calls]
	if failing && !fault.after {
		return blue.Scoped[blue.Dialogue]{}, fault.err
	}
	if _, taken := f.dialogues[id]; taken {
		return blue.Scoped[blue.Dialogue]{}, blue.ErrConflict
	}
	f.dialogues[id] = &blue.Dialogue{ID: id, Title: d.Title, Imports: map[string]blue.ImportProgress{d.Step.Source: {Done: 1}}}
	f.log[id] = append(f.log[id], "create")
	return blue.Scoped[blue.Dialogue]{}, fault.err
}

// commit is every other mutating call.
func (f *fakeStore) commit(id blue.DialogueID, what string, step *blue.Step, refused *blue.ImportRefusal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	fault, failing := f.fail[f.calls]
	if failing && !fault.after {
		return fault.err
	}
	d := f.dialogues[id]
	p := d.Imports[step.Source]
	switch {
	case refused == nil && f.refuse[step.Op] != nil:
		return f.refuse[step.Op]
	case step.Op < p.Done:
		return fmt.Errorf("%w: the step is done", blue.ErrConflict)
	case step.Op > p.Done:
		return fmt.Errorf("%w: a step too far", blue.ErrInvalid)
	}
	p.Done++
	if refused != nil {
		p.Refused = append(p.Refused, *refused)
	}
	d.Imports[step.Source] = p
	f.log[id] = append(f.log[id], what)
	return fault.err
}

func (f *fakeStore) RegisterExpert(_ context.Context, id blue.DialogueID, e blue.NewExpert) (r blue.Scoped[blue.Expert], err error) {
	return r, f.commit(id, "expert "+string(e.Slug), e.Step, nil)
}

func (f *fakeStore) RegisterRound(_ context.Context, id blue.DialogueID, b blue.RoundBatch) (r blue.Scoped[blue.Registered], err error) {
	return r, f.commit(id, fmt.Sprint("round ", b.Round), b.Step, nil)
}

func (f *fakeStore) RecordSignal(_ context.Context, id blue.DialogueID, s blue.Signal) (r blue.Scoped[blue.Signal], err error) {
	return r, f.commit(id, "signal "+string(s.Expert), s.Step, nil)
}

func (f *fakeStore) RegisterVerdict(_ context.Context, id blue.DialogueID, v blue.NewVerdict) (r blue.Scoped[blue.Decided], err error) {
	return r, f.commit(id, "verdict "+string(v.ID), v.Step, nil)
}

func (f *fakeStore) Amend(_ context.Context, id blue.DialogueID, a blue.Amendment) (r blue.Scoped[blue.Dialogue], err error) {
	return r, f.commit(id, "refused", a.Step, a.Refused)
}

// bread is a source of six operations.
func bread(t *testing.T) *Source {
	t.Helper()
	src, err := ReadFolder(folderOf("round-0/panel.json", muffinPanel, "round-0/muffin.md", "[PERSPECTIVE P01: A]\nx\n[MOVE:CONVERGE]",
		"scoreboard.md", tracking, "verdict.md", verdict, "round-0.summary.md", "# S"))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

var breadLog = []string{"create", "expert Muffin", "round 0", "signal Muffin", "verdict final"}

func TestRunAndRunAgain(t *testing.T) {
	store, src := newFake(), bread(t)
	var seen []int
	res, err := Run(t.Context(), store, src, &Options{Progress: func(done, total int, op Op) { seen = append(seen, done*10+total) }})
	if err != nil {
		t.Fatal(err)
	}
	if !res.Created || res.Dialogue != "bread" || res.Done != 5 || !slices.Equal(seen, []int{15, 25, 35, 45, 55}) {
		t.Errorf("result %+v, progress %v", res, seen)
	}
	if diff := cmp.Diff(map[string]int{opCreate: 1, opExpert: 1, opRound: 1, opSignal: 1, opVerdict: 1}, res.Counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	again, err := Run(t.Context(), store, src, nil)
	if err != nil || again.Created || again.Done != 5 || !cmp.Equal(again.Counts, res.Counts) {
		t.Errorf("run again: %+v, %v", again, err)
	}
	if diff := cmp.Diff(map[blue.DialogueID][]string{"bread": breadLog}, store.log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// Whatever call fails, before or after it has landed: running again ends with
// each operation taken once.
func TestRunResumesAfterAnyFault(t *testing.T) {
	clean := newFake()
	if _, err := Run(t.Context(), clean, bread(t), nil); err != nil {
		t.Fatal(err)
	}
	for _, after := range []bool{false, true} {
		for n := 1; n <= clean.calls; n++ {
			store, src := newFake(), bread(t)
			store.fail[n] = fault{blue.ErrUnavailable, after}
			if _, err := Run(t.Context(), store, src, nil); !errors.Is(err, blue.ErrUnavailable) {
				t.Errorf("call %d, after %v: error %v", n, after, err)
			}
			res, err := Run(t.Context(), store, src, nil)
			if err != nil || res.Done != 5 || len(res.Refused) > 0 {
				t.Errorf("call %d, after %v: second run %+v, %v", n, after, res, err)
			}
			if diff := cmp.Diff(map[blue.DialogueID][]string{"bread": breadLog}, store.log); diff != "" {
				t.Errorf("call %d, after %v: log (-want +got):\n%s", n, after, diff)
			}
		}
	}
}

func TestRunRecordsRefusals(t *testing.T) {
	for _, why := range []error{blue.ErrRefused, blue.ErrInvalid, blue.ErrConflict} {
		store, src := newFake(), bread(t)
		store.refuse[1] = fmt.Errorf("%w: no more muffins", why)
		src.Ops[3] = Op{Kind: opSignal, Index: 3, Err: fmt.Errorf("%w: unreadable", blue.ErrInvalid)}
		res, err := Run(t.Context(), store, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []blue.ImportRefusal{{Op: 1, Kind: opExpert, Reason: store.refuse[1].Error()}, {Op: 3, Kind: opSignal, Reason: "invalid input: unreadable"}}
		if diff := cmp.Diff(want, res.Refused); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, store.dialogues["bread"].Imports[src.Digest].Refused); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		if res.Counts[opExpert] != 0 || res.Counts[opSignal] != 0 || res.Counts[opVerdict] != 1 || res.Done != 5 {
			t.Errorf("result %+v", res)
		}
	}
}

// Every other error stops the import and is passed on.
func TestRunStops(t *testing.T) {
	for _, why := range []error{blue.ErrBusy, blue.ErrTooLarge, blue.ErrTampered, blue.ErrSealed, blue.ErrAudit} {
		store := newFake()
		store.refuse[2] = why
		res, err := Run(t.Context(), store, bread(t), nil)
		if !errors.Is(err, why) || res.Done != 2 || len(res.Refused) != 0 {
			t.Errorf("%v: result %+v, error %v", why, res, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	res, err := Run(ctx, newFake(), bread(t), &Options{Progress: func(done, _ int, _ Op) {
		if done == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || res.Done != 3 {
		t.Errorf("cancelled: result %+v, error %v", res, err)
	}
}

func TestRunFindsItsDialogue(t *testing.T) {
	store, src := newFake(), bread(t)
	store.dialogues["bread"] = &blue.Dialogue{Imports: map[string]blue.ImportProgress{"another": {Done: 9}}}
	store.dialogues["bread-2"] = &blue.Dialogue{Status: "erased"}
	res, err := Run(t.Context(), store, src, nil)
	if err != nil || res.Dialogue != "bread-3" || !res.Created {
		t.Fatalf("result %+v, error %v", res, err)
	}
	if res, err := Run(t.Context(), store, src, nil); err != nil || res.Dialogue != "bread-3" || res.Created {
		t.Errorf("again: %+v, %v", res, err)
	}
	given := &Options{ID: func(title string) (blue.DialogueID, error) { return "opaque", nil }}
	if res, err := Run(t.Context(), store, src, given); err != nil || res.Dialogue != "opaque" || !res.Created {
		t.Errorf("given id: %+v, %v", res, err)
	}
	store.dialogues["opaque"].Imports = nil
	if _, err := Run(t.Context(), store, src, given); !errors.Is(err, blue.ErrConflict) {
		t.Errorf("a given id that is another dialogue's: %v", err)
	}
}

// Another run creates the dialogue between this one's search and its create.
func TestRunLosesTheCreate(t *testing.T) {
	store, src := newFake(), bread(t)
	store.onCreate = func() {
		if _, err := Run(t.Context(), store, src, nil); err != nil {
			t.Error(err)
		}
	}
	res, err := Run(t.Context(), store, src, nil)
	if err != nil || res.Created || res.Done != 5 {
		t.Fatalf("result %+v, error %v", res, err)
	}
	if diff := cmp.Diff(map[blue.DialogueID][]string{"bread": breadLog}, store.log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// Many runs of one source at once, one operation refused: one dialogue, every
// operation once, the refusal once. The source is shared and not modified.
func TestRunsAtOnce(t *testing.T) {
	store, src := newFake(), bread(t)
	store.refuse[3] = blue.ErrRefused
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			res, err := Run(t.Context(), store, src, nil)
			if err != nil || res.Done != 5 || len(res.Refused) != 1 {
				t.Errorf("result %+v, error %v", res, err)
			}
		})
	}
	wg.Wait()
	want := slices.Clone(breadLog)
	want[3] = "refused"
	if diff := cmp.Diff(map[blue.DialogueID][]string{"bread": want}, store.log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if src.Ops[0].Dialogue.Step != nil || src.Ops[2].Round.Step != nil {
		t.Error("the source was modified")
	}
}

func TestRunNeedsADialogue(t *testing.T) {
	for _, src := range []*Source{{}, {Ops: []Op{{Kind: opCreate, Err: blue.ErrRefused}}}} {
		if _, err := Run(t.Context(), newFake(), src, nil); !errors.Is(err, blue.ErrInvalid) {
			t.Errorf("error %v, want %v", err, blue.ErrInvalid)
		}
	}
}
