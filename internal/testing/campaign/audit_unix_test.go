//go:build unix

package campaign

import (
	"encoding/json"
	"testing"
)

// logged is what audit verify says of a home's log.
type logged struct {
	Verdict  string            `json:"verdict"`
	Events   uint64            `json:"events"`
	Chains   int               `json:"chains"`
	Commits  uint64            `json:"commits"`
	Found    int               `json:"found"`
	Findings []json.RawMessage `json:"findings"`
	Unclosed int               `json:"unclosed"`
}

// audited verifies the whole audit log in a new process: no write is without
// its event, no event without its write, no chain is broken.
func (w *world) audited(t testing.TB) logged {
	t.Helper()
	var l logged
	decode(t, w.must("audit", "verify"), &l)
	if l.Found > 0 || l.Verdict == "tampered" {
		t.Errorf("the audit log is %s: %s", l.Verdict, l.Findings)
	}
	return l
}
