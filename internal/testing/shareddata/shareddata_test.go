package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

// recorder is a test that only notes its result.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.ended = "skipped"; panic(r) }
func (r *recorder) Fatalf(string, ...any) { r.ended = "failed"; panic(r) }

// ending returns the result of a test that needs a file below the root.
func ending(root string) (how string) {
	r := &recorder{TB: nil, ended: "runs"}
	defer func() {
		if got := recover(); got != nil && got != any(r) {
			panic(got)
		}
		how = r.ended
	}()
	below(r, root, "file")
	return
}

func TestRule(t *testing.T) {
	present, absent := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(present, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		root, skip, without, ci, want string
	}{
		{present, "", "", "", "runs"},
		{present, "", "", "true", "runs"},
		{absent, "", "", "", "skipped"},
		{absent, "", "", "true", "failed"},
		{present, "dynamodb, shared", "", "", "skipped"},
		{present, "shared", "", "true", "failed"},
		{present, "shared", "1", "true", "skipped"},
		{absent, "shared", "1", "true", "skipped"},
		{absent, "", "1", "true", "skipped"},
		{absent, "", "0", "true", "failed"},
		{present, "dynamodb", "", "", "runs"},
	} {
		t.Setenv("BLUE_TEST_SKIP", c.skip)
		t.Setenv(Without, c.without)
		t.Setenv("CI", c.ci)
		if got := ending(c.root); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
