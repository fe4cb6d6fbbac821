// Package kmslocal finds or starts a local KMS for tests. It is moto, a Python
// program, which also serves S3 and STS at the same endpoint. Find takes the
// first way that works:
//
//  1. a given endpoint; an endpoint of AWS is refused,
//  2. Python 3 with moto: the python3 of PATH, or the one of the virtual
//     environment in the cache,
//  3. Python 3 that can make this virtual environment.
//
// All processes of this user share the server. It ends when no process has used
// it for a minute. If no way works, the error states what to install and how to
// go without.
//
// moto speaks the protocol of KMS and checks the encryption context. It has no
// policies, and it decrypts with keys that are disabled or pending deletion.
// Tests of refusals use internal/testing/kmsfault, a proxy for this server.
//
// The package reads no environment variables: its callers do. Keys for tests
// and the rules for skipping them are in internal/testing/kmstest.
package kmslocal

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/pythonenv"
)

// Kind has the words for the error when there is no local KMS.
var Kind = localserver.Kind{
	Name: "a local KMS",
	Need: "no local KMS: need Python 3 with venv and pip, or with moto[server], or BLUE_TEST_KMS_ENDPOINT",
	Fix:  "install python3 and python3-venv, or pip install -r scripts/requirements.txt, or set BLUE_TEST_KMS_ENDPOINT",
	Skip: "kms",
}

// Options states where to look. The zero value of a field omits its way.
type Options struct {
	Endpoint string        // a server that runs already
	Cache    string        // this project's folder in the user's cache folder
	Root     string        // the root of the checkout, for scripts/requirements.txt
	Ready    time.Duration // how long a started server may take to answer; 0 for 5 minutes
}

// idle is the time after the last use at which a shared server ends.
const idle = time.Minute

// probe imports what the server needs.
const probe = "import moto.server, moto.kms.models, moto.s3.models, moto.sts.models"

// Find returns a KMS that answers. If it is moto, it serves S3 and STS too. Find
// returns an error if a given endpoint does not answer. It tries the other ways
// in turn and returns a *localserver.NotFoundError with the error of each way if
// none works.
func Find(ctx context.Context, o Options) (*localserver.Server, error) {
	return Kind.Find(ctx, o.Endpoint, o.share)
}

// share returns the shared server.
func (o Options) share(ctx context.Context) (*localserver.Server, error) {
	server, err := localserver.Share(ctx, filepath.Join(o.Cache, "moto"), idle, func() (*localserver.Program, error) {
		python, err := o.python(ctx)
		return o.program(python), err
	})
	if err != nil {
		return nil, fmt.Errorf("moto: %w", err)
	}
	return server, nil
}

// python returns a Python 3 that has moto.
func (o Options) python(ctx context.Context) (string, error) {
	python, err := pythonenv.Find(ctx, o.Cache, probe)
	if err == nil || o.Root == "" {
		return python, err
	}
	if err := pythonenv.Install(ctx, o.Cache, o.Root); err != nil {
		return "", err
	}
	return pythonenv.Find(ctx, o.Cache, probe)
}

// program is the server. It is recognized by a page that only moto has.
func (o Options) program(python string) *localserver.Program {
	return &localserver.Program{
		Name:    "moto",
		How:     "moto of " + python,
		Address: "127.0.0.1:0",
		Command: []string{python, "-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}"},
		Page:    "/moto-api/data.json",
		Within:  cmp.Or(o.Ready, 5*time.Minute),
	}
}
