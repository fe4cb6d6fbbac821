// Package imports tests the import rules of the module: which package can import
// which. Imports point downwards only: command, public store, engine, record
// store, envelope and keys, domain. The package contains only the test.
package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/superviber/blue-encrypted-store"

// A rule says what one package can import, tests apart.
type rule struct {
	module []string // packages of this module
	others []string // modules outside the standard library, by prefix
	why    string
}

// rules lists every package. A package that is not listed is refused. One row
// holds the package, the packages of this module that it can import, and the
// prefixes of other modules, each list separated by spaces.
var rules = parseRules([][4]string{
	{".", "internal/bounded internal/display internal/plainjson", "", "the domain stands alone: the standard library, and functions for numbers, texts and JSON that have no knowledge of it"},
	{"record", ".", "", "the physical contract knows the domain's errors, no entity"},
	{"record/recordtest", ". record", "pgregory.net/rapid github.com/google/go-cmp", "a suite for stores knows the contract alone"},
	{"envelope", ". record", "", "bytes to bytes; the standard library's cryptography only"},
	{"keys", ". record envelope internal/retry", "go.opentelemetry.io/otel/", "keys know where they lie, not who uses them"},
	{"keys/localfile", ". keys envelope internal/fsutil", "golang.org/x/sys", "a provider knows no store"},
	{"keys/awskms", ". keys envelope record internal/awsclient internal/retry", "github.com/aws/aws-sdk-go-v2/aws github.com/aws/aws-sdk-go-v2/service/kms github.com/aws/smithy-go", "a provider that keeps wrapped keys in blue_keys; the SDK's reading of the environment is cmd's to ask for"},
	{"keys/keystest", ". keys envelope record memory", "", "a suite for providers, with a store for those that keep keys"},
	{"audit", ". record audit/checkpoint", "github.com/gofrs/uuid go.opentelemetry.io/otel/trace go.opentelemetry.io/otel/codes", "events need no key: the sealing store tags for them; of OpenTelemetry the API alone"},
	{"audit/checkpoint", ".", "golang.org/x/mod/sumdb", "bytes to bytes; no store, clock or context"},
	{"audit/anchor", ". audit/checkpoint internal/fsutil internal/awsclient", "github.com/aws/aws-sdk-go-v2/aws github.com/aws/aws-sdk-go-v2/service/s3 github.com/aws/smithy-go", "keeps notes outside the store: knows no store, event or key"},
	{"audit/auditor", ". record audit audit/checkpoint internal/plainjson", "golang.org/x/mod/sumdb/note", "a verifier of the log holds no key but public ones"},
	{"erasure", ". record keys audit audit/checkpoint audit/auditor encrypted internal/seal internal/retry", "golang.org/x/mod/sumdb", "the erasure protocol and its certificate; knows no backend and opens no key"},
	{"freshness", ". internal/fsutil", "", "files that remember a state; knows no store"},
	{"bluestore", ". record keys keys/localfile audit audit/checkpoint encrypted memory sqlite dynamo internal/engine", "", "opens a store from an address, so it knows the backends and no entity"},
	{"internal/engine", ". record internal/bounded internal/plainjson internal/retry", "golang.org/x/text", "the engine holds no cryptography"},
	{"internal/seal", ". record envelope keys audit freshness internal/retry", "go.opentelemetry.io/otel/", "the encrypting store knows no backend and no entity"},
	{"encrypted", ". record keys audit freshness internal/engine internal/seal", "go.opentelemetry.io/otel/trace", "the public store: the engine over the encrypting store; no backend"},
	{"memory", ". record", "", "a backend knows the contract alone"},
	{"sqlite", ". record internal/failpoint internal/fsutil internal/retry", "modernc.org/sqlite", "a backend knows the contract alone"},
	{"dynamo", ". record dynamo/conn internal/awsclient internal/failpoint internal/retry", "github.com/aws/aws-sdk-go-v2/aws github.com/aws/aws-sdk-go-v2/service/dynamodb github.com/aws/smithy-go github.com/gofrs/uuid", "a backend knows the contract alone"},
	{"dynamo/conn", "record internal/awsclient", "github.com/aws/aws-sdk-go-v2/aws github.com/aws/aws-sdk-go-v2/service/dynamodb github.com/aws/smithy-go", "the connection knows no protocol; the command loads the SDK's configuration"},
	{"dynamo/tables", "record dynamo/conn internal/awsclient internal/retry", "github.com/aws/aws-sdk-go-v2/aws github.com/aws/aws-sdk-go-v2/service/dynamodb", "the administration of tables knows no item"},
	{"internal/awsclient", ".", "github.com/aws/aws-sdk-go-v2/aws github.com/aws/smithy-go", "rules for every AWS client; reads no environment and sends nothing"},
	{"internal/retry", "", "", "waiting times; the caller decides what to retry"},
	{"storetest", ". record audit", "pgregory.net/rapid github.com/google/go-cmp", "a suite for dialogue stores knows the domain, and the events that a sealed one must leave"},
	{"view", ". internal/bounded internal/display", "", "pure functions over a loaded dialogue"},
	{"wire", ". internal/bounded", "", "bytes to requests; knows no store"},
	{"plain", ". record internal/engine", "", "the engine over any records"},
	{"internal/bounded", "", "", "limits of texts and sums"},
	{"internal/plainjson", "", "", "bytes of JSON"},
	{"internal/display", "", "", "texts for a terminal or a drawing"},
	{"internal/importer", ". wire", "", "an importer talks to any dialogue store"},
	{"internal/copier", ". record audit", "", "a copier moves sealed records as they are and holds no key"},
	{"internal/demo", "", "", "text alone"},
	{"internal/fsutil", "", "", "folders and files that survive a crash; knows no content"},
	{"internal/failpoint", "", "", "marks alone"},
	{"internal/testing/checkout", "", "", "finds the root of the checkout"},
	{"internal/testing/shareddata", "internal/testing/checkout", "", "finds test data"},
	{"internal/testing/fixtures", "internal/testing/checkout internal/testing/shareddata", "", "finds test data; the tests of package blue use it, so it imports none of it"},
	{"internal/testing/refcost", "", "", "a test alone"},
	{"internal/testing/imports", "", "", "a test alone"},
	{"internal/testing/plantedkind", "", "", "a test alone"},
	{"internal/testing/campaign", "", "", "tests alone"},
	{"internal/testing/cloudcampaign", "", "", "tests alone"},
	{"internal/testing/cloudsuite", "", "", "tests alone"},
	{"internal/testing/sealedtest", "record audit keys keys/localfile keys/awskms encrypted storetest internal/seal internal/testing/kmstest", "", "sealed stores for tests; knows no backend"},
	{"internal/testing/dialoguetest", ". record envelope audit encrypted memory sqlite internal/seal internal/testing/sealedtest internal/testing/dynamotest", "", "one dialogue in an encrypted store, for tests of several packages"},
	{"internal/testing/keyscampaign", "", "", "tests alone"},
	{"internal/testing/campaigntest", "", "", "the length of runs and the program under test; it knows the program by its folder only"},
	{"internal/testing/localserver", "internal/awsclient", "", "a search, a child process and an endpoint; knows no server"},
	{"internal/testing/testrule", "internal/testing/localserver internal/testing/pythonenv", "", "one rule of tests; it knows no server"},
	{"internal/testing/pythonenv", "internal/testing/localserver", "", "finds Python; it knows no script"},
	{"internal/testing/dynamolocal", "internal/testing/localserver", "", "finds or starts a server; knows no table"},
	{"internal/testing/dynamolocal/localtest", "internal/testing/campaigntest internal/testing/checkout internal/testing/dynamolocal internal/testing/localserver internal/testing/testrule", "", "a server for tests"},
	{"internal/testing/kmslocal", "internal/testing/localserver internal/testing/pythonenv", "", "finds or starts a server; knows no key"},
	{"internal/testing/kmstest", "internal/awsclient internal/testing/checkout internal/testing/kmslocal internal/testing/localserver internal/testing/testrule", "github.com/aws/aws-sdk-go-v2/aws github.com/aws/aws-sdk-go-v2/service/kms", "keys for tests"},
	{"internal/testing/kmsfault", "", "", "bytes of the wire and policies; knows no client"},
	{"internal/testing/dynamotest", "dynamo dynamo/tables record internal/testing/dynamolocal/localtest", "github.com/aws/aws-sdk-go-v2", "tables for tests"},
	{"internal/testing/faultproxy", "", "", "bytes of the wire; knows no client and no store"},
	{"tools/demo-svg", "", "", "runs the program as a process and imports none of its packages"},
	{"tools/local-dynamodb", "internal/testing/dynamolocal internal/testing/localserver internal/awsclient", "golang.org/x/term", "recipes for a server, no door to a store"},
	{"tools/measure-memory", ". record envelope keys/localfile audit encrypted freshness sqlite", "", "a measurement of a store of its own; derives its keys as the format says"},
	{"tools/testall", "internal/testing/checkout internal/testing/dynamolocal internal/testing/kmslocal internal/testing/localserver internal/testing/pythonenv", "", "finds what tests need and runs them"},
	{"tools/setup-tables", ". dynamo dynamo/tables internal/awsclient", "github.com/aws/aws-sdk-go-v2/config", "a door to the tables alone"},
	{"cmd/blue-store", ". record envelope keys keys/localfile keys/awskms audit audit/checkpoint audit/anchor audit/auditor bluestore encrypted erasure freshness sqlite dynamo dynamo/tables view wire internal/awsclient internal/bounded internal/display internal/engine internal/fsutil internal/importer internal/copier internal/demo internal/plainjson", "github.com/aws/aws-sdk-go-v2 github.com/aws/smithy-go/logging github.com/spf13/cobra github.com/spf13/pflag golang.org/x/mod golang.org/x/term golang.org/x/text github.com/gofrs/uuid go.opentelemetry.io/otel", "a door may know everything but an entity's storage"},
	{"internal/testing/product", "", "", "lists the folders that ship; knows no code"},
	{"internal/testing/language", "", "", "counts phrases in text; knows no code"},
	{"internal/testing/surface", "", "", "tests alone"},
	{"tools/countlines", "internal/testing/product", "", "counts lines"},
	{"tools/coverage", "internal/testing/product", "", "compares two profiles"},
	{"tools/draw", "internal/testing/product", "", "draws functions"},
	{"tools/phrases", "internal/testing/language", "", "prints what the language test counts"},
})

func parseRules(rows [][4]string) map[string]rule {
	parsed := make(map[string]rule, len(rows))
	for _, r := range rows {
		parsed[r[0]] = rule{strings.Fields(r[1]), strings.Fields(r[2]), r[3]}
	}
	return parsed
}

// An edge is one import in one file.
type edge struct{ file, from, to string }

func TestImports(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	for _, broken := range check(edgesBelow(t, root)) {
		t.Error(broken)
	}
}

// TestPlantedImport plants forbidden imports and expects each to be reported.
func TestPlantedImport(t *testing.T) {
	for _, planted := range []struct{ dir, imports string }{
		{"sqlite", module + "/envelope"},
		{"internal/engine", module + "/sqlite"},
		{"internal/engine", module + "/envelope"},
		{".", "golang.org/x/text/unicode/norm"},
		{".", module + "/record"},
		{"encrypted", module + "/sqlite"},
		{"internal/seal", module + "/sqlite"},
		{"internal/seal", module + "/internal/engine"},
		{"internal/seal", module + "/encrypted"},
		{"freshness", module + "/record"},
		{"erasure", module + "/dynamo"},
		{"sqlite", module + "/internal/testing/faultproxy"},
		{"cmd/blue-store", module + "/internal/testing/shareddata"},
		{"unlisted", "fmt"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, filepath.FromSlash(planted.dir), "planted.go")
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		source := "package planted\n\nimport _ " + strconv.Quote(planted.imports) + "\n"
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		if len(check(edgesBelow(t, dir))) == 0 {
			t.Errorf("%s imports %s, and no rule reports it", planted.dir, planted.imports)
		}
	}
}

// check returns the imports that no rule allows, one text each.
func check(edges []edge) []string {
	var broken []string
	for _, a := range edges {
		r, listed := rules[a.from]
		if !listed {
			broken = append(broken, a.file+": package "+a.from+" has no row in internal/testing/imports: add one with its reason")
			continue
		}
		if to, inside := within(a.to); inside {
			if !slices.Contains(r.module, to) {
				broken = append(broken, a.file+" imports "+to+": "+r.why)
			}
			continue
		}
		if outside(a.to) && !slices.ContainsFunc(r.others, func(p string) bool { return strings.HasPrefix(a.to, p) }) {
			broken = append(broken, a.file+" imports "+a.to+": "+r.why)
		}
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

// within returns the package of an import path of this module, relative to its root.
func within(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// outside reports whether an import path is outside the standard library.
func outside(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}

// edgesBelow returns the imports of every Go file below a folder, except tests.
func edgesBelow(t *testing.T, root string) []edge {
	t.Helper()
	var edges []edge
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() != ".." && strings.HasPrefix(d.Name(), ".") && path != root {
			return firstOf(err, fs.SkipDir)
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			edges = append(edges, edge{filepath.ToSlash(rel), filepath.ToSlash(filepath.Dir(rel)), to})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return edges
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// TestEveryPackageExists fails if the table lists a package that was removed.
func TestEveryPackageExists(t *testing.T) {
	for _, dir := range slices.Sorted(maps.Keys(rules)) {
		if _, err := os.Stat(filepath.Join("..", "..", "..", filepath.FromSlash(dir))); err != nil {
			t.Errorf("package %s has a row and no folder", dir)
		}
	}
}

// TestProductImportsNoTestTool checks that only test suites, tools and the test
// packages themselves are allowed to import internal/testing.
func TestProductImportsNoTestTool(t *testing.T) {
	for name, r := range rules {
		if strings.HasPrefix(name, "internal/testing/") || strings.HasPrefix(name, "tools/") {
			continue
		}
		for _, to := range r.module {
			if strings.HasPrefix(to, "internal/testing/") {
				t.Errorf("%s ships, so it must not import %s", name, to)
			}
		}
	}
}
