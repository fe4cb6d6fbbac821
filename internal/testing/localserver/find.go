package localserver

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Kind is a kind of server, with the words for the error when there is none.
type Kind struct {
	Name string // "a local KMS"
	Need string // the first line of the error: "no local KMS: need …"
	Fix  string // what to type
	Skip string // its name in BLUE_TEST_SKIP
}

// Server is a server that answers.
type Server struct {
	Endpoint string // http://127.0.0.1:PORT
	How      string // how it was found, for people

	process *process // nil if another process started it
	stop    func()
}

// Stop ends a server that this process started, and the use of a shared
// server. It does nothing for a given endpoint and for a container. A caller
// may omit it, because the end of this process has the same effect (on Unix).
func (s *Server) Stop() {
	if s.stop != nil {
		s.stop()
	}
}

// NotFoundError says that there is no server of a kind and why each way failed.
type NotFoundError struct {
	Kind
	Tried []error
}

func (e *NotFoundError) Error() string {
	var text strings.Builder
	text.WriteString(e.Need)
	for _, err := range e.Tried {
		fmt.Fprintf(&text, "\n  %v", err)
	}
	return text.String()
}

// Unwrap returns the errors of all ways.
func (e *NotFoundError) Unwrap() []error { return e.Tried }

// Hint returns what to type.
func (e *NotFoundError) Hint() string {
	return e.Fix + "; tests go without it under BLUE_TEST_SKIP=" + e.Skip
}

// Find returns a server that answers: the given endpoint if there is one, and
// otherwise the server of the first way that works. If none works, Find
// returns a *NotFoundError with the error of each way.
func (k Kind) Find(ctx context.Context, given string, ways ...func(context.Context) (*Server, error)) (*Server, error) {
	if given != "" {
		return useGiven(ctx, given)
	}
	failed := &NotFoundError{Kind: k}
	for _, way := range ways {
		server, err := way(ctx)
		if err == nil {
			server.How += summary(failed.Tried)
			return server, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("looking for %s: %w", k.Name, err)
		}
		failed.Tried = append(failed.Tried, err)
	}
	return nil, failed
}

// givenWithin is the time in which a given endpoint must answer.
var givenWithin = 20 * time.Second

// useGiven returns the server at a given endpoint.
func useGiven(ctx context.Context, given string) (*Server, error) {
	if err := CheckEndpoint(given); err != nil {
		return nil, err
	}
	if err := WaitReady(ctx, given, givenWithin); err != nil {
		return nil, fmt.Errorf("the given endpoint %s: %w; start it, or leave it out and one is found or started", given, err)
	}
	return &Server{Endpoint: given, How: "given endpoint " + given}, nil
}

// summary returns the first line of each error, in parentheses.
func summary(tried []error) string {
	var text strings.Builder
	for _, err := range tried {
		line, _, _ := strings.Cut(err.Error(), "\n")
		text.WriteString(" (" + line + ")")
	}
	return text.String()
}
