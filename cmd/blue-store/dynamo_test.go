package main

import (
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// awsNames lists the variables that could direct a test to another machine.
var awsNames = []string{
	"DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCOUNT_ID", "AWS_ENDPOINT_URL_KMS",
}

// answering is a server with the same answer to every request.
func answering(t *testing.T, status int, code, message string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		body := fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(body))))
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestDynamoDBFails checks that every failure of a selected DynamoDB is exit 5
// with a hint, without a fallback.
func TestDynamoDBFails(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	for _, c := range []struct {
		name, endpoint string
		says           []string
	}{
		{"unreachable", dead.URL, []string{"cannot reach DynamoDB", "not falling back to SQLite", "just up", "from DYNAMODB_ENDPOINT"}},
		{"table missing", answering(t, 400, "ResourceNotFoundException", "Cannot do operations on a non-existent table"), []string{"not exist", "blue-store table create"}},
		{"wrong key schema", answering(t, 400, "ValidationException", "The provided key element does not match the schema"), []string{"keys PK and SK", "blue-store table status"}},
		{"index missing", answering(t, 400, "ValidationException", "The table does not have the specified index: GSI1"), []string{"index", "blue-store table status"}},
		{"credentials expired", answering(t, 400, "ExpiredTokenException", "The security token included in the request is expired"), []string{"have expired", "aws sso login"}},
		{"credentials missing", answering(t, 400, "MissingAuthenticationTokenException", "Request must contain a valid signature"), []string{"no AWS credentials", "AWS_PROFILE"}},
		{"clock skew", answering(t, 400, "InvalidSignatureException", "Signature expired: 20310101T000000Z is now earlier than 20310101T001000Z"), []string{"clock", "timedatectl"}},
		{"access denied", answering(t, 400, "AccessDeniedException", "User: u is not authorized to perform: dynamodb:Scan"), []string{"is denied", "dynamodb:GetItem", "Scan before the first key"}},
		{"throttled for good", answering(t, 400, "ThrottlingException", "Rate exceeded"), []string{"takes no more requests", "wait a minute"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			for _, args := range [][]string{{"list"}, {"show", "which-cache"}, {"dialogue", "create", "Which cache?"}, {"copy", "dynamodb", "sqlite:" + filepath.Join(home, "x.db"), "--all"}} {
				if c.name == "index missing" && args[0] != "list" {
					continue // only lists need an index
				}
				env := map[string]string{"BLUE_HOME": home, "BLUE_USER": "tester", "BLUE_STORE": "dynamodb", "DYNAMODB_ENDPOINT": c.endpoint}
				if args[0] == "copy" {
					delete(env, "BLUE_STORE")
				}
				var out, errs strings.Builder
				a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(name string) string { return env[name] }}
				if code := a.run(t.Context(), args); code != exitUnavailable {
					t.Errorf("%q: exit code %d; want %d: %s", args, code, exitUnavailable, errs.String())
				}
				for _, words := range c.says {
					if !strings.Contains(errs.String(), words) {
						t.Errorf("%q does not say %q: %s", args, words, errs.String())
					}
				}
			}
			if left, _ := filepath.Glob(filepath.Join(home, "*")); len(left) > 0 {
				t.Errorf("made %v", left)
			}
			if left, _ := os.ReadDir(filepath.Join(home, "keys")); len(left) > 0 {
				t.Errorf("made keys: %v", left)
			}
		})
	}
}

// TestDynamoDBOfAnotherShape checks that a table with the same indexes and other
// keys is refused, and is not treated as an empty store.
func TestDynamoDBOfAnotherShape(t *testing.T) {
	const description = `{"Table": {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
		"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}]}}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `{"Items": [], "Count": 0}`
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeTable") {
			body = description
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	home := t.TempDir()
	for _, args := range [][]string{
		{"list"}, {"list", "--status", "open"}, {"list", "--tensions"}, {"list", "--expert", "muffin"}, {"verify"},
		{"copy", "dynamodb", "sqlite:" + filepath.Join(home, "x.db"), "--all"},
	} {
		env := map[string]string{"BLUE_HOME": home, "BLUE_USER": "tester", "BLUE_STORE": "dynamodb", "DYNAMODB_ENDPOINT": s.URL}
		if args[0] == "copy" {
			delete(env, "BLUE_STORE")
		}
		var out, errs strings.Builder
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(name string) string { return env[name] }}
		code := a.run(t.Context(), args)
		if code != exitUnavailable || out.Len() > 0 || !strings.Contains(errs.String(), "keys are pk (S), sk (S), not PK (S), SK (S)") || !strings.Contains(errs.String(), "blue-store table status") {
			t.Errorf("%q: exit code %d; want %d\n%s%s", args, code, exitUnavailable, out.String(), errs.String())
		}
	}
}

// TestDynamoDBSettings checks the errors for missing settings. Nothing is sent.
func TestDynamoDBSettings(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	for _, c := range []struct {
		name string
		env  map[string]string
		code int
		says string
	}{
		{"no region", nil, exitUnavailable, "no AWS region"},
		{"half of the credentials", map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "A"}, exitUnavailable, "only one is set"},
		{"a prefix that no table can have", map[string]string{"DYNAMODB_ENDPOINT": "http://localhost:1", "BLUE_TABLE_PREFIX": "a/b"}, exitUsage, "the table prefix"},
		{"plain http", map[string]string{"DYNAMODB_ENDPOINT": "http://dynamodb.example"}, exitUsage, "plain http to another host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := map[string]string{"BLUE_HOME": t.TempDir(), "BLUE_USER": "tester", "BLUE_STORE": "dynamodb"}
			for name, v := range c.env {
				env[name] = v
			}
			var errs strings.Builder
			a := &app{in: strings.NewReader(""), out: io.Discard, err: &errs, env: func(name string) string { return env[name] }}
			if code := a.run(t.Context(), []string{"list"}); code != c.code || !strings.Contains(errs.String(), c.says) {
				t.Errorf("exit code %d: %s; want %d and %q", code, errs.String(), c.code, c.says)
			}
		})
	}
}

// TestHeadsApart checks that two stores never share freshness records.
func TestHeadsApart(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []struct {
		name string
		env  map[string]string
	}{
		{"local", map[string]string{"DYNAMODB_ENDPOINT": "http://localhost:8000"}},
		{"another port", map[string]string{"DYNAMODB_ENDPOINT": "http://localhost:8001"}},
		{"a prefix", map[string]string{"DYNAMODB_ENDPOINT": "http://localhost:8000", "BLUE_TABLE_PREFIX": "a-"}},
		{"a region", map[string]string{"AWS_REGION": "eu-central-1"}},
		{"another region", map[string]string{"AWS_REGION": "eu-west-1"}},
		{"an account", map[string]string{"AWS_REGION": "eu-central-1", "AWS_ACCOUNT_ID": "1"}},
		{"sqlite", map[string]string{"BLUE_STORE": "sqlite:x.db"}},
	} {
		heads := headsOf(t, c.env)
		if other, twice := seen[heads]; twice {
			t.Errorf("%s and %s share freshness records", c.name, other)
		}
		seen[heads] = c.name
	}
	same := headsOf(t, map[string]string{"DYNAMODB_ENDPOINT": "http://LOCALHOST:8000/", "AWS_REGION": "eu-west-1"})
	if seen[same] != "local" {
		t.Error("another way to write the endpoint, or another region of a local server, has its own freshness records")
	}
}

func headsOf(t *testing.T, env map[string]string) string {
	t.Helper()
	a := &app{env: func(name string) string {
		if v, set := env[name]; set {
			return v
		}
		return map[string]string{"BLUE_HOME": "/nowhere", "BLUE_USER": "tester", "BLUE_STORE": "dynamodb"}[name]
	}}
	c, err := a.config()
	if err != nil {
		t.Fatal(err)
	}
	return c.heads
}
