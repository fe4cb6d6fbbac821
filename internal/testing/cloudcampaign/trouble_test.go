package cloudcampaign

import (
	"crypto/rand"
	"net"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// commands that read and write, of which each must fail the same way.
var commands = [][]string{
	{"list", "--json"},
	{"show", "some-dialogue", "--json"},
	{"verify", "--json"},
	{"dialogue", "create", "Some Dialogue", "--json"},
}

const exitUnavailable = 5 // of the program

// TestTrouble: whatever is wrong with DynamoDB, a command ends with exit code
// 5, prints what to type, and nothing takes the place of the store that was
// asked for: no file is made.
func TestTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, x := range map[string]struct {
		env  func(t *testing.T) []string
		says string // in message or hint
		only string // the one command that meets it; "" for all
	}{
		"nothing listens":        {func(t *testing.T) []string { return at(deadPort(t), w.prefix) }, "just up", ""},
		"something else":         {func(t *testing.T) []string { return behind(t, w, faultproxy.Refuse(404, "", "<html>")) }, "", ""},
		"tables missing":         {func(t *testing.T) []string { return at(w.endpoint, fresh()) }, "blue-store table create", ""},
		"other keys":             {func(t *testing.T) []string { return at(w.endpoint, w.tables(t, "pk", "sk")) }, "blue-store table status", ""},
		"no indexes":             {func(t *testing.T) []string { return at(w.endpoint, w.tables(t, "PK", "SK")) }, "blue-store table status", "list"},
		"no credentials":         {func(*testing.T) []string { return []string{"AWS_REGION=eu-central-1"} }, "AWS_PROFILE", ""},
		"half of a credential":   {func(*testing.T) []string { return []string{"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=muffin"} }, "set both", ""},
		"no region":              {func(*testing.T) []string { return []string{"AWS_ACCESS_KEY_ID=muffin", "AWS_SECRET_ACCESS_KEY=muffin"} }, "AWS_REGION=", ""},
		"credentials expired":    {func(t *testing.T) []string { return behind(t, w, faultproxy.Expired()) }, "aws sso login", ""},
		"clock skewed":           {func(t *testing.T) []string { return behind(t, w, faultproxy.Skewed()) }, "timedatectl", ""},
		"throttled for good":     {func(t *testing.T) []string { return behind(t, w, faultproxy.Throttle()) }, "wait a minute", ""},
		"refused by the account": {func(t *testing.T) []string { return behind(t, w, faultproxy.ThrottleRequests()) }, "wait a minute", ""},
		"a fault of its own":     {func(t *testing.T) []string { return behind(t, w, faultproxy.InternalError()) }, "try again", ""},
		"access denied": {func(t *testing.T) []string {
			return behind(t, w, faultproxy.Refuse(400, "AccessDeniedException", "no"))
		}, "dynamodb:GetItem", ""},
		"every request lost": {func(t *testing.T) []string { return behind(t, w, faultproxy.Lose()) }, "", ""},
		"every answer cut":   {func(t *testing.T) []string { return behind(t, w, faultproxy.Truncate()) }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := x.env(t)
			for _, args := range commands {
				if x.only != "" && args[0] != x.only {
					continue
				}
				m := newMachine(t, env...)
				r := m.run(args...)
				e := errorOf(t, args, r)
				if r.code != exitUnavailable || e.ExitCode != exitUnavailable || r.stdout != "" {
					t.Errorf("%q: exit code %d, %q; %+v", args, r.code, r.stdout, e)
				}
				if e.Hint == "" || !strings.Contains(e.Message+" "+e.Hint, x.says) {
					t.Errorf("%q does not say what to type: %+v", args, e)
				}
				if files := m.files(); len(files) > 0 {
					t.Errorf("%q made %q", args, files)
				}
			}
		})
	}
}

// at is the environment of an endpoint and a prefix.
func at(endpoint, prefix string) []string {
	return []string{"DYNAMODB_ENDPOINT=" + endpoint, "BLUE_TABLE_PREFIX=" + prefix}
}

// behind is the environment of a server that does one thing for good.
func behind(t *testing.T, w *world, f faultproxy.Fault) []string {
	proxy := faultproxy.New(w.endpoint)
	t.Cleanup(proxy.Close)
	proxy.Play(faultproxy.Script{{Fault: f}}.Decide)
	return at(proxy.URL, w.prefix)
}

func fresh() string { return "c" + strings.ToLower(rand.Text()[:10]) + "-" }

// deadPort is an endpoint where nothing listens.
func deadPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	return "http://" + l.Addr().String()
}

// tables makes the three tables with the given keys and no indexes, and returns
// their prefix.
func (w *world) tables(t *testing.T, pk, sk string) string {
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &w.endpoint, Region: "local", Credentials: credentials.NewStaticCredentialsProvider("local", "local-dummy-secret", ""),
	})
	prefix := fresh()
	for _, table := range []string{"blue_dialogues", "blue_audit", "blue_keys"} {
		in := &dynamodb.CreateTableInput{TableName: aws.String(prefix + table), BillingMode: types.BillingModePayPerRequest, KeySchema: keySchema(pk, sk)}
		for _, name := range []string{pk, sk} {
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS})
		}
		_, err := client.CreateTable(t.Context(), in)
		check(t, err)
	}
	return prefix
}

func keySchema(pk, sk string) []types.KeySchemaElement {
	return []types.KeySchemaElement{{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash}, {AttributeName: aws.String(sk), KeyType: types.KeyTypeRange}}
}
