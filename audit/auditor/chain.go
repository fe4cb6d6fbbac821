package auditor

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// walk goes along one chain and judges it, event by event.
type walk struct {
	chain     string
	verifiers note.Verifiers
	seq       uint64 // of the last event
	last      string // its hash
	tree      checkpoint.Tree
	closed    bool
	proven    uint64 // size of the newest checkpoint that fits
	since     string // timestamp of the first event after it
	good      int    // checkpoints that fit
	finding   *Finding
}

func newWalk(chain string, verifiers note.Verifiers) *walk {
	return &walk{chain: chain, verifiers: verifiers, last: audit.FirstPrevious(chain)}
}

// fail keeps the first finding; after it the chain is not judged any more.
func (w *walk) fail(class Class, seq uint64, want, have, format string, args ...any) {
	if w.finding == nil {
		w.finding = &Finding{Class: class, Chain: w.chain, Seq: seq, Want: want, Have: have, Detail: fmt.Sprintf(format, args...)}
	}
}

// event takes the next record of the chain's partition. own says that it is an
// intact event in its own place, whatever stands around it.
func (w *walk) event(r record.Record) (e audit.Event, own bool) {
	e, intact := audit.ParseEvent(r)
	at, ok := audit.ParseSequenceItem(r.Key.Item)
	own = intact && ok && e.Chain == w.chain && e.Seq == at
	if w.finding != nil {
		return e, own
	}
	if w.judge(r.Key.Item, at, e, intact, ok); w.finding != nil {
		return e, own
	}
	leaf, err := hex.DecodeString(e.EventHash)
	if err != nil { // cannot be: it equals a hash
		panic("auditor: an intact event without a hash")
	}
	w.tree.Append(leaf)
	w.seq, w.last, w.closed = at, e.EventHash, e.Operation == audit.Close
	if w.since == "" {
		w.since = e.Timestamp
	}
	return e, own
}

// judge fails where the record is not the chain's next event.
func (w *walk) judge(sk string, at uint64, e audit.Event, intact, ok bool) {
	next := w.seq + 1
	switch {
	case !ok:
		w.fail(Inserted, next, "", "", "a record with the key %.40q, which is no event's place", sk)
	case at > next && next == 1:
		w.fail(NoGenesis, 1, "", "", "the chain begins with seq %d", at)
	case at > next:
		w.fail(Missing, next, "", "", "the events from seq %d to %d are gone", next, at-1)
	case !intact:
		w.fail(Changed, at, computedEventHash(e), e.EventHash, "its hash is not that of its fields")
	case e.Chain != w.chain || e.Seq != at:
		w.fail(Moved, at, "", "", "event %d of chain %.40s stands here", e.Seq, e.Chain)
	case e.Previous != w.last:
		w.fail(BrokenLink, at, w.last, e.Previous, "the event does not follow the one before it")
	case w.closed:
		w.fail(AfterClose, at, "", "", "an event after the close of the chain")
	case (at == 1) != (e.Operation == audit.Genesis):
		w.fail(NoGenesis, at, "", "", "%s stands here", e.Operation)
	}
}

// mark is a checkpoint that the chain must fit, not opened yet.
type mark struct {
	size  uint64 // where it stands; 0 for no place at all
	note  string
	where string
}

// check opens a mark whose size the chain has reached, or never will.
func (w *walk) check(m mark) {
	if w.finding != nil {
		return
	}
	c, err := checkpoint.Open(m.note, w.verifiers)
	switch {
	case err != nil:
		w.fail(BadCheckpoint, m.size, "", "", "%s: %s", m.where, strings.TrimPrefix(err.Error(), blue.ErrTampered.Error()+": "))
	case c.Origin != checkpoint.Origin(w.chain) || c.Size != m.size:
		w.fail(BadCheckpoint, m.size, "", "", "%s is one of %d events of %s", m.where, c.Size, c.Origin)
	case c.Size > w.seq:
		w.fail(Cut, w.seq+1, "", "", "%s covers %d events; %d are there", m.where, c.Size, w.seq)
	case c.Root != w.tree.Root():
		root := w.tree.Root()
		w.fail(Rewritten, c.Size, hex.EncodeToString(c.Root[:]), hex.EncodeToString(root[:]), "the chain is consistent, but not the one that %s signs", m.where)
	default:
		w.good++
		w.proven, w.since = c.Size, ""
	}
}

// tail returns what no checkpoint covers of an intact chain.
func (w *walk) tail(now time.Time) (Tail, bool) {
	if w.closed && w.proven == w.seq {
		return Tail{}, false
	}
	t := Tail{Chain: w.chain, Events: w.seq, Proven: w.proven, Closed: w.closed, Since: w.since}
	if since, err := time.Parse(time.RFC3339Nano, w.since); err == nil {
		t.Fresh = now.Sub(since) < fresh
	}
	return t, true
}

// chain verifies one chain.
func (v *verifier) chain(ctx context.Context, chain string) error {
	return v.follow(ctx, newWalk(chain, v.verifiers))
}

// follow verifies the rest of a chain after the events that w has seen. Anchors and the
// next checkpoint are read before the events that they cover, so that events that are
// written in between are not taken for damage.
func (v *verifier) follow(ctx context.Context, w *walk) error {
	anchored, err := v.anchorMarks(ctx, w.chain)
	if err != nil {
		return err
	}
	q, err := openQueue(v.marks(ctx, w.chain, anchored))
	defer q.stop()
	if err != nil {
		return err
	}
	for {
		before := w.seq
		for r, err := range v.src.Records(ctx, record.ChainPartition(w.chain), afterSeq(w.seq)) {
			if err != nil {
				return err
			}
			v.saw(w.event(r))
			if err := q.check(w, w.seq); err != nil {
				return err
			}
		}
		if w.finding != nil || !q.more || w.seq == before {
			break
		}
		// A checkpoint that was read on the way may cover events that have
		// landed since their page was read.
	}
	if err := q.check(w, math.MaxUint64); err != nil {
		return err
	}
	v.ended(w)
	return nil
}

// queue holds the next checkpoint of a chain.
type queue struct {
	next func() (mark, error, bool)
	stop func()
	mark mark
	more bool
}

func openQueue(marks iter.Seq2[mark, error]) (*queue, error) {
	q := &queue{}
	q.next, q.stop = iter.Pull2(marks)
	return q, q.advance()
}

func (q *queue) advance() (err error) {
	q.mark, err, q.more = q.next()
	return err
}

// check compares a chain with the checkpoints of up to a size.
func (q *queue) check(w *walk, size uint64) error {
	for q.more && w.finding == nil && q.mark.size <= size {
		w.check(q.mark)
		if err := q.advance(); err != nil {
			return err
		}
	}
	return nil
}

// afterSeq is the sort key of a seq, "" for none.
func afterSeq(seq uint64) string {
	if seq == 0 {
		return ""
	}
	return audit.SequenceItem(seq)
}

// saw counts an event and notes what it says of its dialogue.
func (v *verifier) saw(e audit.Event, own bool) {
	v.report.Events++
	if v.report.Events%page == 0 {
		v.tell()
	}
	if own {
		v.report.span(e.Timestamp)
		v.note(e)
	}
}

// ended adds a chain to the report.
func (v *verifier) ended(w *walk) {
	v.report.Chains++
	v.report.Checkpoints += w.good
	if w.finding == nil && w.seq == 0 {
		w.fail(MissingChain, 0, "", "", "the day index names it; it has no events")
	}
	if w.finding != nil {
		v.report.found(*w.finding)
		return
	}
	if !w.closed {
		v.report.Unclosed++
	}
	if t, unproven := w.tail(v.now); unproven {
		v.report.tail(t)
		if v.tail != nil {
			v.tail(t)
		}
	}
}

// anchorMarks asks every anchor for the chain's newest checkpoint.
func (v *verifier) anchorMarks(ctx context.Context, chain string) ([]mark, error) {
	var marks []mark
	for _, a := range v.anchors {
		text, err := a.Latest(ctx, chain)
		if errors.Is(err, blue.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		m := mark{note: text, where: "the anchored checkpoint"}
		if c, err := checkpoint.Peek(text); err == nil {
			m.size = c.Size
		}
		marks = append(marks, m)
	}
	slices.SortFunc(marks, func(a, b mark) int { return cmp.Compare(a.size, b.size) })
	return marks, nil
}

// marks yields the checkpoints of the table and of the anchors, ascending.
func (v *verifier) marks(ctx context.Context, chain string, anchored []mark) iter.Seq2[mark, error] {
	return func(yield func(mark, error) bool) {
		for r, err := range v.src.Records(ctx, record.CheckpointPartition(chain), "") {
			if err != nil {
				yield(mark{}, err)
				return
			}
			m := markOf(r)
			for len(anchored) > 0 && anchored[0].size <= m.size {
				if !yield(anchored[0], nil) {
					return
				}
				anchored = anchored[1:]
			}
			if !yield(m, nil) {
				return
			}
		}
		for _, m := range anchored {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// markOf reads a checkpoint's record.
func markOf(r record.Record) mark {
	m := mark{note: r.Attrs["note"].Str(), where: "the checkpoint"}
	m.size, _ = audit.ParseSequenceItem(r.Key.Item)
	return m
}
