package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

func TestMain(m *testing.M) {
	testscript.Main(isolated{m}, map[string]func(){"blue-store": func() { os.Exit(run()) }})
}

// isolated runs the tests without the settings of AWS in the environment of the
// user. Only the endpoints of the test servers remain. Most of the tests that run
// in parallel wait for a server, so more of them run at a time than there are
// cores.
type isolated struct{ *testing.M }

// Run implements testscript.TestingM.
func (i isolated) Run() int {
	if given := os.Getenv("AWS_ENDPOINT_URL_KMS"); given != "" && os.Getenv("BLUE_TEST_KMS_ENDPOINT") == "" {
		os.Setenv("BLUE_TEST_KMS_ENDPOINT", given)
	}
	for _, name := range awsNames {
		if name != "DYNAMODB_ENDPOINT" {
			os.Unsetenv(name)
		}
	}
	campaigntest.Prepare(6)
	return i.M.Run()
}

// TestScripts runs every script in testdata/*.txt. A script starts with an empty
// home. In addition to the commands of testscript, it has:
//
//	exits CODE ARGS…    runs blue-store and compares its exit code
//	tree FOLDER         prints the paths below a folder with modes, sorted
//	write FILE HEX      writes bytes
//	repeat FILE N TEXT  writes a text N times
//	edit A B OLD NEW    copies file A to B and replaces a text, which must be there
//	steady FROM TO      copies a file or stream; times, hashes and fingerprints become words
//
// It also has the condition [guarded] for a build that handles keys in
// runtime/secret.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			env.Setenv("HOME", home)
			env.Setenv("BLUE_USER", "tester")
			env.Setenv("GODEBUG", os.Getenv("GODEBUG"))                                          // the mode of FIPS 140-3
			env.Setenv("TRACEPARENT", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01") // so that trace_id is known
			for _, name := range append([]string{"BLUE_HOME", "BLUE_STORE", "BLUE_KMS_KEY_ARN", "BLUE_KMS_TABLES", "BLUE_TABLE_PREFIX"}, awsNames...) {
				env.Setenv(name, "")
			}
			return os.Mkdir(home, 0o700)
		},
		Cmds: scriptCommands,
		Condition: func(name string) (bool, error) {
			if name != "guarded" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return envelope.IsGuarded(), nil
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}
