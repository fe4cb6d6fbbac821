package auditor

import (
	"context"
	"encoding/hex"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// Proof returns the text of a [checkpoint.Proof] for one event. With it, the event
// and the public key, a verifier checks offline that the event is in the chain.
// The extra data is the event's hash in hex. Proof returns ErrNotFound if no
// checkpoint covers the event, ErrTampered if the chain up to the checkpoint
// differs from it, ErrInvalid for seq 0, and errors of src.
func Proof(ctx context.Context, src Source, chain string, seq uint64, verifiers note.Verifiers) (string, error) {
	m, err := covering(ctx, src, chain, seq)
	if err != nil {
		return "", err
	}
	prover, err := checkpoint.NewInclusionProver(seq-1, m.size)
	if err != nil {
		return "", err
	}
	if verifiers == nil {
		verifiers = note.VerifierList()
	}
	w := newWalk(chain, verifiers)
	var hash string
	for r, err := range src.Records(ctx, record.ChainPartition(chain), "") {
		if err != nil {
			return "", err
		}
		w.event(r)
		if w.finding != nil {
			break
		}
		leaf, _ := hex.DecodeString(w.last)
		prover.Append(leaf)
		if w.seq == seq {
			hash = w.last
		}
		if w.seq == m.size {
			break
		}
	}
	if w.check(m); w.finding != nil {
		return "", fmt.Errorf("%w: proof of event %d of chain %s: %s", blue.ErrTampered, seq, chain, w.finding)
	}
	hashes, err := prover.Hashes()
	if err != nil {
		return "", err
	}
	return checkpoint.Proof{Extra: []byte(hash), Index: seq - 1, Hashes: hashes, Note: m.note}.String(), nil
}

// covering returns the first checkpoint that covers an event.
func covering(ctx context.Context, src Source, chain string, seq uint64) (mark, error) {
	if seq == 0 {
		return mark{}, fmt.Errorf("%w: events have numbers from 1", blue.ErrInvalid)
	}
	for r, err := range src.Records(ctx, record.CheckpointPartition(chain), after(seq-1)) {
		if err != nil {
			return mark{}, err
		}
		if m := markOf(r); m.size >= seq {
			return m, nil
		}
	}
	return mark{}, fmt.Errorf("%w: no checkpoint covers event %d of chain %s", blue.ErrNotFound, seq, chain)
}
