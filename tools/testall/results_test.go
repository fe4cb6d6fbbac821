package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// recorded are events of go test -json: a package that passes with a skipped
// test, a package that fails, and a package that does not build.
const recorded = `{"Action":"start","Package":"` + module + `/sqlite"}
{"Time":"2026-12-01T10:00:00Z","Action":"run","Package":"` + module + `/sqlite","Test":"TestKill"}
{"Action":"output","Package":"` + module + `/sqlite","Test":"TestKill","Output":"    crash_test.go:34: 10 kills\n"}
{"Time":"2026-12-01T10:00:02.5Z","Action":"pass","Package":"` + module + `/sqlite","Test":"TestKill","Elapsed":1.5}
{"Action":"output","Package":"` + module + `/sqlite","Test":"TestDialogueStore","Output":"    dialogue_test.go:17: skipped: BLUE_TEST_SKIP has dynamodb\n"}
{"Action":"skip","Package":"` + module + `/sqlite","Test":"TestDialogueStore","Elapsed":0}
{"Action":"output","Package":"` + module + `/sqlite","Output":"PASS\n"}
{"Action":"output","Package":"` + module + `/sqlite","Output":"ok  \t` + module + `/sqlite\t2.000s\n"}
{"Action":"pass","Package":"` + module + `/sqlite","Elapsed":2}
{"Action":"output","Package":"` + module + `/graph","Test":"TestDOT","Output":"    dot_test.go:9: wrong arrow\n"}
{"Action":"fail","Package":"` + module + `/graph","Test":"TestDOT","Elapsed":0.1}
{"Action":"output","Package":"` + module + `/graph","Output":"FAIL\t` + module + `/graph\t0.200s\n"}
{"Action":"fail","Package":"` + module + `/graph","Elapsed":0.2}
{"ImportPath":"` + module + `/export","Action":"build-output","Output":"export.go:1: syntax error\n"}
{"Action":"output","Package":"` + module + `/export","Output":"FAIL\t` + module + `/export [build failed]\n"}
{"Action":"fail","Package":"` + module + `/export","Elapsed":0}
{"Action":"output","Package":"` + module + `/wire","Output":"?   \t` + module + `/wire\t[no test files]\n"}
{"Action":"skip","Package":"` + module + `/wire","Elapsed":0}
`

func readRecorded(t *testing.T) (*results, string) {
	t.Helper()
	var out strings.Builder
	r := newResults()
	if err := r.read(strings.NewReader(recorded), &out); err != nil {
		t.Fatal(err)
	}
	return r, out.String()
}

func TestRead(t *testing.T) {
	r, printed := readRecorded(t)
	want := "ok  \t" + module + "/sqlite\t2.000s\n    dot_test.go:9: wrong arrow\nFAIL\t" + module + "/graph\t0.200s\n" +
		"export.go:1: syntax error\nFAIL\t" + module + "/export [build failed]\n"
	if printed != want {
		t.Errorf("printed:\n%s\nwant:\n%s", printed, want)
	}
	if r.packages != 3 {
		t.Errorf("%d packages, want 3", r.packages)
	}
	if got := r.all[key(module+"/sqlite", "TestDialogueStore")].Reason; got != "BLUE_TEST_SKIP has dynamodb" {
		t.Errorf("reason %q", got)
	}
}

func TestSummary(t *testing.T) {
	r, _ := readRecorded(t)
	kill, err := parseRow("| Kills | `sqlite` `TestKill` `TestDialogueStore` `TestMissing` | 10 kills | 100 kills | = |")
	if err != nil {
		t.Fatal(err)
	}
	parts := []*part{
		{name: "DynamoDB", skip: "dynamodb", err: errors.New("no DynamoDB Local\n  java is not installed")},
		{name: "KMS", skip: "kms", err: errors.New("python3 is not installed")},
		{name: "curl", skip: "curl"},
	}
	var out strings.Builder
	summary{&out, &options{length: "short", times: true}, parts, []row{kill}, r}.print(3 * time.Second)
	for _, want := range []string{
		"pass     2.5s  Kills (sqlite TestKill): 10 kills\n",
		"skip     0.0s  Kills (sqlite TestDialogueStore): BLUE_TEST_SKIP has dynamodb\n",
		"DynamoDB (1 test): no DynamoDB Local; java is not installed\n",
		"KMS (0 tests): python3 is not installed\n",
		"scripts/test --install",
		"| sqlite | 2.0 |\n",
		"3 packages, 2 failed, length short, 3s\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "curl") || strings.Contains(out.String(), "TestMissing") {
		t.Errorf("it names what is present or did not run:\n%s", out.String())
	}
}

func TestSkipList(t *testing.T) {
	t.Setenv("BLUE_TEST_SKIP", "shared")
	parts := []*part{{skip: "kms", err: errors.New("missing")}, {skip: "python"}}
	if got := skipList(parts); got != "shared,kms" {
		t.Errorf("BLUE_TEST_SKIP=%s", got)
	}
}

func TestGoTestArgs(t *testing.T) {
	r, err := parseRow("| Kills | `sqlite` `TestKill` | 10 kills | 100 kills | = |")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "-timeout 30m ./..."},
		{[]string{"./sqlite", "-run", "TestKill"}, "-timeout 30m ./sqlite -run TestKill"},
		{[]string{"--campaign", "ordinary"}, "-timeout 60m -run ^(TestKill)$ ./sqlite"},
	} {
		t.Setenv("BLUE_CAMPAIGN", "")
		o, err := parse(c.args)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(goTestArgs(o, []row{r}), " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
	}
	if _, err := parse([]string{"--campaign", "short"}); err == nil {
		t.Error("--campaign short was accepted")
	}
}

// TestFindNothing: with a PATH that has nothing, each part is missing and its
// reason is one line.
func TestFindNothing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("BLUE_TEST_SKIP", "dynamodb,kms")
	for _, name := range []string{"DYNAMODB_ENDPOINT", "BLUE_TEST_KMS_ENDPOINT", "AWS_ENDPOINT_URL_KMS"} {
		t.Setenv(name, "")
	}
	parts := partsOf(t.TempDir(), t.TempDir(), false)
	if missing := find(t.Context(), parts); missing != len(parts) {
		t.Errorf("%d of %d parts are missing", missing, len(parts))
	}
	for _, p := range parts {
		if p.err == nil || strings.Contains(oneLine(p.err), "\n") {
			t.Errorf("%s: %v", p.name, p.err)
		}
	}
	if names := strings.Split(skipList(parts), ","); !slices.Contains(names, "python") || !slices.Contains(names, "just") {
		t.Errorf("skipped: %v", names)
	}
}
