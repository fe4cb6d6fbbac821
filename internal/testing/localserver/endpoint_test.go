package localserver

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCheckEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:8000":                        "",
		"http://localhost:8000/":                       "",
		"https://[::1]:8000":                           "",
		"http://dynamodb:8000":                         "",
		"http://notamazonaws.com":                      "",
		"https://dynamodb.eu-west-1.amazonaws.com":     "is AWS",
		"https://DynamoDB.eu-west-1.AmazonAWS.com.":    "is AWS",
		"https://dynamodb.cn-north-1.amazonaws.com.cn": "is AWS",
		"https://dynamodb.eu-west-1.api.aws":           "is AWS",
		"https://123456789012.ddb.us-east-1.on.aws":    "is AWS",
		"localhost:8000":                               "does not begin with http",
		"http://":                                      "names no host",
		"http://ada:secret@localhost:8000":             "a user or a password",
		"http://localhost:8000/shell":                  "must end after the host",
	} {
		err := CheckEndpoint(endpoint)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", endpoint, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows the password", endpoint)
		}
	}
}

func TestAlive(t *testing.T) {
	asked := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization")
		w.WriteHeader(http.StatusBadRequest)
	}))
	if err := CheckAlive(t.Context(), server.URL); err != nil {
		t.Errorf("a 400 is alive, and yet: %v", err)
	}
	if asked != "GET / " {
		t.Errorf("asked %q, want an unsigned GET /", asked)
	}
	server.Close()
	if err := CheckAlive(t.Context(), server.URL); err == nil {
		t.Error("a closed server is alive")
	}
	err := WaitReady(t.Context(), server.URL, 10*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "no answer within 10ms") {
		t.Errorf("waited for a closed server: %v", err)
	}
}
