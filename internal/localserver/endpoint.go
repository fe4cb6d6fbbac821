package localserver

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// CheckEndpoint refuses what is not the URL of a local server: no http or
// https, no host, user and password, a path, and every host of AWS, where
// tables and keys cost money and may be somebody's.
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

// Get sends an unsigned GET, with no proxy, no kept connection, no redirect.
// The caller closes the body; it must be read within two seconds.
func Get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: 2 * time.Second}
	return transport.RoundTrip(request)
}

// Alive asks once whether a server answers at the endpoint. Any HTTP answer
// counts.
func Alive(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	response, err := Get(ctx, endpoint)
	if err != nil {
		return err
	}
	return response.Body.Close()
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
