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
// a refusal does is tested by internal/testing/kmsfault, which stands in front of it.
//
// What belongs here: the ways, Python and its environment. What does not:
// search and process as such (internal/testing/localserver), keys in it and the rules
// of tests about skipping (internal/testing/kmstest), and reading the environment,
// which the callers do.
package kmslocal

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// Version is the version of moto that is installed where there is none; it
// stands in scripts/requirements.txt too.
const Version = "5.2.5"

// Kind is what is said where there is no local KMS.
var Kind = localserver.Kind{
	Name: "a local KMS",
	Need: "no local KMS: need Python 3 with venv and pip, or with moto[server], or BLUE_TEST_KMS_ENDPOINT",
	Fix:  "install python3 and python3-venv, or pip install 'moto[server]==" + Version + "', or set BLUE_TEST_KMS_ENDPOINT",
	Skip: "kms",
}

// Options says where to look. The zero value of a field leaves its way out.
type Options struct {
	Endpoint string        // a server that runs already
	Cache    string        // the folder for virtual environments, below the user's cache folder
	Ready    time.Duration // how long a started server may take to answer; 0 for a minute
}

// Find returns a KMS that answers; where it is moto, S3 and STS too. A given
// endpoint that does not answer is an error at once; the other ways are tried
// in turn, and a *localserver.NotFoundError tells what each said.
func Find(ctx context.Context, o Options) (*localserver.Server, error) {
	return Kind.Find(ctx, o.Endpoint, o.byImport, o.byInstall)
}

// byImport takes Python 3 as it is, if it has moto.
func (o Options) byImport(ctx context.Context) (*localserver.Server, error) {
	python, err := python3()
	if err != nil {
		return nil, err
	}
	version, err := imports(ctx, python)
	if err != nil {
		return nil, err
	}
	return o.start(ctx, python, "moto "+version+" of "+python)
}

func (o Options) byInstall(ctx context.Context) (*localserver.Server, error) {
	python, err := installed(ctx, o.Cache)
	if err != nil {
		return nil, fmt.Errorf("moto: %w", err)
	}
	return o.start(ctx, python, "moto "+Version+" in the cache")
}

// start runs moto with a Python and waits until it answers.
func (o Options) start(ctx context.Context, python, how string) (*localserver.Server, error) {
	server, err := o.moto(python).Start(ctx)
	if err != nil {
		return nil, fmt.Errorf("moto: %w", err)
	}
	server.How = how
	return server, nil
}

// moto is the server, known by a page that it alone has.
func (o Options) moto(python string) *localserver.Program {
	return &localserver.Program{
		Name:    "moto",
		Address: "127.0.0.1:0",
		Command: func(port int) *exec.Cmd {
			return exec.Command(python, "-m", "moto.server", "-H", "127.0.0.1", "-p", strconv.Itoa(port))
		},
		Page:   "/moto-api/data.json",
		Ours:   func(r *http.Response) bool { return r.StatusCode == http.StatusOK },
		Within: cmp.Or(o.Ready, time.Minute),
	}
}
