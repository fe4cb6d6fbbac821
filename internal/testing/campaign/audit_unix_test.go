//go:build unix

package campaign

import (
	"encoding/json"
	"testing"
)

// logged contains the fields that audit verify prints about the log of a home.
type logged struct {
	Verdict  string            `json:"verdict"`
	Events   uint64            `json:"events"`
	Chains   int               `json:"chains"`
	Commits  uint64            `json:"commits"`
	Found    int               `json:"found"`
	Findings []json.RawMessage `json:"findings"`
	Unclosed int               `json:"unclosed"`
}

// audited verifies the whole audit log in a new process. Every write has its
// event, every event has its write, and no chain is broken.
func (w *machine) audited(t testing.TB) logged {
	t.Helper()
	var l logged
	decode(t, w.must("audit", "verify"), &l)
	if l.Found > 0 || l.Verdict == "tampered" {
		t.Errorf("the audit log is %s: %s", l.Verdict, l.Findings)
	}
	return l
}
