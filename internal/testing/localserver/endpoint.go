package localserver

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// CheckEndpoint returns an error if text is not the URL of a local server. It
// refuses what internal/awsclient refuses, and every host of AWS, because tables
// and keys there cost money and may be in use.
func CheckEndpoint(text string) error {
	e, err := awsclient.ParseEndpoint(text, "")
	if err != nil {
		return err
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return err
	}
	if isAWS(u.Hostname()) {
		return fmt.Errorf("endpoint %s is AWS; only a local server is used here", u.Host)
	}
	return nil
}

// awsDomains are the domains of AWS, with China and the dual-stack endpoints.
var awsDomains = []string{"amazonaws.com", "amazonaws.com.cn", "api.aws", "aws.dev", "on.aws", "amazonaws.eu", "api.amazonwebservices.com.cn"}

func isAWS(host string) bool {
	host = strings.TrimSuffix(host, ".")
	for _, domain := range awsDomains {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// get sends an unsigned GET without proxy, kept connection or redirect, and
// returns the status and headers of the answer. It waits two seconds.
func get(ctx context.Context, url string) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	return response, response.Body.Close()
}

// CheckAlive sends one request and returns an error if no server answers. Any
// HTTP answer counts.
func CheckAlive(ctx context.Context, endpoint string) error {
	_, err := get(ctx, endpoint)
	return err
}

// WaitReady sends requests until the server answers or the time is over.
func WaitReady(ctx context.Context, endpoint string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := CheckAlive(ctx, endpoint)
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
