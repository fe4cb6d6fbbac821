package awskms_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/memory"
)

// TestStalledAnswer: an answer that does not arrive in time is no answer, also
// if a part of it arrived.
func TestStalledAnswer(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("Content-Length", "100")
		w.Write([]byte(`{"KeyId":`))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	const arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	p, err := awskms.New(arn, kmstest.Client(server.URL, "ada"), memory.New(), &awskms.Options{Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	err = p.MakeKEK(t.Context(), umkOf(t, p), "ada")
	if err == nil || !strings.Contains(err.Error(), "no response within 100ms") || requests < 2 {
		t.Errorf("after %d requests: %v", requests, err)
	}
}
