package awsclient

import (
	"errors"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
)

func TestFind(t *testing.T) {
	const own, ofService, ofAll = "DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"
	all := map[string]string{own: "http://localhost:1", ofService: "http://localhost:2", ofAll: "http://localhost:3"}
	for name, c := range map[string]struct {
		flags EndpointFlags
		env   map[string]string
		want  Endpoint
	}{
		"nothing is set":          {want: Endpoint{From: "default: AWS"}},
		"the flag is nearest":     {EndpointFlags{Endpoint: "http://localhost:9", Given: true}, all, Endpoint{"http://localhost:9", "--endpoint", true, true}},
		"then ours":               {EndpointFlags{}, all, Endpoint{"http://localhost:1", own, true, true}},
		"then AWS's for DynamoDB": {EndpointFlags{}, map[string]string{ofService: all[ofService], ofAll: all[ofAll]}, Endpoint{"http://localhost:2", ofService, true, true}},
		"then AWS's for all":      {EndpointFlags{}, map[string]string{ofAll: all[ofAll]}, Endpoint{"http://localhost:3", ofAll, true, true}},
		"an empty variable":       {EndpointFlags{}, map[string]string{own: "", ofAll: all[ofAll]}, Endpoint{"http://localhost:3", ofAll, true, true}},
		"capitals and a slash":    {EndpointFlags{Endpoint: "HTTP://LocalHost:9/"}, nil, Endpoint{"http://localhost:9", "--endpoint", true, true}},
		"IPv6 loopback":           {EndpointFlags{Endpoint: "http://[::1]:9"}, nil, Endpoint{"http://[::1]:9", "--endpoint", true, true}},
		"https elsewhere":         {EndpointFlags{Endpoint: "https://example.org"}, nil, Endpoint{"https://example.org", "--endpoint", false, false}},
		"https here":              {EndpointFlags{Endpoint: "https://127.0.0.1"}, nil, Endpoint{"https://127.0.0.1", "--endpoint", true, false}},
		"plain http, allowed":     {EndpointFlags{Endpoint: "http://example.org:9", Insecure: true}, nil, Endpoint{"http://example.org:9", "--endpoint", false, true}},
	} {
		got, err := DynamoDB.Find(c.flags, func(name string) string { return c.env[name] })
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

// TestFindKMS: KMS has variables of its own, and no flag.
func TestFindKMS(t *testing.T) {
	all := map[string]string{"DYNAMODB_ENDPOINT": "http://localhost:1", "AWS_ENDPOINT_URL_DYNAMODB": "http://localhost:2", "AWS_ENDPOINT_URL_KMS": "http://localhost:3"}
	for name, c := range map[string]struct {
		env  map[string]string
		want Endpoint
	}{
		"its own":            {all, Endpoint{"http://localhost:3", "AWS_ENDPOINT_URL_KMS", true, true}},
		"not DynamoDB's":     {map[string]string{"DYNAMODB_ENDPOINT": "http://localhost:1", "AWS_ENDPOINT_URL_DYNAMODB": "http://localhost:2"}, Endpoint{From: "default: AWS"}},
		"then AWS's for all": {map[string]string{"AWS_ENDPOINT_URL": "https://example.org"}, Endpoint{"https://example.org", "AWS_ENDPOINT_URL", false, false}},
	} {
		got, err := KMS.Find(EndpointFlags{}, func(name string) string { return c.env[name] })
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
	_, err := KMS.Find(EndpointFlags{}, func(string) string { return "http://example.org" })
	if err == nil || !strings.Contains(err.Error(), "it would show the keys") {
		t.Errorf("plain http to another host: %v", err)
	}
}

func TestFindRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "is empty",
		"localhost:8000":              "does not begin with http",
		"127.0.0.1:8000":              "is not a URL",
		"file:///tmp/tables":          "does not begin with http",
		"file:tables":                 "does not begin with http",
		"http://":                     "names no host",
		"http:localhost":              "names no host",
		"http://u:secret@localhost":   "a user or a password",
		"http://u@localhost":          "a user or a password",
		"http://localhost:secret":     "is not a URL",
		"http://localhost:8000//":     "must end after the host",
		"http://localhost:8000/%2F":   "must end after the host",
		"http://localhost:8000/shell": "must end after the host",
		"http://localhost:8000?":      "must end after the host",
		"http://localhost:8000#x":     "must end after the host",
		"http://example.org":          "plain http to another host",
		"http://10.0.0.7:8000":        "plain http to another host",
		"http://0.0.0.0:8000":         "plain http to another host",
		"http://[2001:db8::1]:8000":   "plain http to another host",
		"http://[::]:8000":            "plain http to another host",
		"http://[::1%25lo]:8000":      "plain http to another host",
		"http://localhost.example":    "plain http to another host",
	} {
		_, err := DynamoDB.Find(EndpointFlags{Endpoint: text, Given: true}, func(string) string { return "" })
		e, ok := errors.AsType[*EndpointError](err)
		if !ok || !errors.Is(err, blue.ErrInvalid) || !strings.Contains(e.Error(), want) || e.Hint() == "" || strings.Contains(e.Error(), "secret") {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

// TestInsecureIsForHostsAlone: the flag lifts one rule, no other.
func TestInsecureIsForHostsAlone(t *testing.T) {
	for _, text := range []string{"", "http://u:p@example.org", "file:///x", "http://example.org//", "http://example.org/x"} {
		if e, err := DynamoDB.Find(EndpointFlags{Endpoint: text, Given: true, Insecure: true}, func(string) string { return "" }); err == nil {
			t.Errorf("%q is taken as %+v", text, e)
		}
	}
}

func FuzzParseEndpoint(f *testing.F) {
	f.Add("http://localhost:8000/")
	f.Add("HTTPS://[::1%25Lo]:8000")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEndpoint(text, "a test")
		if err != nil {
			return
		}
		if again, err := ParseEndpoint(e.URL, "a test"); err != nil || again != e {
			t.Errorf("%q is %+v, and that is %+v, %v", text, e, again, err)
		}
	})
}
