// Package faultproxy is an HTTP proxy between a DynamoDB client and DynamoDB
// Local that counts requests and does to them, by a script, what networks and
// services do: loses them or their answers, delivers them late or twice, holds
// them past the client's deadline, throttles, fails, cuts answers, and shows
// reads of an earlier moment.
//
//	proxy := faultproxy.New(localtest.Endpoint(t))
//	defer proxy.Close()
//	client := dynamodb.New(dynamodb.Options{BaseEndpoint: &proxy.URL, …})
//	proxy.Play(faultproxy.Script{
//		{Operation: "TransactWriteItems", Nth: 2, Fault: faultproxy.LoseAnswer()},
//		{Operation: "Query", Fault: faultproxy.Throttle()},
//	}.Decide)
//
// Nothing here looks at a clock: late means after so many later requests or at
// Release, past the deadline means until the client has hung up. With one
// client that sends one request at a time a script has one outcome.
//
// What belongs here: faults of the wire and of the service. What does not: the
// store's own crashes (internal/failpoint), and what a client should do about
// any of this (dynamo).
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

// Proxy is a running proxy. All methods may be called at any time.
type Proxy struct {
	URL string // what the client takes as its endpoint

	target   string
	server   *httptest.Server
	upstream *http.Transport
	closing  chan struct{}

	mu       sync.Mutex
	idle     *sync.Cond // busy has become 0
	busy     int        // requests being served, their clients gone or not
	decide   func(Request) Fault
	counts   map[string]int
	total    int
	log      []*Entry
	held     []*late
	recorded map[string]answer
}

// Request is what a script sees of a request.
type Request struct {
	N         int         // which of all since Play, from 1
	Operation string      // "TransactWriteItems", from X-Amz-Target; "" for no DynamoDB request
	Nth       int         // which of its operation since Play, from 1
	Header    http.Header // not to be changed
	Body      []byte      // JSON; not to be changed

	method string
}

// late is a request whose delivery is due before request number due, or at
// Release for 0.
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

// Close lets go of whatever is held, without delivering it, and ends the proxy.
func (p *Proxy) Close() {
	close(p.closing)
	p.server.CloseClientConnections()
	p.server.Close()
	p.Settle()
	p.upstream.CloseIdleConnections()
}

// Play begins a scene: numbers, counts and log start anew, and decide is asked
// about every request, one at a time; nil forwards all. Requests still held
// from the scene before are held until Release. Records stay.
func (p *Proxy) Play(decide func(Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide, p.counts, p.total, p.log = decide, map[string]int{}, 0, nil
	for _, l := range p.held {
		l.due = 0
	}
}

// Release delivers all held requests now, in the order they came, and returns
// how many there were once they have been answered (to nobody).
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

// Settle waits for requests that are still on their way to the server though
// their client has gone. After it, nothing moves until a client sends again.
func (p *Proxy) Settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.busy > 0 {
		p.idle.Wait()
	}
}

// Count returns how many requests of the operation came since Play.
func (p *Proxy) Count(operation string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[operation]
}

// Counts returns how many requests came since Play, by operation.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// serve numbers a request, delivers what is due before it, and does to it what
// the script says.
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

// admit numbers a request, asks the script, and takes what is due by now.
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

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// forward sends a request to the server, whether its client waits or not, and
// notes the answer in the log.
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

// hold keeps a request for later.
func (p *Proxy) hold(request Request, entry *Entry, after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &late{entry: entry, request: request}
	if after > 0 {
		l.due = request.N + after
	}
	p.held = append(p.held, l)
}

// deliver sends a held request; nobody hears the answer.
func (p *Proxy) deliver(l *late) {
	p.forward(l.request, l.entry)
}
