package awsclient

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// closedBody is a request body that WriteTo finds closed, as the body of the SDK
// is when the response arrives early.
type closedBody struct{ *strings.Reader }

func (closedBody) WriteTo(io.Writer) (int64, error) { return 0, io.EOF }
func (closedBody) Close() error                     { return nil }

// TestHTTPClient: a body whose WriteTo fails is sent and the response is read.
// Without HTTPClient the request fails.
func TestHTTPClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))
	defer server.Close()
	send := func(do func(*http.Request) (*http.Response, error)) (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, closedBody{strings.NewReader("{}")})
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 2
		response, err := do(r)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		return string(text), err
	}
	for range 20 {
		if text, err := send(HTTPClient(http.DefaultClient).Do); err != nil || text != "{}" {
			t.Fatalf("%q, %v", text, err)
		}
	}
	failed := false
	for range 20 {
		if _, err := send(http.DefaultClient.Do); err != nil {
			failed = true
		}
	}
	if !failed {
		t.Error("net/http no longer needs HTTPClient")
	}
}
