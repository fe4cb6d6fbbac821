// Package dynamolocal finds or starts DynamoDB Local, the official emulator,
// for tests and for development. Find takes the first way that works:
//
//  1. a given endpoint; an endpoint of AWS is refused,
//  2. a container engine that answers, with the compose file of the repository,
//  3. Java 17 or later: the jar of Maven's com.amazonaws:DynamoDBLocal:2.6.1,
//     kept in a cache folder and started on a free port. All processes of this
//     user share the server. It ends when no process has used it for a minute.
//
// If no way works, the error says what to install and how to go without.
//
// DynamoDB Local listens on every interface of the machine and has no option
// against that. Any host that can reach the machine can read and write a server
// started by the jar, without credentials. The compose file publishes its port
// on 127.0.0.1 only. Do not store real dialogues there.
//
// The package reads no environment variables: its callers do. The recipes are
// in tools/local-dynamodb, the rules for skipping tests in localtest.
package dynamolocal

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// Version is the version of DynamoDB Local, of the jar and of the image.
const Version = "2.6.1"

// Kind has the words for the error when there is no DynamoDB Local.
var Kind = localserver.Kind{
	Name: "DynamoDB Local",
	Need: "no DynamoDB Local: need a container engine that answers, or Java 17 and Maven, or DYNAMODB_ENDPOINT",
	Fix:  "start a container engine, or install Java 17 or later and Maven, or set DYNAMODB_ENDPOINT",
	Skip: "dynamodb",
}

// Options says where to look. The zero value of a field omits its way.
type Options struct {
	Endpoint string        // a server that runs already
	Compose  string        // the path of docker-compose.yml
	Cache    string        // this project's folder in the user's cache folder
	Port     int           // for StartBackground; 0 for a free one
	Ready    time.Duration // how long a started server may take to answer; 0 for 5 minutes

	container string // where the container answers, if not at ContainerEndpoint
}

// idle is the time after the last use at which a shared server ends.
const idle = time.Minute

// Find returns a server that answers. It returns an error if a given endpoint
// does not answer. It tries the other ways in turn and returns a
// *localserver.NotFoundError with the error of each way if none works.
func Find(ctx context.Context, o Options) (*localserver.Server, error) {
	return Kind.Find(ctx, o.Endpoint, o.findContainer, o.shareJar)
}

// shareJar returns the shared server of the jar, with its tables in memory.
func (o Options) shareJar(ctx context.Context) (*localserver.Server, error) {
	server, err := localserver.Share(ctx, filepath.Join(o.Cache, "dynamodb-local", "shared-"+Version), idle,
		func() (*localserver.Program, error) { return o.program(ctx, 0, "") })
	if err != nil {
		return nil, fmt.Errorf("jar: %w", err)
	}
	return server, nil
}

// StartBackground starts the jar in a folder, with its tables in dir/data, or
// finds it running there, and returns when it answers. It reads the options
// Cache, Port and Ready. started reports whether a server was started.
func StartBackground(ctx context.Context, o Options, dir string) (b *localserver.Background, started bool, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, false, err
	}
	b, started, err = localserver.StartBackground(ctx, dir, 0,
		func() (*localserver.Program, error) { return o.program(ctx, o.Port, filepath.Join(dir, "data")) })
	if err != nil {
		return nil, false, fmt.Errorf("jar: %w", err)
	}
	return b, started, nil
}

// RemoveBackground removes the files of a stopped server, its tables included,
// and its folder if nothing else is there. It returns what it removed.
func RemoveBackground(dir string) ([]string, error) {
	const tables = "data/shared-local-instance.db"
	return localserver.RemoveBackground(dir, tables, tables+"-wal", tables+"-shm", tables+"-journal", "data")
}

func (o Options) ready() time.Duration { return cmp.Or(o.Ready, 5*time.Minute) }
