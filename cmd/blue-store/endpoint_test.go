package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// badEndpoints lists endpoints that can be set by mistake. They have the exit
// codes of config explain, without and with --insecure-endpoint. An endpoint
// with exit 0 is accepted.
var badEndpoints = []struct {
	name     string
	endpoint string
	code     int
	insecure int
	says     string // the error, or the accepted endpoint
}{
	{"plain http to another host", "http://dynamodb.example:8000", exitUsage, exitOK, "plain http to another host"},
	{"plain http to another address", "http://10.0.0.7:8000", exitUsage, exitOK, "plain http to another host"},
	{"plain http to all addresses", "http://0.0.0.0:8000", exitUsage, exitOK, "plain http to another host"},
	{"a name that begins like this machine", "http://localhost.example:8000", exitUsage, exitOK, "plain http to another host"},
	{"IPv6 of another host", "http://[2001:db8::1]:8000", exitUsage, exitOK, "plain http to another host"},
	{"IPv6 of this machine", "http://[::1]:8000", exitOK, exitOK, "http://[::1]:8000"},
	{"IPv6 without brackets", "http://::1:8000", exitUsage, exitUsage, "is not a URL"},
	{"a user and a password", "http://me:sesame@localhost:8000", exitUsage, exitUsage, "holds a user or a password"},
	{"a user and a password over https", "https://me:sesame@dynamodb.example", exitUsage, exitUsage, "holds a user or a password"},
	{"a user", "http://sesame@localhost:8000", exitUsage, exitUsage, "holds a user or a password"},
	{"a file", "file:///var/tables", exitUsage, exitUsage, "does not begin with http"},
	{"a file without slashes", "file:tables", exitUsage, exitUsage, "does not begin with http"},
	{"no scheme", "localhost:8000", exitUsage, exitUsage, "does not begin with http"},
	{"no host", "http://", exitUsage, exitUsage, "names no host"},
	{"one trailing slash", "http://localhost:8000/", exitOK, exitOK, "http://localhost:8000 "},
	{"two trailing slashes", "http://localhost:8000//", exitUsage, exitUsage, "must end after the host"},
	{"a path", "http://localhost:8000/shell", exitUsage, exitUsage, "must end after the host"},
	{"a query", "http://localhost:8000?x=1", exitUsage, exitUsage, "must end after the host"},
}

// TestBadEndpoints sets each endpoint in each of the four places. A refused
// endpoint shows no password. Every command then sends and creates nothing.
func TestBadEndpoints(t *testing.T) {
	for _, c := range badEndpoints {
		t.Run(c.name, func(t *testing.T) {
			for _, from := range []string{"--endpoint", "DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"} {
				for _, insecure := range []bool{false, true} {
					env, args, want := map[string]string{}, []string{"--store", "dynamodb", "--text"}, c.code
					if from == "--endpoint" {
						args = append(args, from, c.endpoint)
					} else {
						env[from] = c.endpoint
					}
					if insecure {
						args, want = append(args, "--insecure-endpoint"), c.insecure
					}
					env["AWS_REGION"] = "eu-central-1"
					x := endpointRun(t, env, append([]string{"config", "explain"}, args...))
					says := c.says
					if want == exitOK && c.code != exitOK {
						says = c.endpoint
					}
					if x.code != want || !strings.Contains(x.stdout+x.stderr, says) || !strings.Contains(x.stdout+x.stderr, from) || strings.Contains(x.stdout+x.stderr, "sesame") {
						t.Errorf("%s, insecure %v: exit code %d; want %d and %q\n%s%s", from, insecure, x.code, want, says, x.stdout, x.stderr)
					}
					if want != exitUsage {
						continue
					}
					for _, command := range [][]string{{"list"}, {"dialogue", "create", "One"}, {"table", "status"}, {"doctor"}} {
						if x := endpointRun(t, env, append(command, args...)); x.code != exitUsage || strings.Contains(x.stdout+x.stderr, "sesame") {
							t.Errorf("%s, %q: exit code %d\n%s%s", from, command, x.code, x.stdout, x.stderr)
						}
					}
				}
			}
		})
	}
}

// TestEmptyEndpoint checks that an empty flag is refused and that an empty
// variable counts as not set.
func TestEmptyEndpoint(t *testing.T) {
	explain := []string{"config", "explain", "--store", "dynamodb", "--text"}
	if x := endpointRun(t, nil, append(explain, "--endpoint", "")); x.code != exitUsage || !strings.Contains(x.stderr, "--endpoint is empty") {
		t.Errorf("an empty flag: exit code %d, %s", x.code, x.stderr)
	}
	env := map[string]string{"DYNAMODB_ENDPOINT": "", "AWS_ENDPOINT_URL": "http://localhost:1"}
	if x := endpointRun(t, env, explain); x.code != exitOK || !strings.Contains(x.stdout, "AWS_ENDPOINT_URL") {
		t.Errorf("an empty variable: exit code %d, %s%s", x.code, x.stdout, x.stderr)
	}
}

// TestInsecureEndpointIsTold checks that doctor explains the risk of plain http
// to another host, and that no credentials are sent there.
func TestInsecureEndpointIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // so that no server listens at the address
	endpoint := strings.Replace("http://"+l.Addr().String(), "127.0.0.1", "0.0.0.0", 1)
	env := map[string]string{"DYNAMODB_ENDPOINT": endpoint, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIDNOTREAL", "AWS_SECRET_ACCESS_KEY": "sesame"}
	x := endpointRun(t, env, []string{"doctor", "--store", "dynamodb", "--text", "--insecure-endpoint"})
	for _, words := range []string{endpoint + " (from DYNAMODB_ENDPOINT); plain http to another host", "can be read on the way", "dummies (local/local)", "cannot reach DynamoDB"} {
		if !strings.Contains(x.stdout+x.stderr, words) {
			t.Errorf("doctor does not say %q:\n%s%s", words, x.stdout, x.stderr)
		}
	}
	if x.code != exitUnavailable {
		t.Errorf("exit code %d", x.code)
	}
}

// endpointRun runs the program in a home that must stay empty.
func endpointRun(t *testing.T, env map[string]string, args []string) outcome {
	t.Helper()
	home := t.TempDir()
	var out, errs strings.Builder
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, env: func(name string) string {
		if name == "BLUE_HOME" {
			return filepath.Join(home, "blue")
		}
		if name == "BLUE_USER" {
			return "tester"
		}
		return env[name]
	}}
	code := a.run(t.Context(), args)
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("%q made %v, %v", args, left, err)
	}
	return outcome{code, out.String(), errs.String()}
}
