package dynamolocal

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// pause lies between two questions whether a server answers.
const pause = 50 * time.Millisecond

// given takes the server at the endpoint of the options.
func given(ctx context.Context, o Options) (*Server, error) {
	if err := CheckEndpoint(o.Endpoint); err != nil {
		return nil, err
	}
	if err := WaitReady(ctx, o.Endpoint, 5*time.Second); err != nil {
		return nil, fmt.Errorf("the given endpoint %s: %w; start it, or leave it out and one is found or started", o.Endpoint, err)
	}
	return &Server{Endpoint: o.Endpoint, How: "given endpoint " + o.Endpoint}, nil
}

// CheckEndpoint refuses what is not the URL of a local server: no http or
// https, no host, user and password, a path, and every host of AWS, where
// tables cost money and may be somebody's.
func CheckEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("endpoint %q is no URL like http://127.0.0.1:8000", endpoint)
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("endpoint of %s has more than scheme, host and port", u.Host)
	}
	if ofAWS(u.Hostname()) {
		return fmt.Errorf("endpoint %s is AWS; only a local server is used here", u.Host)
	}
	return nil
}

// awsDomains end the hosts of AWS, of China and of the dual-stack endpoints.
var awsDomains = []string{"amazonaws.com", "amazonaws.com.cn", "api.aws", "aws.dev", "on.aws", "amazonaws.eu", "api.amazonwebservices.com.cn"}

func ofAWS(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, domain := range awsDomains {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// Alive asks once whether a server answers at the endpoint: an unsigned GET /.
// Any HTTP answer counts; DynamoDB Local's is a 400, for want of a signature.
// (GET /shell/, which the RFC's health check asks with curl -f, is a 400 since
// version 2, so that check can never pass.)
func Alive(ctx context.Context, endpoint string) error {
	_, err := ask(ctx, endpoint)
	return err
}

// ask also reports whether the answer looks like DynamoDB's.
func ask(ctx context.Context, endpoint string) (dynamoDB bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return false, err
	}
	// No proxy, no kept connection, no redirect.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return false, err
	}
	response.Body.Close()
	return response.Header.Get("X-Amzn-Requestid") != "", nil
}

// WaitReady asks until the server answers or the time is over.
func WaitReady(ctx context.Context, endpoint string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := Alive(ctx, endpoint)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer within %s: %w", within, err)
		case <-time.After(pause):
		}
	}
}
