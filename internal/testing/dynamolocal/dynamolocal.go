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
// What belongs here: the ways, the jar, its background process. What does not:
// search and process as such (internal/testing/localserver), tables (dynamo), the
// recipes (tools/local-dynamodb), the rules of tests about skipping (localtest),
// and the environment, which the callers read.
package dynamolocal

import (
	"cmp"
	"context"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// Version is the version of DynamoDB Local, of the jar and of the image.
const Version = "2.6.1"

// Kind is what is said where there is no DynamoDB Local.
var Kind = localserver.Kind{
	Name: "DynamoDB Local",
	Need: "no DynamoDB Local: need a container engine that answers, or Java 17 and Maven, or DYNAMODB_ENDPOINT",
	Fix:  "start a container engine, or install Java 17 or later and Maven, or set DYNAMODB_ENDPOINT",
	Skip: "dynamodb",
}

// Options says where to look. The zero value of a field leaves its way out.
type Options struct {
	Endpoint string        // a server that runs already
	Compose  string        // the path of docker-compose.yml
	Cache    string        // the folder for the jar, below the user's cache folder
	Port     int           // for StartBackground; 0 for a free one
	Ready    time.Duration // how long a started server may take to answer; 0 for a minute

	container string // where the container answers, if not at ContainerEndpoint
}

// Find returns a server that answers. A given endpoint that does not answer is
// an error at once; the other ways are tried in turn, and a
// *localserver.NotFoundError tells what each said.
func Find(ctx context.Context, o Options) (*localserver.Server, error) {
	return Kind.Find(ctx, o.Endpoint, o.byContainer, o.byJar)
}

func (o Options) ready() time.Duration { return cmp.Or(o.Ready, time.Minute) }
