package dynamolocal

import (
	"context"
	"fmt"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/localserver"
)

// given takes the server at the endpoint of the options.
func given(ctx context.Context, o Options) (*Server, error) {
	if err := localserver.CheckEndpoint(o.Endpoint); err != nil {
		return nil, err
	}
	if err := localserver.WaitReady(ctx, o.Endpoint, 5*time.Second); err != nil {
		return nil, fmt.Errorf("the given endpoint %s: %w; start it, or leave it out and one is found or started", o.Endpoint, err)
	}
	return &Server{Endpoint: o.Endpoint, How: "given endpoint " + o.Endpoint}, nil
}

// ask reports whether a server answers at the endpoint, and whether the answer
// looks like DynamoDB's: DynamoDB Local's is a 400, for want of a signature.
// (GET /shell/, which the RFC's health check asks with curl -f, is a 400 since
// version 2, so that check can never pass.)
func ask(ctx context.Context, endpoint string) (dynamoDB bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	response, err := localserver.Get(ctx, endpoint)
	if err != nil {
		return false, err
	}
	response.Body.Close()
	return response.Header.Get("X-Amzn-Requestid") != "", nil
}

// WaitReady asks until the server answers or the time is over.
func WaitReady(ctx context.Context, endpoint string, within time.Duration) error {
	return localserver.WaitReady(ctx, endpoint, within)
}

// Alive asks once whether a server answers at the endpoint.
func Alive(ctx context.Context, endpoint string) error { return localserver.Alive(ctx, endpoint) }

// CheckEndpoint refuses what is not the URL of a local server.
func CheckEndpoint(endpoint string) error { return localserver.CheckEndpoint(endpoint) }
