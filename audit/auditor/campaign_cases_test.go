package auditor

import (
	"bytes"
	"encoding/hex"
	"iter"
	"slices"
	"strings"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// forgeries holds, for each attribute of an event, a value that none has.
var forgeries = []struct {
	name  string
	value record.Value
}{
	{"event_id", record.S("019c2b5e-0000-7000-8000-999999999999")},
	{"timestamp", record.S("2026-02-03T11:00:00.000000000Z")},
	{"trace_id", record.S(strings.Repeat("ef", 16))},
	{"span_id", record.S(strings.Repeat("ef", 8))},
	{"operation", record.S("rotate")},
	{"key_id", record.S("dek#zebra#1")},
	{"principal", record.S("nobody")},
	{"outcome", record.S("intent")},
	{"chain", record.S(strings.Repeat("0", 32))},
	{"seq", record.N(chainLength + 9)},
	{"dialogue", record.S("zebra")},
	{"root_version", record.N(chainLength + 9)},
	{"item_count", record.N(99)},
	{"items_digest", record.B(bytes.Repeat([]byte{7}, 32))},
	{"item_names", record.B([]byte{3, 0})},
	{"item_tags", record.B(make([]byte, 16))},
	{"error_class", record.S("busy")},
	{"previous_hash", record.S(strings.Repeat("0", 64))},
	{"root_hash", record.S(strings.Repeat("0", 64))},
	{"event_hash", record.S(strings.Repeat("0", 64))},
	{"a_new_one", record.S("hello")},
}

func none(int) bool { return false }

// rest returns the true events from a seq on.
func (c *campaign) rest(seq int) iter.Seq[record.Record] {
	return slices.Values(c.records[min(seq, len(c.records)):])
}

// at returns a record that stands at a seq.
func at(seq int, r record.Record) iter.Seq[record.Record] {
	r.Key.Item = audit.SequenceItem(uint64(seq))
	return slices.Values([]record.Record{r})
}

// before is the hash that the event of a seq must name.
func (c *campaign) before(seq int) string {
	if seq == 1 {
		return audit.FirstPrevious(c.id)
	}
	return c.event(seq - 1).EventHash
}

// cases returns the ways to damage the chain at a seq that create at most one new
// event.
func (c *campaign) cases(seq int) []damage {
	signed := c.next(seq) == seq
	cases := []damage{
		{kind: "insert a record between", events: c.between(seq), want: Inserted, where: seq},
		{kind: "insert an event, shift the rest", events: c.inserted(seq), want: Moved, where: seq + 1},
		{kind: "edit a field", events: c.edited(seq), want: Changed, where: seq},
		{kind: "edit, with a hash to match", events: c.rehashed(seq), want: BrokenLink, where: seq + 1},
		{kind: "truncate", events: join(), want: Cut, where: seq},
		{kind: "truncate events and checkpoints, an anchor knows", events: join(), kept: none, anchor: chainLength, want: Cut, where: seq},
		{kind: "truncate events and checkpoints past the last anchor", events: join(), kept: none, where: c.last(seq)},
		{kind: "drop", events: c.rest(seq + 1), want: Missing, where: seq},
	}
	for i := range cases {
		switch d := &cases[i]; {
		case signed && (d.want == Moved || d.want == BrokenLink):
			d.want, d.where = Rewritten, seq // a checkpoint ends with the event
		case d.want == "" && seq == 1:
			d.want, d.where = MissingChain, 0
		case d.want == Missing && seq == 1:
			d.want = NoGenesis
		case d.want == Missing && seq == chainLength:
			d.want = Cut
		}
	}
	if seq < chainLength {
		cases = append(cases,
			damage{kind: "exchange two events", events: c.exchanged(seq), want: Moved, where: seq},
			damage{kind: "exchange two events, with numbers and hashes to match", events: c.renumbered(seq), want: BrokenLink, where: seq},
		)
	} else {
		cases = append(cases, damage{kind: "append after the close", events: join(c.rest(seq), c.inserted(seq+1)), want: AfterClose, where: seq + 1})
	}
	for i := range cases {
		cases[i].seq = seq
	}
	return cases
}

func (c *campaign) between(seq int) iter.Seq[record.Record] {
	r := c.records[seq]
	r.Key.Item = audit.SequenceItem(uint64(seq)-1) + "5"
	return join(slices.Values([]record.Record{r}), c.rest(seq))
}

// inserted puts a well made event before the one of a seq, which it moves on
// with all that follow.
func (c *campaign) inserted(seq int) iter.Seq[record.Record] {
	e := c.event(2)
	e.Seq, e.Previous, e.Principal = uint64(seq), c.before(seq), "nobody"
	if seq == 1 {
		e.Operation = audit.Genesis
	}
	e.Close("")
	return join(at(seq, eventRecord(e)), func(yield func(record.Record) bool) {
		for next := seq; next <= chainLength; next++ {
			for r := range at(next+1, c.records[next]) {
				if !yield(r) {
					return
				}
			}
		}
	})
}

func (c *campaign) edited(seq int) iter.Seq[record.Record] {
	forged := forgeries[seq%len(forgeries)]
	r := c.records[seq].Clone()
	r.Attrs[forged.name] = forged.value
	return join(at(seq, r), c.rest(seq+1))
}

func (c *campaign) rehashed(seq int) iter.Seq[record.Record] {
	e := c.event(seq)
	e.Principal = "nobody"
	e.Close(e.RootHash)
	return join(at(seq, eventRecord(e)), c.rest(seq+1))
}

func (c *campaign) exchanged(seq int) iter.Seq[record.Record] {
	return join(at(seq, c.records[seq+1]), at(seq+1, c.records[seq]), c.rest(seq+2))
}

func (c *campaign) renumbered(seq int) iter.Seq[record.Record] {
	x, y := c.event(seq), c.event(seq+1)
	x.Seq, y.Seq = y.Seq, x.Seq
	x.Close(x.RootHash)
	y.Close(y.RootHash)
	return join(at(seq, eventRecord(y)), at(seq+1, eventRecord(x)), c.rest(seq+2))
}

// recomputed are the logs whose event at a seq is another, with all hashes
// from there on to match. The verifier can see that at the next checkpoint, so
// the hashes are made up to there.
func (c *campaign) recomputed(seq int) []damage {
	to := c.next(seq)
	tree := c.treeBefore(seq)
	var records []record.Record
	previous := c.before(seq)
	for i := seq; i <= to; i++ {
		e := c.event(i)
		if i == seq {
			e.Principal = "nobody"
		}
		e.Previous = previous
		e.Close(e.RootHash)
		previous = e.EventHash
		leaf, _ := hex.DecodeString(previous)
		tree.Append(leaf)
		records = append(records, eventRecord(e))
	}
	rewritten := slices.Values(records)
	text := c.f.note(c.stranger, checkpoint.Checkpoint{Origin: checkpoint.Origin(c.id), Size: uint64(to), Root: tree.Root()})
	signed := noteRecord(c.id, uint64(to), text)
	cases := []damage{
		{kind: "recompute", events: rewritten, want: Rewritten, where: to},
		{kind: "recompute, checkpoints signed by a stranger", events: rewritten, note: &signed, want: BadCheckpoint, where: to},
		{kind: "recompute, checkpoints gone, an anchor knows", events: rewritten, kept: none, anchor: to, want: Rewritten, where: to},
		{kind: "recompute past the last anchor", events: rewritten, kept: none, where: c.last(seq)},
	}
	for i := range cases {
		cases[i].seq = seq
	}
	return cases
}

// treeBefore is the tree over the true events before a seq. Seqs ascend.
func (c *campaign) treeBefore(seq int) *checkpoint.Tree {
	for i := int(c.grown.Size()) + 1; i < seq; i++ {
		leaf, _ := hex.DecodeString(c.event(i).EventHash)
		c.grown.Append(leaf)
	}
	return c.grown.Clone()
}
