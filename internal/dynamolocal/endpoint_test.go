package dynamolocal_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/dynamolocal"
)

func TestGiven(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	defer server.Close()
	found, err := dynamolocal.Find(t.Context(), dynamolocal.Options{Endpoint: server.URL})
	if err != nil || found.Endpoint != server.URL || !strings.Contains(found.How, "given") {
		t.Fatalf("found %+v, %v", found, err)
	}
	found.Stop()
}

// TestGivenIsFinal: a given endpoint that is wrong is an error, and nothing
// else is tried in its place.
func TestGivenIsFinal(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := dynamolocal.Find(t.Context(), dynamolocal.Options{Endpoint: "https://dynamodb.eu-west-1.amazonaws.com"})
	if err == nil || !strings.Contains(err.Error(), "is AWS") {
		t.Errorf("AWS: %v", err)
	}
}
