package auditor

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/record"
)

// Export writes a log as JSON Lines in the form of docs/format.md §7, damaged
// records included: for each chain its events and checkpoints, then for each
// dialogue its root and pointers, both in ascending order. The same log gives the
// same bytes. Other processes can commit during the export. A dialogue that
// changed is marked, and Verify skips it in the file. Export keeps the names of
// the dialogues in memory and no events. It returns errors of src and w.
func Export(ctx context.Context, src Source, w io.Writer) error {
	x := exporter{src: src, w: bufio.NewWriterSize(w, 64<<10), v: newVerifier(src, &Options{}), before: make(map[string]Root)}
	err := x.export(ctx)
	if err == nil {
		err = x.w.Flush()
	}
	if err != nil {
		return fmt.Errorf("exporting the audit log: %w", err)
	}
	return nil
}

type exporter struct {
	src    Source
	w      *bufio.Writer
	v      *verifier // notes what the events say of their dialogues
	before map[string]Root
}

func (x *exporter) export(ctx context.Context) error {
	for id, err := range x.src.Dialogues(ctx) {
		if err == nil {
			x.before[id], err = x.src.Root(ctx, id)
		}
		if err != nil {
			return err
		}
	}
	if err := x.put(record.Record{Key: record.Key{Partition: "format", Item: fileFormat}}); err != nil {
		return err
	}
	for chain, err := range x.src.Chains(ctx) {
		if err == nil {
			err = x.chain(ctx, chain)
		}
		if err != nil {
			return err
		}
	}
	for id := range x.before {
		if x.v.known[id] == nil {
			x.v.known[id] = &dialogue{}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(x.v.known)) {
		if err := x.dialogue(ctx, id, x.v.known[id]); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) put(r record.Record) error {
	b, err := encodeLine(r)
	if err != nil {
		return err
	}
	_, err = x.w.Write(b)
	return err
}

// chain writes one chain. Of checkpoints that are made meanwhile, only those
// are written whose events are.
func (x *exporter) chain(ctx context.Context, chain string) error {
	if chain == "" {
		return nil
	}
	newest := ""
	for r, err := range x.src.Records(ctx, record.CheckpointPartition(chain), "") {
		if err != nil {
			return err
		}
		newest = r.Key.Item
	}
	if err := x.put(record.Record{Key: record.Key{Partition: record.IndexPartition(chain), Item: chain}}); err != nil {
		return err
	}
	for r, err := range x.src.Records(ctx, record.ChainPartition(chain), "") {
		if err != nil {
			return err
		}
		if e, intact := audit.ParseEvent(r); intact && r.Key == audit.EventKey(e.Chain, e.Seq) {
			x.v.note(e)
		}
		newest = max(newest, r.Key.Item)
		if err := x.put(r); err != nil {
			return err
		}
	}
	for r, err := range x.src.Records(ctx, record.CheckpointPartition(chain), "") {
		if err != nil {
			return err
		}
		if r.Key.Item > newest {
			return nil
		}
		if err := x.put(r); err != nil {
			return err
		}
	}
	return nil
}

// dialogue writes a root and the pointers. A root that is not the one from
// before the chains were read has an event that may not be among them; of a
// dialogue that the source does not list, the events must have told. A pointer
// that is beyond the root because a commit has landed since is left out, as its
// event is.
func (x *exporter) dialogue(ctx context.Context, id string, d *dialogue) error {
	root, err := x.src.Root(ctx, id)
	if err != nil {
		return err
	}
	before, listed := x.before[id]
	if root.State == Stored && (listed && root != before || !listed && root.Version > max(d.last, d.boundary)) ||
		root.State == Erased && d.erased == notErased && listed {
		root = Root{State: Moving}
	}
	line := record.Record{Key: record.Key{Partition: record.DialoguePartition(id), Item: rootSK}, Attrs: record.Attrs{"state": record.S(string(root.State))}}
	if root.State == Stored {
		line.Attrs["root_version"] = record.N(int64(root.Version))
		line.Attrs["root_hash"] = record.S(root.Hash)
	}
	if err := x.put(line); err != nil || root.State == Copying || root.State == Moving {
		return err
	}
	stands := false
	for r, err := range x.src.Records(ctx, record.DialoguePartition(id), "") {
		if err != nil {
			return err
		}
		version, ok := audit.ParseSequenceItem(r.Key.Item)
		if ok && version > root.Version && !stands {
			now, err := x.src.Root(ctx, id)
			if err != nil || now != root {
				return err
			}
			stands = true // the store itself is damaged so
		}
		if ok && version <= d.boundary {
			if err := x.copied(ctx, r); err != nil {
				return err
			}
		}
		if err := x.put(r); err != nil {
			return err
		}
	}
	return nil
}

// copied writes the event that a pointer leads to if its chain is not of this log.
func (x *exporter) copied(ctx context.Context, pointer record.Record) error {
	chain, seq := audit.PointerTarget(pointer)
	_, err := x.src.Record(ctx, audit.EventKey(chain, 1))
	if !errors.Is(err, blue.ErrNotFound) {
		return err
	}
	r, err := x.src.Record(ctx, audit.EventKey(chain, seq))
	if errors.Is(err, blue.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return x.put(r)
}

// Prefixes of the partitions of blue_audit (docs/format.md §7).
const (
	eventPartition      = "audit#"
	checkpointPartition = "checkpoint#"
	indexPartition      = "chains#"
	pointerPartition    = "dialogue#"
)

// computedEventHash returns the hash of an event's fields.
func computedEventHash(e audit.Event) string {
	e.Close(e.RootHash)
	return e.EventHash
}

// chainOfIndex returns the chain of the sort key {YYYY-MM-DD}#{chain} of the day
// index.
func chainOfIndex(sk string) (chain string, ok bool) {
	_, chain, ok = strings.Cut(sk, "#")
	return chain, ok
}

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
