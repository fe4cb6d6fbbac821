package testrule

import (
	"os"
	"path/filepath"
	"testing"
)

func TestIsSkipped(t *testing.T) {
	for list, want := range map[string]bool{
		"": false, "dynamodb": true, "kms, dynamodb": true, "kms": false, "dynamodbx": false, "dynamodb,": true,
	} {
		if got := isSkipped(list, "dynamodb"); got != want {
			t.Errorf("BLUE_TEST_SKIP=%q skips %v, want %v", list, got, want)
		}
	}
}

// recorder is a test that records how it ended.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.ended = "skipped"; panic(r) }
func (r *recorder) Fatalf(string, ...any) { r.ended = "failed"; panic(r) }

// ending returns how a test ends that calls a function.
func ending(t *testing.T, call func(testing.TB)) (how string) {
	r := &recorder{TB: t}
	defer func() {
		if got := recover(); got != nil && got != any(r) {
			panic(got)
		}
		how = r.ended
	}()
	call(r)
	return
}

// TestCINeverSkips: with CI=true the opt-out and a missing program are failures.
func TestCINeverSkips(t *testing.T) {
	for _, c := range []struct{ skip, ci, want string }{
		{"dynamodb", "", "skipped"}, {"dynamodb", "true", "failed"}, {"", "true", ""}, {"", "", ""},
	} {
		t.Setenv("BLUE_TEST_SKIP", c.skip)
		t.Setenv("CI", c.ci)
		if got := ending(t, func(t testing.TB) { Need(t, "dynamodb") }); got != c.want {
			t.Errorf("BLUE_TEST_SKIP=%q CI=%q: %q, want %q", c.skip, c.ci, got, c.want)
		}
	}
}

func TestMissingProgram(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("PATH", folder)
	for ci, want := range map[string]string{"": "skipped", "true": "failed"} {
		t.Setenv("CI", ci)
		if got := ending(t, func(t testing.TB) { Program(t, "program-of-this-test") }); got != want {
			t.Errorf("CI=%q: %q, want %q", ci, got, want)
		}
		if got := ending(t, func(t testing.TB) { Python(t, "module_of_this_test") }); got != want {
			t.Errorf("Python with CI=%q: %q, want %q", ci, got, want)
		}
	}
	path := filepath.Join(folder, "program-of-this-test")
	if err := os.WriteFile(path, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := Program(t, "program-of-this-test"); got != path {
		t.Errorf("found %s, want %s", got, path)
	}
}
