package auditor

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// The partitions of blue_audit (docs/format.md §7).
const (
	eventPartition      = "audit#"
	checkpointPartition = "checkpoint#"
	indexPartition      = "chains#"
	pointerPartition    = "dialogue#"
)

// Operations that mean something here.
const (
	genesisOp audit.Operation = "genesis"
	closeOp   audit.Operation = "close"
	eraseOp   audit.Operation = "erase"
	destroyOp audit.Operation = "destroy_key"
)

// genesisHash is the previous_hash of a chain's first event.
func genesisHash(chain string) string {
	sum := sha256.Sum256([]byte("blue/1/chain/" + chain))
	return hex.EncodeToString(sum[:])
}

// computed is the hash of an event's fields.
func computed(e audit.Event) string {
	e.Close(e.RootHash)
	return e.EventHash
}

func eventKey(chain string, seq uint64) record.Key {
	return record.Key{Partition: record.ChainPartition(chain), Item: twelve(seq)}
}

func pointerKey(dialogue string, version uint64) record.Key {
	return record.DialogueKey(dialogue, twelve(version))
}

func twelve(n uint64) string { return fmt.Sprintf("%012d", n) }

// place reads a sort key of twelve digits from 1.
func place(sk string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(sk, 10, 64)
	return n, err == nil && n > 0 && len(sk) == 12 && sk[0] != '+'
}

// decode reads an event from its record. intact says that the record is that
// event and nothing else: its hash is that of its fields, no attribute is of
// another type or below zero, and none is there beside them.
func decode(r record.Record) (e audit.Event, intact bool) {
	e = audit.DecodeEvent(r)
	return e, e.Intact() && int64(e.Seq) > 0 && int64(e.RootVersion) >= 0 && (record.Record{Key: r.Key, Attrs: e.Writes(nil)[0].Record.Attrs}).Equal(r)
}

// target is where a pointer leads.
func target(pointer record.Record) (chain string, seq uint64) {
	return pointer.Attrs["chain"].Str(), uint64(pointer.Attrs["seq"].Int())
}

// chainOfIndex reads the sort key {YYYY-MM-DD}#{chain} of the day index.
func chainOfIndex(sk string) (chain string, ok bool) {
	_, chain, ok = strings.Cut(sk, "#")
	return chain, ok
}
