// Package kmsfault is an HTTP layer in front of a local KMS or a local DynamoDB
// that enforces IAM policies and plays faults of KMS.
//
// It refuses the requests that the policies of deploy/iam do not allow. The
// access key id of the request identifies the principal. The package reads both
// protocols as far as a policy needs them. The servers are in
// internal/testing/kmslocal and internal/testing/dynamolocal. Faults of DynamoDB
// are in internal/testing/faultproxy.
package kmsfault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// An Answer is the effect of a fault on a request.
type Answer string

// Refused answers: the error of that name, with KMS's code and status. The
// request does not reach the KMS.
const (
	Denied            Answer = "denied"
	NoCredentials     Answer = "no credentials"
	Expired           Answer = "expired credentials"
	Disabled          Answer = "disabled"
	PendingDeletion   Answer = "pending deletion"
	PendingImport     Answer = "pending import"
	NotFound          Answer = "not found"
	WrongRegion       Answer = "wrong region"
	InvalidCiphertext Answer = "invalid ciphertext"
	IncorrectKey      Answer = "incorrect key"
	WrongUsage        Answer = "wrong usage"
	Throttled         Answer = "throttled"
	Internal          Answer = "internal error"
	Dependency        Answer = "dependency timeout"
	KeyUnavailable    Answer = "key unavailable"
	BadGateway        Answer = "bad gateway" // an HTML page of status 502
	Unheard           Answer = "unheard of"  // an unknown code

	Slow  Answer = "slow"  // no answer until the client closes its connection
	Reset Answer = "reset" // the connection is closed without a byte

	// The KMS answers, and the layer changes the answer.
	Cut      Answer = "cut"       // half of the body
	Garbage  Answer = "garbage"   // 200, but not JSON
	Empty    Answer = "empty"     // 200, {}
	Short    Answer = "short"     // a plaintext of 31 bytes
	Long     Answer = "long"      // a plaintext of 33 bytes
	Zeros    Answer = "zeros"     // a plaintext of 32 zeros
	OtherKey Answer = "other key" // KeyId names another
	BigBlob  Answer = "big blob"  // a ciphertext of 6,145 bytes
	TinyBlob Answer = "tiny blob" // a ciphertext of 60 bytes
)

// refusal is an error of KMS in its HTTP form.
type refusal struct {
	status        int
	code, message string
}

var refusals = map[Answer]refusal{
	Denied:            {400, "AccessDeniedException", "User: PRINCIPAL is not authorized to perform: ACTION on resource: KEY because no identity-based policy allows the ACTION action"},
	NoCredentials:     {400, "UnrecognizedClientException", "The security token included in the request is invalid."},
	Expired:           {400, "ExpiredTokenException", "The security token included in the request is expired"},
	Disabled:          {400, "DisabledException", "KEY is disabled."},
	PendingDeletion:   {400, "KMSInvalidStateException", "KEY is pending deletion."},
	PendingImport:     {400, "KMSInvalidStateException", "KEY is pending import."},
	NotFound:          {400, "NotFoundException", "Key 'KEY' does not exist"},
	WrongRegion:       {400, "NotFoundException", "Invalid arn eu-west-9"},
	InvalidCiphertext: {400, "InvalidCiphertextException", ""},
	IncorrectKey:      {400, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."},
	WrongUsage:        {400, "InvalidKeyUsageException", "KEY key usage is SIGN_VERIFY which is not valid for ACTION."},
	Throttled:         {400, "ThrottlingException", "Rate exceeded"},
	Internal:          {500, "KMSInternalException", ""},
	Dependency:        {503, "DependencyTimeoutException", ""},
	KeyUnavailable:    {500, "KeyUnavailableException", ""},
	Unheard:           {400, "TeapotException", "short and stout"},
}

// A Fault changes the answers to some requests.
type Fault struct {
	Action string // e.g. "kms:Decrypt"; "" for all
	Times  int    // number of requests, or 0 for all until Clear
	Answer Answer
}

// A Layer is an http.Handler in front of a KMS. It may be used concurrently.
type Layer struct {
	proxy *httputil.ReverseProxy
	done  chan struct{}

	mu         sync.Mutex
	principals map[string]Principal
	faults     []Fault
	calls      map[string]int
	asked      map[string][]Request
	refused    int
}

// New returns the layer in front of the KMS at an endpoint. Before the first
// call of Let, all principals may make all requests.
func New(endpoint string) (*Layer, error) {
	to, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	return &Layer{
		proxy: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }},
		done:  make(chan struct{}), principals: map[string]Principal{}, calls: map[string]int{}, asked: map[string][]Request{},
	}, nil
}

// Close ends slow requests.
func (l *Layer) Close() { close(l.done) }

// Let sets the permissions of the holder of an access key id. After the first
// Let, principals without a call of Let have no permissions.
func (l *Layer) Let(accessKeyID string, p Principal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.principals[accessKeyID] = p
}

// Play adds a fault. The first one that matches a request is played.
func (l *Layer) Play(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, f)
}

// Clear removes all faults.
func (l *Layer) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = nil
}

// Calls returns the number of requests, by action.
func (l *Layer) Calls() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.calls)
}

// Refused returns the number of requests that the policies refused.
func (l *Layer) Refused() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// Asked returns the allowed requests of the holder of an access key id.
func (l *Layer) Asked(accessKeyID string) []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.asked[accessKeyID])
}

// call is a request as the layer reads it.
type call struct {
	Principal string            `json:"-"`
	Action    string            `json:"-"`
	KeyID     string            `json:"KeyId"`
	Context   map[string]string `json:"EncryptionContext"`
}

func (l *Layer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c, err := read(r, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch answer := l.judge(c); answer {
	case "":
		l.proxy.ServeHTTP(w, r)
	case Slow:
		select {
		case <-r.Context().Done():
		case <-l.done:
		}
		panic(http.ErrAbortHandler)
	case Reset:
		panic(http.ErrAbortHandler)
	case BadGateway:
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<html>bad gateway</html>")
	default:
		if refused, is := refusals[answer]; is {
			refused.write(w, c)
			return
		}
		l.changed(w, r, answer)
	}
}

// read finds the principal in "AWS4-HMAC-SHA256 Credential=ID/…" and the action
// in X-Amz-Target, "TrentService.Decrypt".
func read(r *http.Request, body []byte) (call, error) {
	var c call
	if err := json.Unmarshal(body, &c); err != nil {
		return c, fmt.Errorf("not a request of KMS: %w", err)
	}
	c.Principal = principalOf(r)
	name, is := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if !is || c.Principal == "" {
		return c, fmt.Errorf("not a request of KMS: target or credential is missing")
	}
	c.Action = "kms:" + name
	return c, nil
}

// principalOf returns the access key id that signed a request.
func principalOf(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(credential, "/")
	return id
}

// judge counts a request and returns the answer, or "" to forward it.
func (l *Layer) judge(c call) Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[c.Action]++
	if len(l.principals) > 0 && !l.principals[c.Principal].Allowed(c.request()) {
		l.refused++
		return Denied
	}
	l.asked[c.Principal] = append(l.asked[c.Principal], c.request())
	for i, f := range l.faults {
		if f.Action != "" && f.Action != c.Action {
			continue
		}
		if f.Times == 1 {
			l.faults = slices.Delete(l.faults, i, i+1)
		} else if f.Times > 1 {
			l.faults[i].Times--
		}
		return f.Answer
	}
	return ""
}

// request returns the request that a policy judges. A request without the ARN of
// a key has no resource and is refused. The product always sends an ARN.
func (c call) request() Request {
	r := Request{Action: c.Action, Resource: c.KeyID, Context: map[string][]string{}}
	for key, value := range c.Context {
		r.Context["kms:EncryptionContext:"+key] = []string{value}
	}
	return r
}

func (f refusal) write(w http.ResponseWriter, c call) {
	message := strings.NewReplacer("PRINCIPAL", c.Principal, "ACTION", c.Action, "KEY", c.KeyID).Replace(f.message)
	body, err := json.Marshal(map[string]string{"__type": f.code, "message": message})
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(f.status)
	_, _ = w.Write(body)
}
