package dynamo

import (
	"errors"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// TestPutAlone: a new audit event by itself goes as a PutItem, which must find
// nothing at its key, its own earlier copy included.
func TestPutAlone(t *testing.T) {
	c := localClient(t)
	event := func(n int64) []action {
		a := creating("000000000001", record.Attrs{"n": record.N(n)})
		a.table = record.Audit
		return []action{a}
	}
	if err := c.transact(t.Context(), "token-1", event(1)); err != nil {
		t.Fatal(err)
	}
	for token, n := range map[string]int64{"token-1": 1, "token-2": 2} {
		err := c.transact(t.Context(), token, event(n))
		r, refused := errors.AsType[*refusal](err)
		if !refused || r.isTransient() || len(r.causes) != 1 || r.causes[0] != unmet {
			t.Errorf("event %d over event 1: %v", n, err)
		}
		if !refused {
			continue
		}
		conflict, ok := errors.AsType[*record.ConflictError](r.conflict(event(n)))
		if !ok || conflict.Table != record.Audit {
			t.Errorf("event %d over event 1: the conflict is %v", n, conflict)
		}
	}
	found, _, err := c.get(t.Context(), record.Audit, event(1)[0].record.Key)
	if err != nil || !found.Equal(event(1)[0].record) {
		t.Errorf("%v is stored (%v)", found, err)
	}
}
