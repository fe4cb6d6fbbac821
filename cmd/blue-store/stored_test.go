package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// storedStore is a copy of a store that an earlier version of the program wrote
// (tests/fixtures/stored). It runs the program on the copy.
type storedStore struct {
	t    *testing.T
	home string
	env  map[string]string
}

// copyStored copies the keys of the stored fixture into a new home.
func copyStored(t *testing.T) *storedStore {
	t.Helper()
	s := &storedStore{t: t, home: t.TempDir()}
	s.env = map[string]string{"BLUE_HOME": s.home, "BLUE_USER": "tester"}
	s.put("test-only-master.key", "keys/umk.key")
	s.put("test-only-audit.key", "keys/audit.key")
	return s
}

// copyStoredSQLite also copies the databases and the freshness records of the
// client. The name of their folder depends on the path of the database.
func copyStoredSQLite(t *testing.T) *storedStore {
	t.Helper()
	s := copyStored(t)
	s.put("blue.db", "db/blue.db")
	s.put("blue.db.keys", "db/blue.db.keys")
	for _, folder := range []string{"heads", "anchors"} {
		root := fixtures.Path(t, "stored", folder)
		files, err := filepath.Glob(filepath.Join(root, "*"))
		if folder == "anchors" {
			files, err = filepath.Glob(filepath.Join(root, "*", "*"))
		}
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s in the stored fixture: %v", folder, err)
		}
		for _, file := range files {
			rel, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			s.put(filepath.Join(folder, rel), filepath.Join(folder, s.location(), rel))
		}
	}
	return s
}

// location returns the name of this store's folders in the home.
func (s *storedStore) location() string {
	sum := sha256.Sum256([]byte(filepath.Join(s.home, "db", "blue.db")))
	return hex.EncodeToString(sum[:8])
}

// put copies a file of the fixture into the home.
func (s *storedStore) put(from, to string) {
	s.t.Helper()
	to = filepath.Join(s.home, filepath.FromSlash(to))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(to, storedFile(s.t, from), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func storedFile(t testing.TB, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(fixtures.Path(t, append([]string{"stored"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// run runs the program as a user and expects an exit code.
func (s *storedStore) run(want int, user string, args ...string) string {
	s.t.Helper()
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(name string) string {
		if name == "BLUE_USER" {
			return user
		}
		return s.env[name]
	}}
	if code := a.run(s.t.Context(), args); code != want {
		s.t.Fatalf("%s: %q: exit code %d, want %d\n%s%s", user, args, code, want, out.String(), errs.String())
	}
	return out.String()
}

// tester runs a command that must succeed.
func (s *storedStore) tester(args ...string) string {
	s.t.Helper()
	return s.run(exitOK, "tester", args...)
}

// isVerified checks every item, every stored export and the whole audit log.
func (s *storedStore) isVerified(exports string) {
	s.t.Helper()
	if v := verifyAnswerOf(s.t, s.tester("verify", "--all")); !v.OK {
		s.t.Errorf("verify: %+v", v)
	}
	files, err := filepath.Glob(filepath.Join(fixtures.Path(s.t, "stored", exports), "*.json"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no %s in the stored fixture: %v", exports, err)
	}
	var stored, listed []string
	for _, file := range files {
		want := storedFile(s.t, exports, filepath.Base(file))
		var document struct {
			Dialogue struct {
				ID string `json:"dialogue_id"`
			}
		}
		if err := json.Unmarshal(want, &document); err != nil {
			s.t.Fatal(err)
		}
		id := document.Dialogue.ID
		stored = append(stored, id)
		if diff := cmp.Diff(string(want), timeless(s.tester("export", id))); diff != "" {
			s.t.Errorf("the export of %s (-stored +now):\n%s", id, diff)
		}
	}
	var rows []struct {
		ID string `json:"dialogue_id"`
	}
	if err := json.Unmarshal([]byte(s.tester("list")), &rows); err != nil {
		s.t.Fatal(err)
	}
	for _, row := range rows {
		listed = append(listed, row.ID)
	}
	slices.Sort(stored)
	slices.Sort(listed)
	if diff := cmp.Diff(stored, listed); diff != "" {
		s.t.Errorf("dialogues (-stored +listed):\n%s", diff)
	}
	s.isAudited()
}

var exportedAt = regexp.MustCompile(`(?m)^(  "exported_at": ").*("[,]?)$`)

// timeless returns an export without its time.
func timeless(export string) string { return exportedAt.ReplaceAllString(export, "$1$2") }

// isAudited verifies the audit log.
func (s *storedStore) isAudited() {
	s.t.Helper()
	var answer struct {
		Verdict     string
		Found       int
		Checkpoints int
	}
	if err := json.Unmarshal([]byte(s.tester("audit", "verify")), &answer); err != nil {
		s.t.Fatal(err)
	}
	if answer.Verdict != "ok" || answer.Found != 0 || answer.Checkpoints == 0 {
		s.t.Errorf("audit verify: %+v", answer)
	}
}

// write writes to a dialogue in every way and verifies the whole store.
func (s *storedStore) write(id string) {
	s.t.Helper()
	s.tester("dialogue", "expert-create", "--dialogue-id", id, "--expert-slug", "Scone", "--role", "Archivist", "--tier", "Adjacent", "--creation-reason", "A store of another version", "--first-round", "2")
	s.tester("dialogue", "round-register", "--dialogue-id", id, "--round", "2", "--data", `{"score": 3, "expert_scores": {"Muffin": 1, "Scone": 2},
		"tensions": [{"label": "Old against new", "description": "Both versions read the store.", "contributors": ["Scone"]}],
		"tension_updates": [{"id": "T0001", "status": "reopened", "by": "Scone"}]}`)
	s.tester("dialogue", "verdict-register", "--dialogue-id", id, "--data", `{"verdict_id": "V02", "verdict_type": "interim", "round": 2, "recommendation": "Read both", "description": "Each version can."}`)
	s.tester("keys", "rotate", id)
	s.tester("dialogue", "create", "A new one")
	if v := verifyAnswerOf(s.t, s.tester("verify", "--all")); !v.OK {
		s.t.Errorf("verify after a write: %+v", v)
	}
	s.tester("audit", "checkpoint")
	s.isAudited()
}

// TestStored checks that a store of an earlier version opens, verifies, exports
// the same document and accepts writes.
func TestStored(t *testing.T) {
	t.Parallel()
	s := copyStoredSQLite(t)
	// The log must be checked first, because every other command adds events to
	// it.
	if diff := cmp.Diff(string(storedFile(t, "audit-log.jsonl")), s.tester("audit", "export")); diff != "" {
		t.Errorf("the audit log (-stored +now):\n%s", diff)
	}
	if key := s.tester("audit", "key", "--text"); key != string(storedFile(t, "audit-public-key.txt")) {
		t.Errorf("the audit key is now %s", key)
	}
	s.isAudited()
	s.isVerified("exports")
	if out := s.tester("show", "which-cache", "T0001"); !strings.Contains(out, "Memory costs money, a disk costs time.") {
		t.Errorf("show: %s", out)
	}
	s.tester("show", "references-inline-or-as-items")
	s.run(exitOK, "ada", "show", "which-cache") // access was granted after a rotation
	s.run(exitKey, "ada", "show", "revoked")
	s.run(exitErased, "tester", "show", "erased")
	s.tester("erase", "verify", fixtures.Path(t, "stored", "erased.cert"))
	s.write("which-cache")
}

// TestStoredHeads checks that the freshness records of an earlier version detect
// a rollback of the store.
func TestStoredHeads(t *testing.T) {
	s := copyStoredSQLite(t)
	sum := sha256.Sum256([]byte("which-cache"))
	path := filepath.Join(s.home, "heads", s.location(), hex.EncodeToString(sum[:])+".json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := regexp.MustCompile(`"version":(\d+)`).ReplaceAll(text, []byte(`"version":${1}0`))
	if bytes.Equal(newer, text) {
		t.Fatalf("no version in %s", text)
	}
	if err := os.WriteFile(path, newer, 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(exitIntegrity, "tester", "verify", "which-cache")
	s.tester("verify", "revoked")
}

// TestStoredDamage shows that the checks above can fail. They find one changed
// byte of a stored item and one changed event.
func TestStoredDamage(t *testing.T) {
	log := storedFile(t, "audit-log.jsonl")
	i := bytes.Index(log, []byte(`"success"`))
	bent := filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(bent, slices.Concat(log[:i], []byte(`"Success"`), log[i+len(`"success"`):]), 0o600); err != nil {
		t.Fatal(err)
	}
	s := copyStoredSQLite(t)
	s.run(exitIntegrity, "tester", "audit", "verify", "--file", bent)
	s.tester("audit", "verify", "--file", fixtures.Path(t, "stored", "audit-log.jsonl"))
	cert := bytes.Replace(storedFile(t, "erased.cert"), []byte(`"id": "erased"`), []byte(`"id": "erases"`), 1)
	if err := os.WriteFile(bent, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(exitIntegrity, "tester", "erase", "verify", bent)
}

// TestStoredDynamoDB checks the same for the items of three DynamoDB tables.
func TestStoredDynamoDB(t *testing.T) {
	t.Parallel()
	c := dynamotest.Config(t)
	putStoredItems(t, c.Endpoint, c.Prefix)
	s := copyStored(t)
	s.env["BLUE_STORE"], s.env["DYNAMODB_ENDPOINT"], s.env["BLUE_TABLE_PREFIX"] = "dynamodb", c.Endpoint, c.Prefix
	s.isVerified("dynamodb-exports")
	s.run(exitErased, "tester", "show", "erased")
	s.tester("erase", "verify", fixtures.Path(t, "stored", "dynamodb-erased.cert"))
	s.write("which-cache")
}

// putStoredItems puts the items of the fixture into empty tables.
func putStoredItems(t *testing.T, endpoint, prefix string) {
	t.Helper()
	api := dynamodb.New(dynamodb.Options{BaseEndpoint: &endpoint, Region: "local", HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local-dummy-secret", "")})
	lines := bufio.NewScanner(bytes.NewReader(storedFile(t, "dynamodb.jsonl")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Table string
			Item  map[string]struct {
				S    *string
				N    *string
				B    []byte
				BOOL *bool
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		item := map[string]types.AttributeValue{}
		for name, v := range line.Item {
			switch {
			case v.S != nil:
				item[name] = &types.AttributeValueMemberS{Value: *v.S}
			case v.N != nil:
				item[name] = &types.AttributeValueMemberN{Value: *v.N}
			case v.BOOL != nil:
				item[name] = &types.AttributeValueMemberBOOL{Value: *v.BOOL}
			default:
				item[name] = &types.AttributeValueMemberB{Value: v.B}
			}
		}
		table := prefix + line.Table
		if _, err := api.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}
