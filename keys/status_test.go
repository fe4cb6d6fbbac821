package keys

import (
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// TestVersionAge: the time of a version is the time of its earliest stored wrap,
// regardless of the order of users.
func TestVersionAge(t *testing.T) {
	w := newEnv(t)
	start := w.now()
	must(t)(w.ring("bob", nil).Create(ctx, "tea"))
	w.advance(time.Hour)
	w.grant("bob", "tea", "ada", "cy")
	w.advance(time.Hour)
	w.advanceKey("bob", "tea", 1)
	check := func(want ...time.Time) {
		t.Helper()
		st, err := w.ring("bob", nil).Status(ctx, "tea")
		if err != nil || len(st.Versions) != len(want) {
			t.Fatalf("%+v, %v", st, err)
		}
		for i, v := range st.Versions {
			if v.CreatedAt != want[i].Format(record.TimeLayout) {
				t.Errorf("version %d of %s; want %s", v.Version, v.CreatedAt, want[i].Format(record.TimeLayout))
			}
		}
	}
	check(start, start.Add(2*time.Hour))
	w.edit("tea", "wrap#0000000001#bob", without("created_at")) // a wrap without a time is ignored
	check(start.Add(time.Hour), start.Add(2*time.Hour))
	w.edit("tea", "wrap#0000000001#bob", set("created_at", record.S(start.Format(record.TimeLayout))))
	check(start, start.Add(2*time.Hour))
}
