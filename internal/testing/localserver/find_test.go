package localserver_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

var kind = localserver.Kind{Name: "a test's server", Need: "no server: need a test", Fix: "write a test", Skip: "tests"}

// fails is a way that leads nowhere.
func fails(text string) func(context.Context) (*localserver.Server, error) {
	return func(context.Context) (*localserver.Server, error) { return nil, errors.New(text) }
}

func TestFind(t *testing.T) {
	works := func(context.Context) (*localserver.Server, error) {
		return &localserver.Server{Endpoint: "http://127.0.0.1:1", How: "somehow"}, nil
	}
	found, err := kind.Find(t.Context(), "", fails("no docker\nlog"), fails("no java"), works, fails("not asked"))
	if err != nil || found.How != "somehow (no docker) (no java)" {
		t.Errorf("%+v, %v", found, err)
	}
	found.Stop() // nothing was started
}

func TestFindNothing(t *testing.T) {
	_, err := kind.Find(t.Context(), "", fails("no docker"), fails("no java"))
	failed, ok := errors.AsType[*localserver.NotFoundError](err)
	if !ok || err.Error() != "no server: need a test\n  no docker\n  no java" {
		t.Fatal(err)
	}
	if got, want := failed.Hint(), "write a test; tests go without it under BLUE_TEST_SKIP=tests"; got != want {
		t.Errorf("hint %q, want %q", got, want)
	}
}

// TestFindStopped: whoever gives up gets that error, and no advice.
func TestFindStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := kind.Find(ctx, "", func(ctx context.Context) (*localserver.Server, error) {
		cancel()
		return nil, ctx.Err()
	}, fails("asked after the end"))
	if !errors.Is(err, context.Canceled) || err.Error() != "looking for a test's server: context canceled" {
		t.Error(err)
	}
}

// TestGiven: a given endpoint is final, whether it is right or wrong.
func TestGiven(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	found, err := kind.Find(t.Context(), server.URL, fails("not asked"))
	if err != nil || found.Endpoint != server.URL || !strings.Contains(found.How, "given") {
		t.Fatalf("%+v, %v", found, err)
	}
	found.Stop()
	server.Close()
	for endpoint, want := range map[string]string{"https://kms.eu-west-1.amazonaws.com": "is AWS", server.URL: "no answer"} {
		if endpoint == server.URL && testing.Short() {
			continue // five seconds
		}
		if _, err := kind.Find(t.Context(), endpoint, fails("not asked")); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "not asked") {
			t.Errorf("%s: %v; want %q", endpoint, err, want)
		}
	}
}
