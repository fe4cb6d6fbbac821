// Package dynamolocal finds or starts DynamoDB Local, the official emulator,
// for tests and for development. Find takes the first that works:
//
//  1. a given endpoint; one of AWS is refused,
//  2. a container engine that answers, with the compose file of the repository,
//  3. Java 17 or later: the jar of Maven's com.amazonaws:DynamoDBLocal:2.6.1,
//     kept in a cache folder and started on a free port.
//
// If none does, the error says what to install and how to go without.
//
// DynamoDB Local listens on every interface of the machine and has no switch
// against that: whoever can reach the machine can read and write a server
// started by the jar, without credentials. The compose file publishes its port
// on 127.0.0.1 only. Put no dialogue there that you would not show.
//
// What belongs here: the search, the jar, its process. What does not: tables
// (dynamo), the recipes (cmd/local-dynamodb), the rules of tests about skipping
// (localtest), and the environment, which the callers read.
package dynamolocal

import (
	"context"
	"fmt"
	"github.com/superviber/blue-encrypted-store/internal/localserver"
	"strings"
	"time"
)

// Folder is the folder of this project in the user's cache folder.
const Folder = localserver.Folder

// Version is the version of DynamoDB Local, of the jar and of the image.
const Version = "2.6.1"

// readyWithin bounds the wait for a server to answer, if Options says nothing.
const readyWithin = time.Minute

// Options says where to look. The zero value of a field leaves its way out.
type Options struct {
	Endpoint string        // a server that runs already
	Compose  string        // the path of docker-compose.yml
	Cache    string        // the folder for the jar, below the user's cache folder
	Port     int           // for the jar; 0 for a free one
	Data     string        // a folder to keep tables in, for the jar; "" for memory
	Ready    time.Duration // how long a started server may take to answer; 0 for a minute

	container string // where the container answers, if not at ContainerEndpoint
}

// Server is a DynamoDB Local that answers.
type Server struct {
	Endpoint string // http://127.0.0.1:PORT
	How      string // which way was taken, in words

	process *localserver.Process
}

// Stop ends the process that Find started, and does nothing for an endpoint
// that was given and for a container, which others may use. It may be left out:
// the process ends with ours, however ours ends (on Unix).
func (s *Server) Stop() {
	if s.process != nil {
		s.process.Stop()
	}
}

// NotFoundError says that there is no DynamoDB Local and why each way failed.
type NotFoundError struct {
	Tried []error
}

func (e *NotFoundError) Error() string {
	var text strings.Builder
	text.WriteString("no DynamoDB Local: need a container engine that answers, or Java 17 and Maven, or DYNAMODB_ENDPOINT")
	for _, err := range e.Tried {
		fmt.Fprintf(&text, "\n  %v", err)
	}
	return text.String()
}

// Unwrap gives the errors of all the ways.
func (e *NotFoundError) Unwrap() []error { return e.Tried }

// Hint is what to type.
func (e *NotFoundError) Hint() string {
	return "start a container engine, or install Java 17 or later and Maven, or set DYNAMODB_ENDPOINT; tests go without it under BLUE_TEST_SKIP=dynamodb"
}

// Find returns a server that answers. A given endpoint that does not answer is
// an error at once; the other ways are tried in turn, and a *NotFoundError
// tells what each said.
func Find(ctx context.Context, o Options) (*Server, error) {
	if o.Endpoint != "" {
		return given(ctx, o)
	}
	failed := &NotFoundError{}
	for _, way := range []func(context.Context, Options) (*Server, error){byContainer, byJar} {
		server, err := way(ctx, o)
		if err == nil {
			server.How += because(failed.Tried)
			return server, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("looking for DynamoDB Local: %w", err)
		}
		failed.Tried = append(failed.Tried, err)
	}
	return nil, failed
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

func (o Options) ready() time.Duration {
	if o.Ready > 0 {
		return o.Ready
	}
	return readyWithin
}
