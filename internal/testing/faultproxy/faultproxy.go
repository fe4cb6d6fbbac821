// Package faultproxy is an HTTP proxy that applies scripted faults between a
// DynamoDB client and DynamoDB Local.
//
// It counts requests. A script loses requests or their answers, delivers them
// late or twice, holds them past the client's deadline, throttles, fails, cuts
// answers, and answers reads with an earlier state.
//
//	proxy := faultproxy.New(localtest.Endpoint(t))
//	defer proxy.Close()
//	client := dynamodb.New(dynamodb.Options{BaseEndpoint: &proxy.URL, …})
//	proxy.Play(faultproxy.Script{
//		{Operation: "TransactWriteItems", Nth: 2, Fault: faultproxy.LoseAnswer()},
//		{Operation: "Query", Fault: faultproxy.Throttle()},
//	}.Decide)
//
// The proxy does not use a clock. Late means after a number of later requests or
// at Release. Past the deadline means until the client has closed its
// connection. With one client that sends one request at a time, a script has one
// outcome.
//
// The package has faults of the connection and of the service. Crashes of the
// store are in internal/failpoint. The reactions of the client are in package
// dynamo.
package faultproxy

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// A Proxy is a running proxy. Its methods may be called concurrently.
type Proxy struct {
	URL string // the endpoint for the client

	target   string
	server   *httptest.Server
	upstream *http.Transport
	closing  chan struct{}

	mu       sync.Mutex
	idle     *sync.Cond // signals that busy has become 0
	busy     int        // requests being served, also those whose clients have gone
	decide   func(Request) Fault
	counts   map[string]int
	total    int
	log      []*Entry
	held     []*late
	recorded map[string]answer
}

// A Request is the view of a request that a script has.
type Request struct {
	N         int         // number of the request since Play, from 1
	Operation string      // "TransactWriteItems", from X-Amz-Target; "" if it is not a DynamoDB request
	Nth       int         // number of the request of its operation since Play, from 1
	Header    http.Header // must not be changed
	Body      []byte      // JSON; must not be changed

	method string
}

// late is a request that is delivered before request number due, or at Release
// if due is 0.
type late struct {
	due     int
	entry   *Entry
	request Request
}

// New starts a proxy on loopback in front of a server such as
// http://127.0.0.1:8000. Without a script it forwards everything.
func New(target string) *Proxy {
	p := &Proxy{
		target:   strings.TrimSuffix(target, "/"),
		upstream: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		closing:  make(chan struct{}),
	}
	p.idle = sync.NewCond(&p.mu)
	p.recorded = map[string]answer{}
	p.Play(nil)
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	p.URL = p.server.URL
	return p
}

// Close drops all held requests without delivering them, and stops the proxy.
func (p *Proxy) Close() {
	close(p.closing)
	p.server.CloseClientConnections()
	p.server.Close()
	p.Settle()
	p.upstream.CloseIdleConnections()
}

// Play starts a script: numbers, counts and log start at 0, and the proxy calls
// decide for every request, one at a time. A nil decide forwards all. Held
// requests of the previous script are held until Release. Records stay.
func (p *Proxy) Play(decide func(Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide, p.counts, p.total, p.log = decide, map[string]int{}, 0, nil
	for _, l := range p.held {
		l.due = 0
	}
}

// Release delivers all held requests now, in the order of arrival. It returns
// their number after they have been answered. The answers are dropped.
func (p *Proxy) Release() int {
	p.mu.Lock()
	held := p.held
	p.held = nil
	p.mu.Unlock()
	for _, l := range held {
		p.deliver(l)
	}
	return len(held)
}

// Settle waits for requests that are being delivered although their client has
// gone. After it, the server receives no request until a client sends one.
func (p *Proxy) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.busy > 0 {
		p.idle.Wait()
	}
}

// Count returns the number of requests of the operation since Play.
func (p *Proxy) Count(operation string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[operation]
}

// Counts returns the number of requests since Play, by operation.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// serve numbers a request, delivers the late requests that are due before it,
// and applies the fault of the script.
func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	request := Request{Operation: operation, Header: r.Header.Clone(), Body: body, method: r.Method}

	fault, entry, due := p.admit(&request)
	defer p.leave()
	for _, l := range due {
		p.deliver(l)
	}
	visit := &visit{proxy: p, w: w, gone: r.Context().Done(), request: request, fault: fault, entry: entry}
	visit.act()
}

// admit numbers a request, calls the script, and takes the late requests that
// are due.
func (p *Proxy) admit(request *Request) (fault Fault, entry *Entry, due []*late) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy++
	p.total++
	p.counts[request.Operation]++
	request.N, request.Nth = p.total, p.counts[request.Operation]
	if p.decide != nil {
		fault = p.decide(*request)
	}
	var held []*late
	for _, l := range p.held {
		if l.due != 0 && l.due <= request.N {
			due = append(due, l)
		} else {
			held = append(held, l)
		}
	}
	p.held = held
	entry = &Entry{N: request.N, Operation: request.Operation, Nth: request.Nth, Fault: fault.Kind}
	p.log = append(p.log, entry)
	return fault, entry, due
}

func (p *Proxy) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy--; p.busy == 0 {
		p.idle.Broadcast()
	}
}

// answer is the server's answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// forward sends a request to the server, also if its client has gone, and notes
// the answer in the log.
func (p *Proxy) forward(request Request, entry *Entry) (answer, error) {
	a, err := p.send(request)
	p.mu.Lock()
	defer p.mu.Unlock()
	entry.Delivered++
	entry.Status = a.status
	return a, err
}

func (p *Proxy) send(request Request) (answer, error) {
	out, err := http.NewRequest(request.method, p.target+"/", bytes.NewReader(request.Body))
	if err != nil {
		return answer{}, err
	}
	out.Header = request.Header.Clone()
	response, err := p.upstream.RoundTrip(out)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, body}, err
}

// hold keeps a request for later delivery.
func (p *Proxy) hold(request Request, entry *Entry, after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &late{entry: entry, request: request}
	if after > 0 {
		l.due = request.N + after
	}
	p.held = append(p.held, l)
}

// deliver sends a held request and drops the answer.
func (p *Proxy) deliver(l *late) {
	p.forward(l.request, l.entry)
}
