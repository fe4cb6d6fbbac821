package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/testrule"
	"github.com/superviber/blue-encrypted-store/record"
)

func mustTables(t *testing.T, c conn.Config) *Tables {
	t.Helper()
	tables, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

var tableSets atomic.Int64

// localConfig names tables of DynamoDB Local that no other test uses.
func localConfig(t *testing.T) conn.Config {
	t.Helper()
	random := uuid.Must(uuid.NewV4()).String()[:8] // the server can be older than this process
	return conn.Config{Endpoint: localtest.Endpoint(t), EndpointFrom: "a test", Prefix: fmt.Sprintf("u%d-%s-", tableSets.Add(1), random)}
}

func hintOf(err error) string {
	if f, ok := errors.AsType[*conn.Fault](err); ok {
		return f.Hint()
	}
	return ""
}

func TestMain(m *testing.M) { localtest.Main(m) }

func TestCreate(t *testing.T) {
	tables := mustTables(t, localConfig(t))
	found, err := tables.Status(t.Context())
	if err != nil || len(found) != 3 {
		t.Fatalf("before: %+v, %v", found, err)
	}
	for _, f := range found {
		if f.State != Missing {
			t.Errorf("before: %+v", f)
		}
	}
	if err := tables.Check(found); !errors.Is(err, record.ErrUnavailable) || !strings.Contains(hintOf(err), "table create") {
		t.Errorf("before: %v", err)
	}
	for _, want := range []bool{true, false} {
		found, err := tables.Create(t.Context())
		if err != nil || tables.Check(found) != nil {
			t.Fatalf("create: %+v, %v", found, err)
		}
		for i, f := range found {
			if f.State != AsDefined || f.Created != want || f.Name != tables.Prefix+string(definitions[i].table) {
				t.Errorf("create: %+v", f)
			}
			if !slices.Equal(f.NotHere, []string{"point-in-time recovery"}) {
				t.Errorf("not here: %q", f.NotHere)
			}
		}
	}
}

func TestCreateAtOnce(t *testing.T) {
	tables := mustTables(t, localConfig(t))
	var wg sync.WaitGroup
	made := make([]int, 4)
	for i := range made {
		wg.Go(func() {
			found, err := tables.Create(t.Context())
			if err != nil || tables.Check(found) != nil {
				t.Errorf("create: %+v, %v", found, err)
			}
			for _, f := range found {
				if f.Created {
					made[i]++
				}
			}
		})
	}
	wg.Wait()
	if total := made[0] + made[1] + made[2] + made[3]; total != 3 {
		t.Errorf("%v tables were made, want 3 in all", made)
	}
}

// TestAnotherShape: a table that is there is reported, in words, and stays.
func TestAnotherShape(t *testing.T) {
	for name, x := range map[string]struct {
		spoil func(in *dynamodb.CreateTableInput)
		says  []string
	}{
		"keys of the RFC's text": {func(in *dynamodb.CreateTableInput) {
			in.KeySchema = []types.KeySchemaElement{
				{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
			}
			in.AttributeDefinitions[0].AttributeName, in.AttributeDefinitions[1].AttributeName = aws.String("pk"), aws.String("sk")
		}, []string{"keys are pk (S), sk (S), not PK (S), SK (S)"}},
		"a number as sort key": {func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions[1].AttributeType = types.ScalarAttributeTypeN
		}, []string{"keys are PK (S), SK (N), not PK (S), SK (S)"}},
		"no sort key": {func(in *dynamodb.CreateTableInput) {
			in.KeySchema = in.KeySchema[:1]
			in.AttributeDefinitions = slices.Delete(in.AttributeDefinitions, 1, 2)
		}, []string{"keys are PK (S), not PK (S), SK (S)"}},
		"an index less": {func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes = in.GlobalSecondaryIndexes[:2]
			in.AttributeDefinitions = in.AttributeDefinitions[:6]
		}, []string{"index GSI3 is missing"}},
		"an index of everything": {func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes[0].Projection = &types.Projection{ProjectionType: types.ProjectionTypeAll}
		}, []string{"index GSI1: holds ALL, not INCLUDE calibrated, converged_at, created_at, domain_id, entity_type, ethos_id, status, total_alignment, total_rounds, updated_at"}},
		"an index of another key": {func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes[1].KeySchema[1].AttributeName = aws.String("GSI1SK")
			in.AttributeDefinitions = slices.Delete(in.AttributeDefinitions, 5, 6)
		}, []string{"index GSI2: keys are GSI2PK (S), GSI1SK (S), not GSI2PK (S), GSI2SK (S)"}},
		"an index more": {func(in *dynamodb.CreateTableInput) {
			g := in.GlobalSecondaryIndexes[0]
			g.IndexName = aws.String("Extra")
			in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, g)
		}, []string{"index Extra does not belong to this store"}},
		"a local index": {func(in *dynamodb.CreateTableInput) {
			in.LocalSecondaryIndexes = []types.LocalSecondaryIndex{{
				IndexName:  aws.String("Local"),
				KeySchema:  []types.KeySchemaElement{{AttributeName: aws.String("PK"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("GSI1SK"), KeyType: types.KeyTypeRange}},
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
			}}
		}, []string{"local index Local does not belong to this store"}},
		"provisioned, unprotected": {func(in *dynamodb.CreateTableInput) {
			units := &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(1), WriteCapacityUnits: aws.Int64(1)}
			in.BillingMode, in.ProvisionedThroughput, in.DeletionProtectionEnabled = types.BillingModeProvisioned, units, nil
			for i := range in.GlobalSecondaryIndexes {
				in.GlobalSecondaryIndexes[i].ProvisionedThroughput = units
			}
		}, []string{"billing is provisioned, not on demand", "deletion protection is off"}},
	} {
		t.Run(name, func(t *testing.T) {
			tables := mustTables(t, localConfig(t))
			in := definitions[0].request(tables.Prefix)
			x.spoil(in)
			if _, err := tables.API.CreateTable(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			before := describe(t, tables, in.TableName)
			found, err := tables.Create(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if f := found[0]; f.State != Differs || f.Created || !slices.Equal(f.Differs, x.says) {
				t.Errorf("found %+v, want %q", f, x.says)
			}
			if err := tables.Check(found); !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), *in.TableName) || strings.Contains(err.Error(), "blue_keys") {
				t.Errorf("check: %v", err)
			}
			if found[1].State != AsDefined || found[2].State != AsDefined {
				t.Errorf("the other tables: %+v", found[1:])
			}
			if after := describe(t, tables, in.TableName); before != after {
				t.Errorf("the table was altered:\n%s\n%s", before, after)
			}
		})
	}
}

func describe(t *testing.T, tables *Tables, name *string) string {
	t.Helper()
	out, err := tables.API.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: name})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out.Table.GlobalSecondaryIndexes, func(a, b types.GlobalSecondaryIndexDescription) int {
		return strings.Compare(*a.IndexName, *b.IndexName)
	})
	text, err := json.Marshal(out.Table)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// service is enough of the control plane of AWS for what DynamoDB Local lacks:
// tables that become active later, point-in-time recovery that is refused at
// first.
type service struct {
	mu      sync.Mutex
	tables  map[string]*types.TableDescription
	looks   map[string]int // until active
	refusal map[string]int // until recovery can be turned on
	days    map[string]int32
	bare    bool   // no table has indexes
	denied  string // the operation that the credentials do not allow
}

func (s *service) answer(operation string, body map[string]any) (int, any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _ := body["TableName"].(string)
	missing := s.tables[name] == nil
	fail := func(code string) (int, any) { return 400, map[string]string{"__type": "x#" + code, "message": "no"} }
	switch operation {
	case s.denied:
		return fail("AccessDeniedException")
	case "CreateTable":
		if !missing {
			return fail("ResourceInUseException")
		}
		s.tables[name] = &types.TableDescription{}
		return 200, struct{}{}
	case "DescribeTable":
		if missing {
			return fail("ResourceNotFoundException")
		}
		s.looks[name]--
		return 200, map[string]any{"Table": s.description(name)}
	case "DescribeContinuousBackups":
		p := map[string]any{"PointInTimeRecoveryStatus": "DISABLED"}
		if d := s.days[name]; d > 0 {
			p = map[string]any{"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": d}
		}
		return 200, map[string]any{"ContinuousBackupsDescription": map[string]any{"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": p}}
	case "UpdateContinuousBackups":
		if s.refusal[name]--; s.refusal[name] >= 0 {
			return fail("ContinuousBackupsUnavailableException")
		}
		p := body["PointInTimeRecoverySpecification"].(map[string]any)
		if p["PointInTimeRecoveryEnabled"] == true {
			s.days[name] = int32(p["RecoveryPeriodInDays"].(float64))
		}
		return 200, struct{}{}
	}
	return fail("UnknownOperationException")
}

func (s *service) description(name string) map[string]any {
	at := slices.IndexFunc(definitions, func(d definition) bool { return strings.HasSuffix(name, string(d.table)) })
	t := definitions[at].template("").Properties
	status := "ACTIVE"
	if s.looks[name] > 0 {
		status = "CREATING"
	}
	var indexes []map[string]any
	if s.bare {
		t.GlobalSecondaryIndexes = nil
	}
	for _, g := range t.GlobalSecondaryIndexes {
		indexes = append(indexes, map[string]any{"IndexName": g.IndexName, "IndexStatus": status, "KeySchema": g.KeySchema, "Projection": g.Projection})
	}
	return map[string]any{
		"TableName": name, "TableStatus": status, "KeySchema": t.KeySchema, "AttributeDefinitions": t.AttributeDefinitions,
		"GlobalSecondaryIndexes": indexes, "BillingModeSummary": map[string]any{"BillingMode": t.BillingMode}, "DeletionProtectionEnabled": true,
	}
}

func newService(t *testing.T) (*service, *Tables) {
	t.Helper()
	s := &service{tables: map[string]*types.TableDescription{}, looks: map[string]int{}, refusal: map[string]int{}, days: map[string]int32{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		status, out := s.answer(operation, body)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(server.Close)
	return s, mustTables(t, conn.Config{Endpoint: server.URL})
}

func TestCreateInAWS(t *testing.T) {
	s, tables := newService(t)
	s.looks["blue_dialogues"], s.looks["blue_keys"], s.refusal["blue_audit"] = 4, 2, 3
	found, err := tables.Create(t.Context())
	if err != nil || tables.Check(found) != nil {
		t.Fatalf("%+v, %v", found, err)
	}
	want := map[string]int32{"blue_dialogues": 35, "blue_audit": 35, "blue_keys": 1}
	if fmt.Sprint(s.days) != fmt.Sprint(want) {
		t.Errorf("point-in-time recovery: %v, want %v", s.days, want)
	}
	for _, f := range found {
		if !f.Created || f.State != AsDefined || len(f.NotHere) > 0 {
			t.Errorf("%+v", f)
		}
	}
}

// TestRecoveryCompared: off is finished by Create, another window is reported.
func TestRecoveryCompared(t *testing.T) {
	s, tables := newService(t)
	for _, d := range definitions {
		s.tables[string(d.table)] = &types.TableDescription{}
	}
	s.days["blue_audit"], s.days["blue_keys"] = 7, 35
	found, err := tables.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"point-in-time recovery is off", "point-in-time recovery reaches back 7 days, not 35", "point-in-time recovery reaches back 35 days, not 1"} {
		if found[i].State != Differs || !slices.Equal(found[i].Differs, []string{want}) {
			t.Errorf("%+v, want %q", found[i], want)
		}
	}
	if s.days["blue_dialogues"] != 0 {
		t.Error("Status turned recovery on")
	}
	if found, err = tables.Create(t.Context()); err != nil || found[0].State != AsDefined || found[0].Created {
		t.Errorf("create: %+v, %v", found, err)
	}
	if s.days["blue_audit"] != 7 || s.days["blue_keys"] != 35 {
		t.Errorf("Create changed the windows: %v", s.days)
	}
}

// TestRecoveryOfAnotherShape: a foreign table keeps its settings.
func TestRecoveryOfAnotherShape(t *testing.T) {
	s, tables := newService(t)
	s.tables["blue_dialogues"], s.bare = &types.TableDescription{}, true
	found, err := tables.Create(t.Context())
	if err != nil || found[0].State != Differs || len(found[0].Differs) != 4 {
		t.Errorf("create: %+v, %v", found, err)
	}
	if s.days["blue_dialogues"] != 0 || s.days["blue_keys"] != 1 {
		t.Errorf("point-in-time recovery: %v", s.days)
	}
}

func TestCreateTooLate(t *testing.T) {
	for name, slow := range map[string]func(*service){
		"has no point-in-time recovery yet": func(s *service) { s.refusal["blue_dialogues"] = 1 << 20 },
		"is not active yet":                 func(s *service) { s.looks["blue_dialogues"] = 1 << 20 },
	} {
		s, tables := newService(t)
		slow(s)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := tables.Create(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, record.ErrUnavailable) {
			continue // the deadline fell into a request
		}
		if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), name) || hintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDenied checks that each operation that the credentials do not allow is
// reported with the operations that they need.
func TestDenied(t *testing.T) {
	for _, operation := range []string{"CreateTable", "DescribeTable", "DescribeContinuousBackups", "UpdateContinuousBackups"} {
		s, tables := newService(t)
		s.denied = operation
		if _, err := tables.Create(t.Context()); !errors.Is(err, record.ErrDenied) || !strings.Contains(hintOf(err), "dynamodb:DescribeTable") {
			t.Errorf("%s: %v, hint %q", operation, err, hintOf(err))
		}
	}
}

// TestPlan checks the template by itself: what it asks for is what design and
// RFC ask for, in CloudFormation's words.
func TestPlan(t *testing.T) {
	text, err := Plan("team-")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type, DeletionPolicy, UpdateReplacePolicy string
			Properties                                map[string]any
		}
	}
	if err := json.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	days := map[string]float64{"BlueDialogues": 35, "BlueAudit": 35, "BlueKeys": 1}
	if len(template.Resources) != len(days) {
		t.Fatalf("%d resources", len(template.Resources))
	}
	for name, want := range days {
		r := template.Resources[name]
		p := r.Properties
		if r.Type != "AWS::DynamoDB::Table" || r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Retain" {
			t.Errorf("%s: %+v", name, r)
		}
		recovery, _ := p["PointInTimeRecoverySpecification"].(map[string]any)
		if p["BillingMode"] != "PAY_PER_REQUEST" || p["DeletionProtectionEnabled"] != true || recovery["PointInTimeRecoveryEnabled"] != true || recovery["RecoveryPeriodInDays"] != want {
			t.Errorf("%s: %v", name, p)
		}
		if !strings.HasPrefix(p["TableName"].(string), "team-blue_") {
			t.Errorf("%s: table %v", name, p["TableName"])
		}
		// CloudFormation refuses an attribute that no key uses, and the reverse.
		if got := len(p["AttributeDefinitions"].([]any)); got != 2 && name != "BlueDialogues" || name == "BlueDialogues" && got != 8 {
			t.Errorf("%s: %d attributes", name, got)
		}
	}
	for _, sealed := range []string{"content", "item_mac", "root", "nonce", "key_id", "\"_"} {
		if strings.Contains(string(text), sealed) {
			t.Errorf("the template names %s: no index holds that", sealed)
		}
	}
	if _, err := Plan("no blanks"); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("a broken prefix: %v", err)
	}
}

// TestProjections: DynamoDB takes 20 attributes for an index and 100 for all.
func TestProjections(t *testing.T) {
	total := 0
	for _, i := range definitions[0].indexes {
		names := i.Attributes()
		total += len(names)
		if len(names) == 0 || len(names) > 20 || len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
			t.Errorf("%s projects %q", i, names)
		}
	}
	if total > 100 {
		t.Errorf("%d projected attributes", total)
	}
}

// TestPlanByLinter checks the template with cfn-lint, which has AWS's own schema
// of it (scripts/requirements.txt).
func TestPlanByLinter(t *testing.T) {
	campaigntest.SkipShort(t) // the linter takes seconds
	t.Parallel()
	linter := testrule.Program(t, "cfn-lint")
	text, err := Plan("team-")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tables.json")
	for name, c := range map[string]struct {
		template string
		fine     bool
	}{
		"as it is": {string(text), true},
		"spoiled":  {strings.Replace(string(text), `"RecoveryPeriodInDays": 1`, `"RecoveryPeriodInDays": 99`, 1), false},
	} {
		if err := os.WriteFile(path, []byte(c.template), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), linter, path).CombinedOutput(); (err == nil) != c.fine {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
