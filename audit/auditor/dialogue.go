package auditor

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// dialogue is what the chains said of one dialogue: not the events of its
// commits, but their number and the sum of a keyed hash of their versions and
// places. The sum over the pointers must be the same. Its key is random and of
// this run, so nobody can choose places that cancel each other out.
type dialogue struct {
	commits  uint64
	sum      sum
	last     uint64 // the greatest version of a commit
	boundary uint64 // events of versions up to this one may have come with a copy
	erased   erasure
}

// erasure is how far a dialogue's erasure has come, by its events.
type erasure int

const (
	notErased erasure = iota
	erasing           // the intent is there
	erased
)

// sum is a number mod 2^256.
type sum [4]uint64

// add adds the hash of a commit's version and the place of its event.
func (v *verifier) add(s *sum, version uint64, chain string, seq uint64) {
	b := append(make([]byte, 0, 96), v.secret[:]...)
	b = binary.BigEndian.AppendUint64(b, version)
	b = binary.BigEndian.AppendUint64(b, seq)
	h := sha256.Sum256(append(b, chain...))
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], binary.BigEndian.Uint64(h[8*i:]), carry)
	}
}

// note remembers what an intact event says of its dialogue.
func (v *verifier) note(e audit.Event) {
	if e.Dialogue == "" {
		return
	}
	d := v.known[e.Dialogue]
	if d == nil {
		d = &dialogue{}
		v.known[strings.Clone(e.Dialogue)] = d // not the row that it is a part of
	}
	switch {
	case e.RootHash != "":
		d.commits++
		d.last = max(d.last, e.RootVersion)
		v.add(&d.sum, e.RootVersion, e.Chain, e.Seq)
	case e.Operation == audit.Boundary && e.Outcome == audit.Success:
		d.boundary = max(d.boundary, e.RootVersion)
	case e.Operation == audit.Erase && e.Outcome == audit.Intent:
		d.erased = max(d.erased, erasing)
	case e.Operation == audit.Erase && e.Outcome == audit.Success:
		d.erased = erased
	}
	if e.Operation == audit.Encrypt && e.Outcome == audit.Success && e.RootHash == "" {
		v.report.found(Finding{Class: EventWithoutWrite, Chain: e.Chain, Seq: e.Seq, Dialogue: e.Dialogue, Detail: "the event names no root"})
	}
}

// dialogues checks every dialogue that an event names or the source lists.
func (v *verifier) dialogues(ctx context.Context) error {
	for id, err := range v.src.Dialogues(ctx) {
		if err != nil {
			return err
		}
		if v.known[id] == nil {
			v.known[id] = &dialogue{}
		}
	}
	suspects := make(map[string]bool)
	for _, id := range slices.Sorted(maps.Keys(v.known)) {
		fits, err := v.dialogue(ctx, id, v.known[id])
		if err != nil {
			return fmt.Errorf("dialogue %s: %w", id, err)
		}
		if !fits {
			suspects[id] = true
		}
		if v.progress.Dialogues++; v.progress.Dialogues%page == 0 {
			v.tell()
		}
	}
	if len(suspects) == 0 {
		return nil
	}
	return v.unpointed(ctx, suspects)
}

// dialogue checks one. It reports false where events and pointers are not the
// same: pointers that lead nowhere are reported here, events without a pointer
// are left to unpointed.
func (v *verifier) dialogue(ctx context.Context, id string, d *dialogue) (fits bool, err error) {
	root, err := v.src.Root(ctx, id)
	if err != nil {
		return false, err
	}
	if root.State == Copying || root.State == Moving {
		v.report.Skipped++
		return true, nil
	}
	p := pointers{v: v, id: id, d: d}
	if err := p.walk(ctx, ""); err != nil || p.broken {
		return p.broken, err // what is broken is said
	}
	if p.sum != d.sum || p.summed != d.commits {
		if err := p.lead(ctx); err != nil || p.broken {
			return p.broken, err
		}
	}
	if p.n > 0 || root.State == Stored {
		v.report.Dialogues++
	}
	return p.sum == d.sum && p.summed == d.commits, p.root(ctx)
}

// pointers goes along the pointers of one dialogue.
type pointers struct {
	v      *verifier
	id     string
	d      *dialogue
	n      uint64 // pointers seen
	sum    sum    // of those to events of this log, up to version d.last
	summed uint64
	broken bool // something was reported
}

func (p *pointers) fail(class Class, version uint64, format string, args ...any) {
	p.broken = true
	p.v.report.found(Finding{Class: class, Dialogue: p.id, Version: version, Detail: fmt.Sprintf(format, args...)})
}

// walk takes all pointers after a sort key. Only those are followed whose
// event may have come with a copy, or is newer than the chains as they were
// read; the others are summed.
func (p *pointers) walk(ctx context.Context, after string) error {
	for r, err := range p.v.src.Records(ctx, record.DialoguePartition(p.id), after) {
		if err != nil {
			return err
		}
		version, ok := audit.ParseSequenceItem(r.Key.Item)
		if !ok {
			p.fail(WriteWithoutEvent, p.n+1, "a pointer with the key %.40q", r.Key.Item)
			return nil
		}
		if version != p.n+1 {
			p.gap()
			return nil
		}
		p.n, p.v.report.Commits = version, p.v.report.Commits+1
		own := true
		if version <= p.d.boundary || version > p.d.last {
			if own, err = p.follow(ctx, r); err != nil || p.broken {
				return err
			}
		}
		if chain, seq := audit.PointerTarget(r); own && version <= p.d.last {
			p.v.add(&p.sum, version, chain, seq)
			p.summed++
		}
	}
	return nil
}

// gap reports that the pointer after the last one is gone.
func (p *pointers) gap() {
	detail := "the pointer to the event of this commit is gone"
	if p.n+1 < p.d.boundary {
		detail += "; a copy that was stopped leaves this: copy again"
	}
	p.fail(WriteWithoutEvent, p.n+1, "%s", detail)
}

// lead follows every pointer, to name the one that leads to a wrong place.
func (p *pointers) lead(ctx context.Context) error {
	for r, err := range p.v.src.Records(ctx, record.DialoguePartition(p.id), "") {
		if err != nil {
			return err
		}
		if _, err := p.follow(ctx, r); err != nil || p.broken {
			return err
		}
	}
	return nil
}

// follow checks that a pointer leads to an intact event of this dialogue and
// version. own says that it is of a chain of this log, not a copied one.
func (p *pointers) follow(ctx context.Context, r record.Record) (own bool, err error) {
	version, _ := audit.ParseSequenceItem(r.Key.Item)
	chain, seq := audit.PointerTarget(r)
	found, err := p.v.src.Record(ctx, audit.EventKey(chain, seq))
	if errors.Is(err, blue.ErrNotFound) {
		return false, p.lost(ctx, version, chain, seq)
	}
	if err != nil {
		return false, err
	}
	e, intact := audit.ParseEvent(found)
	switch {
	case !intact:
		p.fail(WriteWithoutEvent, version, "its event, chain %s seq %d, is changed", chain, seq)
	case e.Chain != chain || e.Seq != seq || e.Dialogue != p.id || e.RootVersion != version || e.RootHash == "":
		p.fail(WriteWithoutEvent, version, "its pointer leads to another event, chain %.40s seq %d", chain, seq)
	}
	if p.broken {
		return false, nil
	}
	return p.owns(ctx, version, chain)
}

// owns tells a chain of this log, which begins with its genesis, from one that
// only lent events to a copy.
func (p *pointers) owns(ctx context.Context, version uint64, chain string) (bool, error) {
	if p.v.extra[chain] {
		return true, nil
	}
	_, err := p.v.src.Record(ctx, audit.EventKey(chain, 1))
	switch {
	case err == nil:
		indexed, err := p.v.src.Indexed(ctx, chain)
		if err == nil && !indexed {
			err = p.v.unindexed(ctx, chain, "a pointer of dialogue "+p.id)
		}
		return true, err
	case !errors.Is(err, blue.ErrNotFound):
		return false, err
	case version > p.d.boundary:
		p.fail(MissingChain, version, "its event is of chain %s, which is not of this log, and no boundary covers it", chain)
		return false, nil
	}
	p.v.report.Copied++
	return false, nil
}

// lost reports a pointer to nothing.
func (p *pointers) lost(ctx context.Context, version uint64, chain string, seq uint64) error {
	_, err := p.v.src.Record(ctx, audit.EventKey(chain, 1))
	switch {
	case err == nil, errors.Is(err, blue.ErrNotFound) && version <= p.d.boundary:
		p.fail(WriteWithoutEvent, version, "its event, chain %.40s seq %d, is gone", chain, seq)
	case errors.Is(err, blue.ErrNotFound):
		p.fail(MissingChain, version, "its event is of chain %.40s, which is gone", chain)
	default:
		return err
	}
	return nil
}

// root compares the pointers with the stored root. The root is read after
// them, so it may be newer; then their rest must be there.
func (p *pointers) root(ctx context.Context) error {
	root, err := p.v.src.Root(ctx, p.id)
	if err != nil {
		return err
	}
	if root.State == Copying || root.State == Moving {
		return nil
	}
	reached := max(p.n, p.d.last, p.d.boundary)
	switch {
	case root.State == Erased:
		return p.tombstone(ctx)
	case root.State == Gone:
		if reached > 0 && p.d.erased != erased {
			p.fail(EventWithoutWrite, reached, "the dialogue is gone")
		}
		return nil
	case p.d.erased == erased:
		p.fail(EventWithoutWrite, reached, "the log holds its erasure, and it is stored again: run blue-store erase replay")
		return nil
	}
	if root.Version > p.n {
		if err := p.walk(ctx, afterSeq(p.n)); err != nil || p.broken {
			return err
		}
		reached = max(reached, p.n)
	}
	switch {
	case root.Version > p.n:
		p.gap()
		return nil
	case root.Version < reached:
		// Read after the events, yet older than they are: unless that was
		// the read before the second walk.
		if root, err = p.v.src.Root(ctx, p.id); err != nil || root.State != Stored {
			return err // erased meanwhile, too
		}
		if root.Version < reached {
			p.fail(EventWithoutWrite, root.Version+1, "version %d is stored; the log holds version %d", root.Version, reached)
			return nil
		}
	}
	if root.Version == 0 {
		p.fail(WriteWithoutEvent, 0, "the dialogue has no root_version")
		return nil
	}
	return p.rootEvent(ctx, root)
}

// tombstone asks for the event of an erasure, or of its intent. It was stored
// before the tombstone, and may have been after its chain was read.
func (p *pointers) tombstone(ctx context.Context) error {
	if p.d.erased != notErased {
		return nil
	}
	for e, err := range Events(ctx, p.v.src, Filter{Dialogue: p.id, Operation: audit.Erase}) {
		if err != nil {
			return err
		}
		if e.IsIntact() && (e.Outcome == audit.Intent || e.Outcome == audit.Success) {
			return nil
		}
	}
	p.fail(WriteWithoutEvent, p.n, "an erasure record is stored, and the log has no erasure")
	return nil
}

// rootEvent compares the stored root with the event of its version.
func (p *pointers) rootEvent(ctx context.Context, root Root) error {
	r, err := p.v.src.Record(ctx, audit.PointerKey(p.id, root.Version))
	if errors.Is(err, blue.ErrNotFound) {
		p.n = root.Version - 1
		p.gap()
		return nil
	}
	if err != nil {
		return err
	}
	chain, seq := audit.PointerTarget(r)
	found, err := p.v.src.Record(ctx, audit.EventKey(chain, seq))
	if errors.Is(err, blue.ErrNotFound) {
		return p.lost(ctx, root.Version, chain, seq)
	}
	if err != nil {
		return err
	}
	if e, intact := audit.ParseEvent(found); !intact || e.RootHash != root.Hash {
		p.broken = true
		p.v.report.found(Finding{Class: WriteWithoutEvent, Dialogue: p.id, Version: root.Version, Chain: chain, Seq: seq,
			Want: e.RootHash, Have: root.Hash, Detail: "the stored root is not the one that its event names"})
	}
	return nil
}

// unpointed reads the chains once more for the events of a few dialogues and
// follows each back to its pointer. It comes to that where something is wrong,
// or where an event landed in a chain that had been read before.
func (v *verifier) unpointed(ctx context.Context, suspects map[string]bool) error {
	check := func(chain string) error {
		for r, err := range v.src.Records(ctx, record.ChainPartition(chain), "") {
			if err != nil {
				return err
			}
			e, intact := audit.ParseEvent(r)
			if !intact || e.RootHash == "" || !suspects[e.Dialogue] || e.Chain != chain || audit.SequenceItem(e.Seq) != r.Key.Item {
				continue
			}
			if err := v.pointed(ctx, e); err != nil {
				return err
			}
		}
		return nil
	}
	for chain, err := range v.src.Chains(ctx) {
		if err == nil {
			err = check(chain)
		}
		if err != nil {
			return err
		}
	}
	for _, chain := range slices.Sorted(maps.Keys(v.extra)) {
		if err := check(chain); err != nil {
			return err
		}
	}
	return nil
}

// pointed reports an event of a commit that its pointer does not lead to.
func (v *verifier) pointed(ctx context.Context, e audit.Event) error {
	r, err := v.src.Record(ctx, audit.PointerKey(e.Dialogue, e.RootVersion))
	if err != nil && !errors.Is(err, blue.ErrNotFound) {
		return err
	}
	chain, seq := audit.PointerTarget(r)
	if err == nil && chain == e.Chain && seq == e.Seq {
		return nil
	}
	detail := "no pointer leads to the event"
	if err == nil {
		detail = fmt.Sprintf("the pointer of its version leads to chain %.40s seq %d", chain, seq)
	}
	v.report.found(Finding{Class: EventWithoutWrite, Chain: e.Chain, Seq: e.Seq, Dialogue: e.Dialogue, Version: e.RootVersion, Detail: detail})
	return nil
}
