package auditor

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/record"
)

const (
	chainLength = 10_000
	signEvery   = 256
)

// tamperFigures are the figures of the campaign.
type tamperFigures struct {
	Events      int            `json:"events_of_the_chain"`
	Checkpoints int            `json:"checkpoints"`
	SeqEvery    int            `json:"every_nth_seq"`
	RecomputeAt int            `json:"hashes_recomputed_from_every_nth_seq"`
	Logs        map[string]int `json:"damaged_logs"`
	Tampered    int            `json:"due_tampered"`
	Right       int            `json:"reported_with_the_right_class_and_seq"`
	Unproven    int            `json:"due_unproven"` // past the last checkpoint that anybody kept
	Tails       int            `json:"reported_with_the_right_tail"`
	CalledOK    int            `json:"called_ok"`
	Whole       int            `json:"verified_again_from_the_start"`
}

// TestEverySeq damages a chain of 10,000 events, with a checkpoint every 256
// and at its close, at each seq in each way: every one is reported, with its
// class and seq; what no kept checkpoint covers is unproven after the last
// that does, never ok. The verifier is resumed where the damage begins;
// samples are verified from the start, too, and must give the same report.
func TestEverySeq(t *testing.T) {
	c := newCampaign(t)
	step := campaigntest.Length(40, 1, 1)
	f := &tamperFigures{Events: chainLength, Checkpoints: len(c.notes), SeqEvery: step,
		RecomputeAt: campaigntest.Length(400, 16, 1), Logs: map[string]int{}}
	base := newWalk(c.id, c.f.verifiers())
	for seq := 1; seq <= chainLength; seq++ {
		cases := c.cases(seq)
		if seq%step != 0 && c.ordinarySeq(seq) {
			cases = nil
		}
		if seq%f.RecomputeAt == 0 || !c.ordinarySeq(seq) {
			cases = append(cases, c.recomputed(seq)...)
		}
		for _, d := range cases {
			c.count(f, d, c.resume(base, d))
		}
		if slices.Contains([]int{1, signEvery, 5001, chainLength}, seq) {
			c.sample(f, cases)
		}
		base.event(c.records[seq])
		if n, ok := c.notes[seq]; ok {
			base.check(markOf(n))
		}
		if base.finding != nil {
			t.Fatalf("the chain itself: %v", base.finding)
		}
	}
	if f.Right != f.Tampered || f.Tails != f.Unproven || f.CalledOK > 0 || f.Tampered == 0 || f.Unproven == 0 || f.Whole == 0 {
		t.Errorf("%+v", f)
	}
	campaigntest.Figures(t, "audit-tamper", f)
}

// campaign is the whole chain, by seq.
type campaign struct {
	*link
	t        *testing.T
	records  []record.Record // by seq, from 1
	notes    map[int]record.Record
	stranger *checkpoint.Signer
	grown    checkpoint.Tree // see treeBefore
}

func newCampaign(t *testing.T) *campaign {
	f := newForge(t)
	c := &campaign{link: f.chain(0x11), t: t, notes: map[int]record.Record{}, stranger: signerOf(t, 8)}
	for seq := 2; seq < chainLength; seq++ {
		switch {
		case seq%10 == 3:
			c.commit("apple")
		case seq%7 == 0:
			c.add(audit.UnwrapDEK, "berry", func(e *audit.Event) { e.Outcome, e.ErrorClass = audit.Denied, "denied" })
		default:
			c.add(audit.Decrypt, "apple", read)
		}
		if seq%signEvery == 0 {
			c.sign()
		}
	}
	c.close()
	if r := f.verify(FromStore(f.store())); r.Verdict() != OK || r.Events != chainLength {
		t.Fatalf("the chain itself: %s, %d events, %v", r.Verdict(), r.Events, r.Err())
	}
	c.records = make([]record.Record, 1, chainLength+1)
	for _, e := range c.events {
		c.records = append(c.records, eventRecord(e))
	}
	for _, n := range c.link.notes {
		size, _ := audit.ParseSequenceItem(n.Key.Item)
		c.notes[int(size)] = n
	}
	return c
}

// ordinarySeq is false where something else than an event is near.
func (c *campaign) ordinarySeq(seq int) bool {
	near := seq % signEvery
	return seq > 2 && seq < chainLength-1 && near > 1 && near < signEvery-1
}

// event returns a copy of one.
func (c *campaign) event(seq int) audit.Event { return c.link.events[seq-1] }

// next and last are the sizes of the checkpoints about a seq: the first that
// covers it, and the last that does not; 0 for none.
func (c *campaign) next(seq int) int { return min((seq+signEvery-1)/signEvery*signEvery, chainLength) }
func (c *campaign) last(seq int) int { return (seq - 1) / signEvery * signEvery }

// damage is one damaged log: the true chain before a seq, and what follows.
type damage struct {
	kind   string
	seq    int
	events iter.Seq[record.Record] // from seq on
	kept   func(size int) bool     // which checkpoints of size ≥ seq stand; nil for all
	note   *record.Record          // stands in place of the one with its key
	anchor int                     // size of the checkpoint that an anchor holds, if any

	want  Class // "" for unproven
	where int   // the finding's seq, or the end of what is proven
}

// view is a damaged log as a Source, from the seq on where a walk stands.
type view struct {
	Source // nil: following a chain asks for records only
	events iter.Seq[record.Record]
	notes  []record.Record
	w      *walk
}

// Records stops once something was found: the rest of a chain is not judged.
func (s view) Records(_ context.Context, pk record.Partition, after string) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		records := s.events
		if strings.HasPrefix(string(pk), checkpointPartition) {
			records = slices.Values(s.notes)
		}
		for r := range records {
			if r.Key.Item > after && !yield(r, nil) || s.w.finding != nil {
				return
			}
		}
	}
}

// resume judges a damaged log from where base stands, before its seq.
func (c *campaign) resume(base *walk, d damage) Report {
	w := *base
	w.tree = *base.tree.Clone()
	var notes []record.Record
	for size := c.next(int(base.seq) + 1); ; size = c.next(size + 1) {
		n := c.notes[size]
		if d.note != nil && d.note.Key == n.Key {
			n = *d.note
		}
		if size < d.seq || d.kept == nil || d.kept(size) {
			notes = append(notes, n)
		}
		if size == chainLength {
			break
		}
	}
	o := &Options{Verifiers: c.f.verifiers()}
	if d.anchor > 0 {
		o.Anchors = []audit.Anchor{anchor{c.id: c.notes[d.anchor].Attrs["note"].Str()}}
	}
	events := d.events
	if first := int(base.seq) + 1; first < d.seq {
		events = join(slices.Values(c.records[first:d.seq]), d.events)
	}
	v := newVerifier(view{events: events, notes: notes, w: &w}, o)
	if err := v.follow(c.t.Context(), &w); err != nil {
		c.t.Fatal(err)
	}
	return v.report
}

// count compares a report with what is due.
func (c *campaign) count(f *tamperFigures, d damage, r Report) {
	c.t.Helper()
	f.Logs[d.kind]++
	if r.Verdict() == OK {
		f.CalledOK++
	}
	if d.want == "" {
		f.Unproven++
		if r.Verdict() == Unproven && strings.HasSuffix(r.Tails[0].String(), fmt.Sprintf("tail unproven after seq %d", d.where)) {
			f.Tails++
			return
		}
	} else {
		f.Tampered++
		if r.Found == 1 && r.Findings[0].Class == d.want && r.Findings[0].Seq == uint64(d.where) {
			f.Right++
			return
		}
	}
	c.t.Errorf("%s at seq %d: %s %v %v, want %q at %d", d.kind, d.seq, r.Verdict(), r.Findings, r.Tails, d.want, d.where)
}

// sample verifies damaged logs from their start: the same must come out.
func (c *campaign) sample(f *tamperFigures, cases []damage) {
	for _, d := range cases {
		f.Whole++
		r := c.resume(newWalk(c.id, c.f.verifiers()), d)
		once := &tamperFigures{Logs: map[string]int{}}
		c.count(once, d, r)
	}
}

func join(seqs ...iter.Seq[record.Record]) iter.Seq[record.Record] {
	return func(yield func(record.Record) bool) {
		for _, seq := range seqs {
			for r := range seq {
				if !yield(r) {
					return
				}
			}
		}
	}
}
