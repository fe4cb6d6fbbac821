package auditor

import (
	"context"
	"encoding/hex"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// Unsigned verifies the log as Verify does, and returns the ends of chains that
// no checkpoint covers. It sets opts.Tail. A chain that is signed to its end and
// was never closed stays unproven after that.
func Unsigned(ctx context.Context, src Source, opts Options) (report Report, tails []Tail, err error) {
	opts.Tail = func(t Tail) {
		if t.Proven < t.Events {
			tails = append(tails, t)
		}
	}
	report, err = Verify(ctx, src, &opts)
	return report, tails, err
}

// SignTail returns the signed checkpoint over all events of a tail. Verify must
// have reported the tail just before, and audit.PutCheckpoint stores the result.
// The error is blue.ErrTampered if the chain has changed since, or an error of
// src.
func SignTail(ctx context.Context, src Source, tail Tail, signer *checkpoint.Signer) (note string, err error) {
	var tree checkpoint.Tree
	for e, err := range Events(ctx, src, Filter{Chain: tail.Chain}) {
		if err != nil {
			return "", err
		}
		hash, err := hex.DecodeString(e.EventHash)
		if err != nil || e.Seq != tree.Size()+1 {
			return "", fmt.Errorf("%w: chain %s changed while it was signed", blue.ErrTampered, tail.Chain)
		}
		if tree.Append(hash); tree.Size() == tail.Events {
			return signer.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(tail.Chain), Size: tree.Size(), Root: tree.Root()})
		}
	}
	return "", fmt.Errorf("%w: chain %s lost events while it was signed", blue.ErrTampered, tail.Chain)
}
