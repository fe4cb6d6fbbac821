package conn

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// checksumClient reads an answer completely and compares it with its length and
// its checksum (header X-Amz-Crc32) before the SDK parses it. The SDK itself
// only logs a wrong checksum.
type checksumClient struct{ inner aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c checksumClient) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.inner.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if text := resp.Header.Get("X-Amz-Crc32"); text != "" {
		if want, err := strconv.ParseUint(text, 10, 32); err != nil || uint32(want) != crc32.ChecksumIEEE(body) {
			return nil, fmt.Errorf("the answer of %d bytes does not have the checksum it came with", len(body))
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
