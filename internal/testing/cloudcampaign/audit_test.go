package cloudcampaign

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/audit/auditor"
)

// auditFigures say what the audit log holds after a campaign.
type auditFigures struct {
	Commits  uint64 `json:"audited_commits"` // write and event for each other
	Unclosed int    `json:"unclosed_chains"` // of writers that were stopped
	Findings int    `json:"audit_findings"`
}

// audited verifies the whole audit log: no write is without its event and no
// event without its write, and chains of stopped writers are unproven, not
// tampered.
func (w *world) audited(t *testing.T) auditFigures {
	t.Helper()
	r, err := auditor.Verify(t.Context(), auditor.FromStore(w.records(t, w.endpoint, nil)), nil)
	check(t, err)
	for _, f := range r.Findings {
		t.Errorf("audit log: %s", f)
	}
	if r.Commits == 0 {
		t.Error("the audit log holds no commit")
	}
	return auditFigures{r.Commits, r.Unclosed, r.Found}
}
