package faultproxy

import "fmt"

// A Rule selects the requests that get a fault.
type Rule struct {
	Operation string // "" for all
	Nth       int    // number of the request of its operation, or of all without one, from 1; 0 for each
	Times     int    // number of requests from Nth; 0 for one, or for all if Nth is 0
	Fault     Fault
}

// A Script is a list of rules. The first rule that matches a request decides. A
// request without a match is forwarded. A script is data, so that it does the
// same in each run.
type Script []Rule

// Decide returns the fault of a request. Play takes it as an argument.
func (s Script) Decide(r Request) Fault {
	for _, rule := range s {
		if rule.strikes(r) {
			return rule.Fault
		}
	}
	return Fault{}
}

func (rule Rule) strikes(r Request) bool {
	nth := r.N
	if rule.Operation != "" {
		nth = r.Nth
	}
	switch {
	case rule.Operation != "" && rule.Operation != r.Operation:
		return false
	case rule.Nth == 0:
		return rule.Times == 0 || nth <= rule.Times
	}
	return rule.Nth <= nth && nth < rule.Nth+max(1, rule.Times)
}

// An Entry is one request in the log.
type Entry struct {
	N         int
	Operation string
	Nth       int
	Fault     Kind
	Delivered int // number of deliveries to the server so far
	Status    int // the server's last status; 0 for none
}

func (e Entry) String() string {
	text := fmt.Sprintf("%d %s#%d delivered %d", e.N, e.Operation, e.Nth, e.Delivered)
	if e.Status != 0 {
		text += fmt.Sprintf(" status %d", e.Status)
	}
	if e.Fault != None {
		text += ": " + string(e.Fault)
	}
	return text
}

// Log returns the requests since Play in the order of arrival.
func (p *Proxy) Log() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := make([]Entry, len(p.log))
	for i, e := range p.log {
		entries[i] = *e
	}
	return entries
}
