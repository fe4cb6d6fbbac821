package testrule

import "testing"

func TestOptOut(t *testing.T) {
	for skip, want := range map[string]bool{
		"": false, "dynamodb": true, "kms, dynamodb": true, "kms": false, "dynamodbx": false, "dynamodb,": true,
	} {
		if got := optOut(skip, "dynamodb") != ""; got != want {
			t.Errorf("BLUE_TEST_SKIP=%q skips %v, want %v", skip, got, want)
		}
	}
}

// recorder is a test that only notes how it ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.ended = "skipped"; panic(r) }
func (r *recorder) Fatalf(string, ...any) { r.ended = "failed"; panic(r) }

func ending(t *testing.T) (how string) {
	r := &recorder{TB: t}
	defer func() {
		if got := recover(); got != nil && got != any(r) {
			panic(got)
		}
		how = r.ended
	}()
	Wanted(r, "dynamodb")
	return
}

// TestCINeverSkips: the opt-out is for a laptop.
func TestCINeverSkips(t *testing.T) {
	for _, c := range []struct{ skip, ci, want string }{
		{"dynamodb", "", "skipped"}, {"dynamodb", "true", "failed"}, {"", "true", ""}, {"", "", ""},
	} {
		t.Setenv("BLUE_TEST_SKIP", c.skip)
		t.Setenv("CI", c.ci)
		if got := ending(t); got != c.want {
			t.Errorf("BLUE_TEST_SKIP=%q CI=%q: %q, want %q", c.skip, c.ci, got, c.want)
		}
	}
}
