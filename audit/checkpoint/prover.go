package checkpoint

import (
	"fmt"
	"math/bits"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// Prover makes one proof while the events go by once, in order: it holds a
// few hashes, never the events. Not for concurrent use.
type Prover struct {
	size, next uint64 // leaves that will come, leaves that have come
	spans      []span // in the order of the proof
	order      []int  // of spans, by where they begin
	tree       Tree   // over the span that is going by
	hashes     []Hash
}

// span is a run of leaves [lo, hi) whose root is in the proof.
type span struct{ lo, hi uint64 }

// NewInclusionProver proves that a leaf, from 0, is in the tree of the first
// size leaves. ErrInvalid if it is not below size.
func NewInclusionProver(index, size uint64) (*Prover, error) {
	if index >= size || size > MaxSize {
		return nil, fmt.Errorf("%w: no event %d in a tree of %d", blue.ErrInvalid, index+1, size)
	}
	return newProver(size, pathSpans(nil, index, span{0, size})), nil
}

// NewConsistencyProver proves that the tree of the first size leaves begins
// with the tree of the first old ones. ErrInvalid unless 1 ≤ old ≤ size.
func NewConsistencyProver(old, size uint64) (*Prover, error) {
	if old == 0 || old > size || size > MaxSize {
		return nil, fmt.Errorf("%w: no consistency proof from size %d to %d", blue.ErrInvalid, old, size)
	}
	return newProver(size, consistencySpans(nil, old, span{0, size}, true)), nil
}

func newProver(size uint64, spans []span) *Prover {
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if spans[a].lo < spans[b].lo {
			return -1
		}
		return 1
	})
	return &Prover{size: size, spans: spans, order: order, hashes: make([]Hash, len(spans))}
}

// pathSpans lists the spans of an inclusion proof, RFC 6962, section 2.1.1:
//
//	PATH(m, D[n]) = PATH(m, D[0:k]) : MTH(D[k:n])      for m < k
//	PATH(m, D[n]) = PATH(m - k, D[k:n]) : MTH(D[0:k])  for m >= k
func pathSpans(spans []span, m uint64, s span) []span {
	if s.hi-s.lo == 1 {
		return spans
	}
	k := s.lo + half(s.hi-s.lo)
	if m < k {
		return append(pathSpans(spans, m, span{s.lo, k}), span{k, s.hi})
	}
	return append(pathSpans(spans, m, span{k, s.hi}), span{s.lo, k})
}

// consistencySpans lists the spans of a consistency proof, RFC 6962, section
// 2.1.2; known says that the verifier has the root of the older tree's part:
//
//	SUBPROOF(m, D[m], true)  = {}
//	SUBPROOF(m, D[m], false) = {MTH(D[m])}
//	SUBPROOF(m, D[n], b) = SUBPROOF(m, D[0:k], b) : MTH(D[k:n])          for m <= k
//	SUBPROOF(m, D[n], b) = SUBPROOF(m - k, D[k:n], false) : MTH(D[0:k])  for m > k
func consistencySpans(spans []span, m uint64, s span, known bool) []span {
	if m == s.hi {
		if known {
			return spans
		}
		return append(spans, s)
	}
	k := s.lo + half(s.hi-s.lo)
	if m <= k {
		return append(consistencySpans(spans, m, span{s.lo, k}, known), span{k, s.hi})
	}
	return append(consistencySpans(spans, m, span{k, s.hi}, false), span{s.lo, k})
}

// half is the largest power of two below n, for n > 1.
func half(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }

// Append takes the next leaf: the raw event hash, 32 bytes. Leaves after the
// first size ones are let go by.
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

// Hashes returns the proof. ErrInvalid if not all leaves have come.
func (p *Prover) Hashes() ([]Hash, error) {
	if p.next < p.size {
		return nil, fmt.Errorf("%w: a proof over %d events, of which %d were read", blue.ErrInvalid, p.size, p.next)
	}
	return slices.Clone(p.hashes), nil
}
