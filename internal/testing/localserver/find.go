package localserver

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Kind is a kind of server, in the words of the errors where there is none.
type Kind struct {
	Name string // "a local KMS"
	Need string // the first line of the error: "no local KMS: need …"
	Fix  string // what to type
	Skip string // its name in BLUE_TEST_SKIP
}

// Server is a server that answers.
type Server struct {
	Endpoint string // http://127.0.0.1:PORT
	How      string // which way was taken, in words

	process *process
}

// Stop ends the process that was started, and does nothing for an endpoint
// that was given and for a container, which others may use. It may be left
// out: but for a detached one, the process ends with ours, however ours ends
// (on Unix).
func (s *Server) Stop() {
	if s.process != nil {
		s.process.stop()
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

// Unwrap gives the errors of all the ways.
func (e *NotFoundError) Unwrap() []error { return e.Tried }

// Hint is what to type.
func (e *NotFoundError) Hint() string {
	return e.Fix + "; tests go without it under BLUE_TEST_SKIP=" + e.Skip
}

// Find returns a server that answers: the given endpoint, which is final, or
// that of the first way that works. If none does, a *NotFoundError tells what
// each said.
func (k Kind) Find(ctx context.Context, given string, ways ...func(context.Context) (*Server, error)) (*Server, error) {
	if given != "" {
		return take(ctx, given)
	}
	failed := &NotFoundError{Kind: k}
	for _, way := range ways {
		server, err := way(ctx)
		if err == nil {
			server.How += because(failed.Tried)
			return server, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("looking for %s: %w", k.Name, err)
		}
		failed.Tried = append(failed.Tried, err)
	}
	return nil, failed
}

// take takes the server at a given endpoint.
func take(ctx context.Context, given string) (*Server, error) {
	if err := CheckEndpoint(given); err != nil {
		return nil, err
	}
	if err := WaitReady(ctx, given, 5*time.Second); err != nil {
		return nil, fmt.Errorf("the given endpoint %s: %w; start it, or leave it out and one is found or started", given, err)
	}
	return &Server{Endpoint: given, How: "given endpoint " + given}, nil
}

// because tells of the ways that failed before, the first line of each.
func because(tried []error) string {
	var text strings.Builder
	for _, err := range tried {
		line, _, _ := strings.Cut(err.Error(), "\n")
		text.WriteString(" (" + line + ")")
	}
	return text.String()
}
