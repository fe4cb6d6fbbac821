package awsclient

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// HTTPClient returns a client that sends requests with inner, or with the SDK's
// own client if inner is nil. It hides the method WriteTo of a request body.
//
// The SDK (smithy-go 1.28.9, transport/http/client.go) closes a body as soon as
// the headers of the response arrive. net/http can call WriteTo of the body after
// that, to check that nothing follows the body it has sent. WriteTo of a closed
// body returns io.EOF, so net/http closes the connection, and the SDK cannot read
// the rest of the response. Read of a closed body has no such effect.
func HTTPClient(inner aws.HTTPClient) aws.HTTPClient {
	if inner == nil {
		inner = awshttp.NewBuildableClient()
	}
	return plainBodyClient{inner}
}

type plainBodyClient struct{ inner aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c plainBodyClient) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.inner.Do(r)
}
