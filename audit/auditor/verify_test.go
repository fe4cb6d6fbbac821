package auditor

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// verify judges a source by the forge's key.
func (f *forge) verify(src Source, anchors ...audit.Anchor) Report {
	f.t.Helper()
	r, err := Verify(f.t.Context(), src, &Options{Verifiers: f.verifiers(), Anchors: anchors, Now: func() time.Time { return f.clock.Add(time.Hour) }})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// file returns lines as a source.
func fileOf(t testing.TB, lines []record.Record) *File {
	t.Helper()
	file, err := NewFile(bytes.NewReader(encode(t, lines)))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWhole(t *testing.T) {
	f := ordinary(t)
	for name, src := range map[string]Source{"store": FromStore(f.store()), "file": fileOf(t, f.lines())} {
		r := f.verify(src)
		if r.Verdict() != OK || r.Err() != nil {
			t.Errorf("%s: %s %v", name, r.Verdict(), r.Err())
		}
		if r.Chains != 2 || r.Events != 10 || r.Checkpoints != 3 || r.Dialogues != 2 || r.Commits != 4 || r.Unclosed != 0 {
			t.Errorf("%s: counted %+v", name, r)
		}
	}
}

// anchor is a set of notes.
type anchor map[string]string

func (a anchor) Publish(context.Context, string, uint64, string) error { return nil }

func (a anchor) Latest(_ context.Context, chain string) (string, error) {
	if text, ok := a[chain]; ok {
		return text, nil
	}
	return "", blue.ErrNotFound
}

func (a anchor) Chains(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for chain := range a {
			if !yield(chain, nil) {
				return
			}
		}
	}
}

// TestAnchors: what the table does not tell any more, an anchor does.
func TestAnchors(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(f *forge, s record.Store)
		want   string
		detail string
	}{
		"nothing": {func(*forge, record.Store) {}, OK, ""},
		"tail and checkpoints cut": {func(f *forge, s record.Store) {
			a := f.chains[0]
			remove(t, s, audit.EventKey(a.id, 6), audit.EventKey(a.id, 5), a.notes[1].Key)
		}, string(Cut), "the anchored checkpoint covers 6 events; 4 are there"},
		"index entry gone": {func(f *forge, s record.Store) {
			a := f.chains[0]
			remove(t, s, record.Key{Partition: "chains#1", Item: "2026-02-03#" + a.id})
		}, string(MissingChain), "the day index does not"},
		"chain gone": {func(f *forge, s record.Store) {
			b := f.chains[1]
			for _, e := range b.events {
				remove(t, s, audit.EventKey(b.id, e.Seq))
			}
			remove(t, s, b.notes[0].Key, record.Key{Partition: "chains#2", Item: "2026-02-03#" + b.id})
		}, string(MissingChain), "it is gone"},
		"rewritten with the table's checkpoints gone": {func(f *forge, s record.Store) {
			a := f.chains[0]
			remove(t, s, a.notes[0].Key, a.notes[1].Key)
			last := a.events[4].EventHash
			e := a.events[5]
			e.Previous, e.Principal = last, "nobody"
			e.Close("")
			remove(t, s, audit.EventKey(a.id, 6))
			f.put(s, record.Audit, eventRecord(e))
		}, string(Rewritten), "the anchored checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			f := ordinary(t)
			f.t = t
			kept := anchor{}
			for _, l := range f.chains {
				kept[l.id] = l.notes[len(l.notes)-1].Attrs["note"].Str()
			}
			s := f.store()
			c.damage(f, s)
			r := f.verify(FromStore(s), kept)
			if c.want == OK {
				if r.Verdict() != OK {
					t.Errorf("%v", r.Err())
				}
				return
			}
			if r.Found == 0 || string(r.Findings[0].Class) != c.want || !strings.Contains(r.Findings[0].Detail, c.detail) {
				t.Errorf("found %v, want %s: %s", r.Findings, c.want, c.detail)
			}
		})
	}
}

func TestBadAnchor(t *testing.T) {
	f := ordinary(t)
	a := f.chains[0]
	foreign := f.note(signerOf(t, 8), checkpoint.Checkpoint{Origin: checkpoint.Origin(a.id), Size: 6, Root: a.tree.Root()})
	for _, text := range []string{foreign, "", "nonsense", f.chains[1].notes[0].Attrs["note"].Str()} {
		if r := f.verify(FromStore(f.store()), anchor{a.id: text}); r.Found != 1 || r.Findings[0].Class != BadCheckpoint {
			t.Errorf("%q: found %v", text, r.Findings)
		}
	}
}

// remove deletes records of the audit table, whatever they are.
func remove(t testing.TB, s record.Store, keys ...record.Key) {
	t.Helper()
	for _, key := range keys {
		if err := s.Commit(t.Context(), []record.Write{{Table: record.Audit, Record: record.Record{Key: key}, Prev: record.Attrs{}}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPages: a partition of more than one page is read to its end, and from
// anywhere.
func TestPages(t *testing.T) {
	for _, n := range []uint64{page - 1, page, page + 1, 2 * page} {
		f := newForge(t)
		a := f.chain(0x11)
		for a.tree.Size() < n {
			a.add(audit.Decrypt, "apple", read)
		}
		src := FromStore(f.store())
		for _, from := range []uint64{0, 1, page / 2, page} {
			want := from
			for r, err := range src.Records(t.Context(), record.ChainPartition(a.id), afterSeq(from)) {
				if want++; err != nil || r.Key != audit.EventKey(a.id, want) {
					t.Fatalf("after %d of %d: %v %v, want seq %d", from, n, r.Key, err, want)
				}
			}
			if want != max(n, from) {
				t.Errorf("after %d of %d: the last is %d", from, n, want)
			}
		}
	}
}

// TestBrokenLinkNamesBothHashes: the acceptance's "first broken link and both hashes".
func TestBrokenLinkNamesBothHashes(t *testing.T) {
	f := ordinary(t)
	a := f.chains[0]
	e := a.events[2]
	e.Principal = "nobody"
	e.Close(e.RootHash)
	s := f.store()
	remove(t, s, audit.EventKey(a.id, 3))
	f.put(s, record.Audit, eventRecord(e))
	want := Finding{Class: BrokenLink, Chain: a.id, Seq: 4, Want: e.EventHash, Have: a.events[2].EventHash, Detail: "the event does not follow the one before it"}
	if r := f.verify(FromStore(s)); r.Found == 0 || r.Findings[0] != want || !errors.Is(r.Err(), blue.ErrTampered) {
		t.Errorf("found %+v, want %+v", r.Findings, want)
	}
}

// meanwhile runs before and after everything a source is asked for: a
// partition, a record or a root.
type meanwhile struct {
	Source
	before, after func(pk record.Partition)
}

func (m meanwhile) Records(ctx context.Context, pk record.Partition, after string) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		m.hook(m.before, pk)
		for r, err := range m.Source.Records(ctx, pk, after) {
			if !yield(r, err) {
				return
			}
		}
		m.hook(m.after, pk)
	}
}

func (m meanwhile) hook(run func(record.Partition), what record.Partition) {
	if run != nil {
		run(what)
	}
}

func (m meanwhile) Record(ctx context.Context, key record.Key) (record.Record, error) {
	m.hook(m.before, key.Partition)
	defer m.hook(m.after, key.Partition)
	return m.Source.Record(ctx, key)
}

func (m meanwhile) Root(ctx context.Context, dialogue string) (Root, error) {
	m.hook(m.before, record.Partition(dialogue))
	defer m.hook(m.after, record.Partition(dialogue))
	return m.Source.Root(ctx, dialogue)
}

// TestCommitsMeanwhile: there is never a finding.
func TestCommitsMeanwhile(t *testing.T) {
	commitsMeanwhile(t, func(f *forge, src Source) Report { return f.verify(src) })
}

// commitsMeanwhile lets commits, with checkpoints, land before and after each
// part of the log that read reads, one part at a time: its report says of nothing
// that it is damaged.
func commitsMeanwhile(t *testing.T, read func(*forge, Source) Report) {
	n := 0
	f := busy(t)
	if read(f, meanwhile{Source: FromStore(f.store()), before: func(record.Partition) { n++ }}); n < 6 {
		t.Fatalf("only %d parts are read", n)
	}
	for _, late := range []bool{false, true} {
		for i := range n {
			for which := range 2 {
				f := busy(t)
				s := f.store()
				seen := 0
				land := func(record.Partition) {
					if seen == i {
						f.land(s, f.chains[which], "apple")
						f.land(s, f.chains[1-which], "apple")
						f.land(s, f.chains[which], "cherry")
					}
					seen++
				}
				m := meanwhile{Source: FromStore(s), before: land}
				if late {
					m = meanwhile{Source: FromStore(s), after: land}
				}
				if r := read(f, m); r.Found > 0 {
					t.Errorf("part %d (late %v, chain %d): %v", i, late, which, r.Findings)
				}
			}
		}
	}
}

// busy is a log whose chains are open.
func busy(t testing.TB) *forge {
	f := newForge(t)
	a, b := f.chain(0x11), f.chain(0x22)
	a.commit("apple")
	b.commit("apple")
	b.commit("berry")
	a.sign()
	b.sign()
	return f
}

// land commits to a dialogue of a store, as one commit, then makes a checkpoint.
func (f *forge) land(s record.Store, c *link, dialogue string) {
	f.t.Helper()
	e := c.commit(dialogue)
	meta := record.Write{Table: record.Dialogues, Record: metaOf(dialogue, e.RootVersion)}
	if e.RootVersion > 1 {
		meta.Prev = record.Attrs{"root_version": record.N(int64(e.RootVersion) - 1)}
	}
	if err := s.Commit(f.t.Context(), append(e.Writes(nil), meta)); err != nil {
		f.t.Fatal(err)
	}
	c.sign()
	f.put(s, record.Audit, c.notes[len(c.notes)-1])
}

func TestTails(t *testing.T) {
	f := busy(t)
	f.chains[0].add(audit.Decrypt, "apple", read)
	r := f.verify(FromStore(f.store()))
	var told []Tail
	opts := &Options{Verifiers: f.verifiers(), Now: func() time.Time { return f.clock.Add(time.Hour) }, Tail: func(t Tail) { told = append(told, t) }}
	if _, err := Verify(t.Context(), FromStore(f.store()), opts); err != nil || !slices.Equal(told, r.Tails) {
		t.Errorf("told of %+v, %v", told, err)
	}
	a := f.chains[0]
	want := []Tail{
		{Chain: a.id, Events: 3, Proven: 2, Since: a.events[2].Timestamp},
		{Chain: f.chains[1].id, Events: 3, Proven: 3},
	}
	if r.Verdict() != Unproven || r.Unclosed != 2 || !slices.Equal(r.Tails, want) {
		t.Errorf("%s, tails %+v", r.Verdict(), r.Tails)
	}
	if got := r.Tails[0].String(); !strings.Contains(got, "unclosed, 3 events, tail unproven after seq 2") {
		t.Errorf("it says %q", got)
	}
	fresh, err := Verify(t.Context(), FromStore(f.store()), &Options{Verifiers: f.verifiers(), Now: func() time.Time { return f.clock.Add(time.Second) }})
	if err != nil || !fresh.Tails[0].Fresh || fresh.Tails[1].Fresh {
		t.Errorf("%v %+v", err, fresh.Tails)
	}
}

// TestUnreadable: what cannot be read is an error, never a verdict.
func TestUnreadable(t *testing.T) {
	f := ordinary(t)
	s := f.store()
	s.Close()
	if _, err := Verify(t.Context(), FromStore(s), nil); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if err := Export(t.Context(), FromStore(s), &bytes.Buffer{}); !errors.Is(err, blue.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestProgress(t *testing.T) {
	f := ordinary(t)
	var phases []string
	_, err := Verify(t.Context(), FromStore(f.store()), &Options{Progress: func(p Progress) { phases = append(phases, p.Phase) }})
	if err != nil || !slices.Equal(phases, []string{"chains", "anchors", "dialogues"}) {
		t.Errorf("%v %v", phases, err)
	}
}
