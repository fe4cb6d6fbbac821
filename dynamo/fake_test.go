package dynamo

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
)

// answer is the response of the fake DynamoDB to one request.
type answer struct {
	status int // 200 if 0
	body   string
	crc    string        // X-Amz-Crc32 if it is to be wrong
	cut    bool          // the connection breaks in the middle of the body
	drop   bool          // the connection breaks before the answer
	wait   time.Duration // before it answers
	date   time.Time     // header Date
}

// says returns an error in DynamoDB's JSON.
func says(status int, code, message string) answer {
	return answer{status: status, body: fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q,"Message":%q}`, code, message, message)}
}

// cancelled is a TransactionCanceledException with a code for each action; a
// code may have a message after a colon.
func cancelled(codes ...string) answer {
	var reasons []string
	for _, c := range codes {
		code, message, _ := strings.Cut(c, ": ")
		reasons = append(reasons, fmt.Sprintf(`{"Code":%q,"Message":%q}`, code, message))
	}
	a := says(400, "TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons ["+strings.Join(codes, ", ")+"]")
	a.body = strings.TrimSuffix(a.body, "}") + `,"CancellationReasons":[` + strings.Join(reasons, ",") + `]}`
	return a
}

// fake is a server that answers from a list, the last answer for ever, and
// records the requested operations.
type fake struct {
	*httptest.Server
	handler func(operation string, body map[string]any) (status int, answer any) // instead of the list
	mu      sync.Mutex
	answers []answer
	asked   []string // operations
}

func newFake(t *testing.T, answers ...answer) *fake {
	t.Helper()
	f := &fake{answers: answers}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) next(r *http.Request) answer {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	f.asked = append(f.asked, operation)
	if f.handler != nil {
		var in map[string]any
		_ = json.Unmarshal(body, &in)
		status, out := f.handler(operation, in)
		text, _ := json.Marshal(out)
		return answer{status: status, body: string(text)}
	}
	return f.answers[min(len(f.asked), len(f.answers))-1]
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	a := f.next(r)
	if a.wait > 0 {
		select {
		case <-time.After(a.wait):
		case <-r.Context().Done():
		}
	}
	if a.drop {
		panic(http.ErrAbortHandler)
	}
	if a.body == "" {
		a.body = "{}"
	}
	if a.crc == "" {
		a.crc = strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(a.body))), 10)
	}
	if !a.date.IsZero() {
		w.Header().Set("Date", a.date.UTC().Format(http.TimeFormat))
	}
	w.Header().Set("X-Amz-Crc32", a.crc)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(statusOf(a.status))
	if a.cut {
		_, _ = io.WriteString(w, a.body[:len(a.body)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, a.body)
}

func statusOf(status int) int {
	if status == 0 {
		return http.StatusOK
	}
	return status
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

func (f *fake) client(t *testing.T) *client {
	t.Helper()
	at, err := conn.Open(Config{Endpoint: f.URL, EndpointFrom: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	return &client{at}
}
