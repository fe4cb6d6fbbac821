// Package kmslocal finds or starts a local KMS for tests: moto, a Python
// program, which also serves S3 and STS at the same endpoint. Find takes the
// first that works:
//
//  1. a given endpoint; one of AWS is refused,
//  2. Python 3 that can import moto,
//  3. Python 3 that can make a virtual environment: moto[server] at a pinned
//     version, installed by pip into a cache folder the first time.
//
// If none does, the error says what to install and how to go without.
//
// moto speaks KMS's wire format and keeps to the encryption context. It knows
// no policy, and decrypts with keys that are disabled or pending deletion: what
// a refusal does is tested by internal/kmsfault, which stands in front of it.
//
// What belongs here: the search, the environment, its process. What does not:
// keys in it and the rules of tests about skipping (internal/kmstest), and
// reading the environment, which the callers do.
package kmslocal

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/localserver"
)

// Version is the version of moto that is installed where there is none; it
// stands in scripts/requirements.txt too.
const Version = "5.2.5"

// readyWithin bounds the wait for a server to answer, if Options says nothing.
const readyWithin = time.Minute

// Options says where to look. The zero value of a field leaves its way out.
type Options struct {
	Endpoint string        // a server that runs already
	Cache    string        // the folder for virtual environments, below the user's cache folder
	Ready    time.Duration // how long a started server may take to answer; 0 for a minute
}

// Server is a KMS that answers; where it is moto, S3 and STS too.
type Server struct {
	Endpoint string // http://127.0.0.1:PORT
	How      string // which way was taken, in words

	process *localserver.Process
}

// Stop ends the process that Find started, and does nothing for an endpoint
// that was given. It may be left out: the process ends with ours, however ours
// ends (on Unix).
func (s *Server) Stop() {
	if s.process != nil {
		s.process.Stop()
	}
}

// NotFoundError says that there is no local KMS and why each way failed.
type NotFoundError struct {
	Tried []error
}

func (e *NotFoundError) Error() string {
	var text strings.Builder
	text.WriteString("no local KMS: need Python 3 with venv and pip, or with moto[server], or BLUE_TEST_KMS_ENDPOINT")
	for _, err := range e.Tried {
		fmt.Fprintf(&text, "\n  %v", err)
	}
	return text.String()
}

// Unwrap gives the errors of all the ways.
func (e *NotFoundError) Unwrap() []error { return e.Tried }

// Hint is what to type.
func (e *NotFoundError) Hint() string {
	return "install python3 and python3-venv, or pip install 'moto[server]==" + Version + "', or set BLUE_TEST_KMS_ENDPOINT; tests go without it under BLUE_TEST_SKIP=kms"
}

// Find returns a server that answers. A given endpoint that does not answer is
// an error at once; the other ways are tried in turn, and a *NotFoundError
// tells what each said.
func Find(ctx context.Context, o Options) (*Server, error) {
	if o.Endpoint != "" {
		return given(ctx, o)
	}
	failed := &NotFoundError{}
	for _, way := range []func(context.Context, Options) (python, how string, err error){importable, installed} {
		python, how, err := way(ctx, o)
		if err == nil {
			var server *Server
			if server, err = start(ctx, o, python); err == nil {
				server.How = how
				return server, nil
			}
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("looking for a local KMS: %w", err)
		}
		failed.Tried = append(failed.Tried, err)
	}
	return nil, failed
}

// given takes the server at the endpoint of the options.
func given(ctx context.Context, o Options) (*Server, error) {
	if err := localserver.CheckEndpoint(o.Endpoint); err != nil {
		return nil, err
	}
	if err := localserver.WaitReady(ctx, o.Endpoint, 5*time.Second); err != nil {
		return nil, fmt.Errorf("the given endpoint %s: %w; start it, or leave it out and moto is started", o.Endpoint, err)
	}
	return &Server{Endpoint: o.Endpoint, How: "given endpoint " + o.Endpoint}, nil
}

// start runs moto with a Python and waits until it answers.
func start(ctx context.Context, o Options, python string) (*Server, error) {
	log, err := os.CreateTemp("", "moto-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	defer os.Remove(log.Name())
	// A free port may be taken before moto takes it; then another is tried.
	for try := 0; ; try++ {
		server, err := startAt(ctx, o, python, log)
		if err == nil || try == 2 || ctx.Err() != nil {
			return server, err
		}
	}
}

func startAt(ctx context.Context, o Options, python string, log *os.File) (*Server, error) {
	port, err := localserver.FreePort("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	process, err := localserver.Start(exec.Command(python, "-m", "moto.server", "-H", "127.0.0.1", "-p", strconv.Itoa(port)), log)
	if err != nil {
		return nil, fmt.Errorf("starting moto: %w", err)
	}
	endpoint := "http://127.0.0.1:" + strconv.Itoa(port)
	within := o.Ready
	if within <= 0 {
		within = readyWithin
	}
	err = process.Ready(ctx, "moto", endpoint, within, func(ctx context.Context) (bool, error) { return ask(ctx, endpoint) })
	if err != nil {
		process.Stop()
		return nil, fmt.Errorf("moto: %w\n%s", err, localserver.Tail(log))
	}
	return &Server{Endpoint: endpoint, process: process}, nil
}

// ask asks for the page that only moto has. Another answer is final: the port
// is somebody else's.
func ask(ctx context.Context, endpoint string) (final bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	response, err := localserver.Get(ctx, endpoint+"/moto-api/data.json")
	if err != nil {
		return false, err
	}
	response.Body.Close()
	if response.StatusCode != 200 {
		return true, fmt.Errorf("something else answers at %s", endpoint)
	}
	return false, nil
}
