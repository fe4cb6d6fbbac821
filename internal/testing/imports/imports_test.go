// Package arrows holds the rule of who may import whom, as a test: doors →
// encrypted → engine → record, envelope, keys → the domain. There is nothing
// here but the test.
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

// room is what one package may import, tests apart.
type room struct {
	module []string // rooms of this module
	others []string // modules outside the standard library, by prefix
	why    string
}

// rooms lists every package. A new one is refused until it has a line here.
var rooms = map[string]room{
	".":                                      {nil, nil, "the domain stands alone: standard library only"},
	"record":                                 {[]string{"."}, nil, "the physical contract knows the domain's errors, no entity"},
	"record/recordtest":                      {[]string{".", "record"}, []string{"pgregory.net/rapid", "github.com/google/go-cmp"}, "a suite for stores knows the contract alone"},
	"envelope":                               {[]string{".", "record"}, nil, "bytes to bytes; the standard library's cryptography only"},
	"keys":                                   {[]string{".", "record", "envelope"}, []string{"go.opentelemetry.io/otel/"}, "keys know where they lie, not who uses them"},
	"keys/localfile":                         {[]string{".", "keys", "envelope", "internal/fsutil"}, []string{"golang.org/x/sys"}, "a provider knows no store"},
	"keys/awskms":                            {[]string{".", "keys", "envelope", "record", "internal/awsclient"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/kms", "github.com/aws/smithy-go"}, "a provider that keeps wrapped keys in blue_keys; the SDK's reading of the environment is cmd's to ask for"},
	"keys/keystest":                          {[]string{".", "keys", "envelope", "record", "memory"}, nil, "a suite for providers, with a store for those that keep keys"},
	"audit":                                  {[]string{".", "record", "audit/checkpoint"}, []string{"github.com/gofrs/uuid", "go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/codes"}, "events need no key: the sealing store tags for them; of OpenTelemetry the API alone"},
	"audit/checkpoint":                       {[]string{"."}, []string{"golang.org/x/mod/sumdb"}, "bytes to bytes; no store, clock or context"},
	"audit/anchor":                           {[]string{".", "audit/checkpoint", "internal/fsutil", "internal/awsclient"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/s3", "github.com/aws/smithy-go"}, "keeps notes outside the store: knows no store, event or key"},
	"audit/auditor":                          {[]string{".", "record", "audit", "audit/checkpoint"}, []string{"golang.org/x/mod/sumdb/note"}, "whoever verifies the log holds no key but public ones"},
	"erasure":                                {[]string{".", "record", "keys", "audit", "audit/checkpoint", "audit/auditor", "encrypted"}, []string{"golang.org/x/mod/sumdb"}, "a certificate is made of what store and log hold; no backend, no key but the public ones"},
	"internal/engine":                        {[]string{".", "record"}, []string{"golang.org/x/text"}, "the engine holds no cryptography"},
	"encrypted":                              {[]string{".", "record", "envelope", "keys", "audit", "internal/engine"}, []string{"go.opentelemetry.io/otel/"}, "the seal knows no backend and no entity"},
	"memory":                                 {[]string{".", "record", "internal/engine"}, nil, "a backend knows the contract and the engine's constructor"},
	"sqlite":                                 {[]string{".", "record", "internal/engine", "internal/failpoint"}, []string{"modernc.org/sqlite"}, "a backend knows the contract and the engine's constructor"},
	"dynamo":                                 {[]string{".", "record", "dynamo/conn", "internal/awsclient", "internal/engine", "internal/failpoint"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/dynamodb", "github.com/aws/smithy-go", "github.com/gofrs/uuid"}, "a backend knows the contract and the engine's constructor"},
	"dynamo/conn":                            {[]string{"record", "internal/awsclient"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/dynamodb", "github.com/aws/smithy-go"}, "the connection knows no protocol; the command loads the SDK's configuration"},
	"dynamo/tables":                          {[]string{"record", "dynamo/conn", "internal/awsclient", "internal/retry"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/dynamodb"}, "the administration of tables knows no item"},
	"internal/awsclient":                     {[]string{"."}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/smithy-go"}, "rules for every AWS client; reads no environment and sends nothing"},
	"internal/retry":                         {nil, nil, "waits alone"},
	"storetest":                              {[]string{".", "record", "audit"}, []string{"pgregory.net/rapid", "github.com/google/go-cmp"}, "a suite for dialogue stores knows the domain, and the events that a sealed one must leave"},
	"graph":                                  {[]string{"."}, nil, "pure functions over a loaded dialogue"},
	"export":                                 {[]string{".", "graph"}, nil, "pure functions over a loaded dialogue"},
	"internal/importer":                      {[]string{"."}, nil, "an importer talks to any dialogue store"},
	"internal/copier":                        {[]string{".", "record", "audit"}, nil, "a copier moves sealed records as they are and holds no key"},
	"internal/demo":                          {nil, nil, "text alone"},
	"internal/fsutil":                        {nil, nil, "names on disk; knows no file"},
	"internal/failpoint":                     {nil, nil, "marks alone"},
	"internal/testing/shareddata":            {nil, nil, "finds test data"},
	"internal/testing/refcost":               {nil, nil, "a test alone"},
	"internal/testing/imports":               {nil, nil, "a test alone"},
	"internal/testing/campaign":              {nil, nil, "tests alone"},
	"internal/testing/cloudcampaign":         {nil, nil, "tests alone"},
	"internal/testing/cloudsuite":            {nil, nil, "tests alone"},
	"internal/testing/sealedtest":            {[]string{"record", "audit", "keys", "keys/localfile", "keys/awskms", "encrypted", "storetest", "internal/engine", "internal/testing/kmstest"}, nil, "sealed stores for tests; knows no backend"},
	"internal/testing/keyscampaign":          {nil, nil, "tests alone"},
	"internal/testing/campaigntest":          {nil, nil, "what campaigns share; knows the program by its folder alone"},
	"internal/testing/localserver":           {[]string{"internal/awsclient"}, nil, "a search, a child process and an endpoint; knows no server"},
	"internal/testing/testrule":              {[]string{"internal/testing/localserver"}, nil, "one rule of tests; knows no service"},
	"internal/testing/dynamolocal":           {[]string{"internal/testing/localserver"}, nil, "finds or starts a server; knows no table"},
	"internal/testing/dynamolocal/localtest": {[]string{"internal/testing/dynamolocal", "internal/testing/localserver", "internal/testing/testrule"}, nil, "a server for tests"},
	"internal/testing/kmslocal":              {[]string{"internal/testing/localserver"}, nil, "finds or starts a server; knows no key"},
	"internal/testing/kmstest":               {[]string{"internal/testing/kmslocal", "internal/testing/localserver", "internal/testing/testrule"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/service/kms"}, "keys for tests"},
	"internal/testing/kmsfault":              {nil, nil, "bytes of the wire and policies; knows no client"},
	"internal/testing/dynamotest":            {[]string{"dynamo", "dynamo/tables", "record", "internal/testing/dynamolocal/localtest"}, []string{"github.com/aws/aws-sdk-go-v2"}, "tables for tests"},
	"internal/testing/faultproxy":            {nil, nil, "bytes of the wire; knows no client and no store"},
	"tools/local-dynamodb":                   {[]string{"internal/testing/dynamolocal", "internal/testing/localserver", "internal/awsclient"}, []string{"golang.org/x/term"}, "recipes for a server, no door to a store"},
	"tools/measure-memory":                   {[]string{".", "record", "envelope", "keys/localfile", "audit", "encrypted", "sqlite"}, nil, "a measurement of a store of its own; derives its keys as the format says"},
	"tools/setup-tables":                     {[]string{".", "dynamo", "dynamo/tables", "internal/awsclient"}, []string{"github.com/aws/aws-sdk-go-v2/config"}, "a door to the tables alone"},
	"cmd/blue-store": {
		[]string{".", "record", "envelope", "keys", "keys/localfile", "keys/awskms", "audit", "audit/checkpoint", "audit/anchor", "audit/auditor", "encrypted", "erasure", "sqlite", "dynamo", "dynamo/tables", "graph", "export", "internal/awsclient", "internal/engine", "internal/importer", "internal/copier", "internal/demo"},
		[]string{"github.com/aws/aws-sdk-go-v2", "github.com/aws/smithy-go/logging", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/mod/sumdb/note", "golang.org/x/term", "golang.org/x/text", "github.com/gofrs/uuid", "go.opentelemetry.io/otel"}, "a door may know everything but an entity's storage",
	},
}

// arrow is one import of one file.
type arrow struct{ file, from, to string }

func TestArrows(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	for _, broken := range check(arrowsBelow(t, root)) {
		t.Error(broken)
	}
}

// TestPlantedArrow shows that the rule bites: a backend that imports the
// envelope, an engine that imports a backend, a domain that imports anything,
// and a room nobody has listed.
func TestPlantedArrow(t *testing.T) {
	for _, planted := range []struct{ dir, imports string }{
		{"sqlite", module + "/envelope"},
		{"internal/engine", module + "/sqlite"},
		{"internal/engine", module + "/envelope"},
		{".", "golang.org/x/text/unicode/norm"},
		{".", module + "/record"},
		{"encrypted", module + "/sqlite"},
		{"newroom", "fmt"},
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
		if len(check(arrowsBelow(t, dir))) == 0 {
			t.Errorf("%s may import %s, and nobody says a word", planted.dir, planted.imports)
		}
	}
}

// check returns what is not allowed, a line each.
func check(arrows []arrow) []string {
	var broken []string
	for _, a := range arrows {
		rule, listed := rooms[a.from]
		if !listed {
			broken = append(broken, a.file+": room "+a.from+" has no line in internal/testing/imports; give it one, with its reason")
			continue
		}
		if to, inside := within(a.to); inside {
			if !slices.Contains(rule.module, to) {
				broken = append(broken, a.file+" imports "+to+": "+rule.why)
			}
			continue
		}
		if outside(a.to) && !slices.ContainsFunc(rule.others, func(p string) bool { return strings.HasPrefix(a.to, p) }) {
			broken = append(broken, a.file+" imports "+a.to+": "+rule.why)
		}
	}
	slices.Sort(broken)
	return slices.Compact(broken)
}

// within returns the room of an import path of this module.
func within(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// outside reports whether an import path is not of the standard library.
func outside(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}

// arrowsBelow reads the imports of every Go file below a folder, tests apart.
func arrowsBelow(t *testing.T, root string) []arrow {
	t.Helper()
	var arrows []arrow
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
			arrows = append(arrows, arrow{filepath.ToSlash(rel), filepath.ToSlash(filepath.Dir(rel)), to})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return arrows
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// TestEveryRoomExists keeps the table from listing what is gone.
func TestEveryRoomExists(t *testing.T) {
	for _, dir := range slices.Sorted(maps.Keys(rooms)) {
		if _, err := os.Stat(filepath.Join("..", "..", "..", filepath.FromSlash(dir))); err != nil {
			t.Errorf("room %s has a line and no folder", dir)
		}
	}
}
