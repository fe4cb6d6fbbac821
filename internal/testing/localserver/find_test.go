package localserver

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var kind = Kind{Name: "a test's server", Need: "no server: need a test", Fix: "write a test", Skip: "tests"}

// fails returns a way that finds no server.
func fails(text string) func(context.Context) (*Server, error) {
	return func(context.Context) (*Server, error) { return nil, errors.New(text) }
}

func TestFind(t *testing.T) {
	works := func(context.Context) (*Server, error) {
		return &Server{Endpoint: "http://127.0.0.1:1", How: "somehow"}, nil
	}
	found, err := kind.Find(t.Context(), "", fails("no docker\nlog"), fails("no java"), works, fails("not asked"))
	if err != nil || found.How != "somehow (no docker) (no java)" {
		t.Errorf("%+v, %v", found, err)
	}
	found.Stop() // nothing was started
}

func TestFindNothing(t *testing.T) {
	_, err := kind.Find(t.Context(), "", fails("no docker"), fails("no java"))
	failed, ok := errors.AsType[*NotFoundError](err)
	if !ok || err.Error() != "no server: need a test\n  no docker\n  no java" {
		t.Fatal(err)
	}
	if got, want := failed.Hint(), "write a test; tests go without it under BLUE_TEST_SKIP=tests"; got != want {
		t.Errorf("hint %q, want %q", got, want)
	}
}

// TestFindStopped: a cancelled search returns that error without advice.
func TestFindStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := kind.Find(ctx, "", func(ctx context.Context) (*Server, error) {
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
	usual := givenWithin
	givenWithin = 100 * time.Millisecond
	defer func() { givenWithin = usual }()
	for endpoint, want := range map[string]string{"https://kms.eu-west-1.amazonaws.com": "is AWS", server.URL: "no answer"} {
		if _, err := kind.Find(t.Context(), endpoint, fails("not asked")); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "not asked") {
			t.Errorf("%s: %v; want %q", endpoint, err, want)
		}
	}
}
