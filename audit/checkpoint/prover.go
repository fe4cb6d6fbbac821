package checkpoint

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// A Prover makes the hashes of one [Proof] from a stream of leaves. It keeps at
// most 63 hashes and no events. Its methods must not be called concurrently.
type Prover struct {
	size, next uint64 // number of leaves in the tree, number of leaves so far
	spans      []span // in the order of the proof
	order      []int  // indexes of the remaining spans, ascending by lo
	tree       Tree   // over the current span
	hashes     []Hash // by the index of the span
}

// A span is a run of leaves [lo, hi) whose root is in the proof.
type span struct{ lo, hi uint64 }

// NewInclusionProver returns the prover of the leaf at index, from 0, in the tree
// of the first size leaves. It returns ErrInvalid unless index < size ≤ 999,999,999,999.
func NewInclusionProver(index, size uint64) (*Prover, error) {
	if index >= size || size > maxSize {
		return nil, fmt.Errorf("%w: no event %d in a tree of %d events", blue.ErrInvalid, index+1, size)
	}
	p := &Prover{size: size, spans: pathSpans(nil, index, span{0, size})}
	for i := range p.spans {
		p.order = append(p.order, i)
	}
	slices.SortFunc(p.order, func(a, b int) int { return cmp.Compare(p.spans[a].lo, p.spans[b].lo) })
	p.hashes = make([]Hash, len(p.spans))
	return p, nil
}

// pathSpans appends the spans of an audit path, RFC 6962, section 2.1.1:
//
//	PATH(m, D[n]) = PATH(m, D[0:k]) : MTH(D[k:n])      for m < k
//	PATH(m, D[n]) = PATH(m - k, D[k:n]) : MTH(D[0:k])  for m >= k
//
// k is the largest power of two below n.
func pathSpans(spans []span, m uint64, s span) []span {
	n := s.hi - s.lo
	if n == 1 {
		return spans
	}
	k := s.lo + 1<<(bits.Len64(n-1)-1)
	if m < k {
		return append(pathSpans(spans, m, span{s.lo, k}), span{k, s.hi})
	}
	return append(pathSpans(spans, m, span{k, s.hi}), span{s.lo, k})
}

// Append adds the next leaf: the raw event hash, 32 bytes. Leaves after the first
// size are ignored.
func (p *Prover) Append(leaf []byte) {
	at := p.next
	p.next++
	if len(p.order) == 0 || at < p.spans[p.order[0]].lo {
		return
	}
	p.tree.Append(leaf)
	if now := p.order[0]; at+1 == p.spans[now].hi {
		p.hashes[now] = p.tree.Root()
		p.tree = Tree{}
		p.order = p.order[1:]
	}
}

// Hashes returns the hashes of the proof. It returns ErrInvalid if fewer than
// size leaves were added.
func (p *Prover) Hashes() ([]Hash, error) {
	if p.next < p.size {
		return nil, fmt.Errorf("%w: the proof needs %d events, and %d were read", blue.ErrInvalid, p.size, p.next)
	}
	return slices.Clone(p.hashes), nil
}
