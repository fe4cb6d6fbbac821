package auditor

import (
	"strings"

	"github.com/superviber/blue-encrypted-store/audit"
)

// Prefixes of the partitions of blue_audit (docs/format.md §7).
const (
	eventPartition      = "audit#"
	checkpointPartition = "checkpoint#"
	indexPartition      = "chains#"
	pointerPartition    = "dialogue#"
)

// computed returns the hash of an event's fields.
func computed(e audit.Event) string {
	e.Close(e.RootHash)
	return e.EventHash
}

// chainOfIndex returns the chain of the sort key {YYYY-MM-DD}#{chain} of the day
// index.
func chainOfIndex(sk string) (chain string, ok bool) {
	_, chain, ok = strings.Cut(sk, "#")
	return chain, ok
}
