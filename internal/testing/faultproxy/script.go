package faultproxy

import "fmt"

// Rule says which requests a fault strikes.
type Rule struct {
	Operation string // "" for all
	Nth       int    // which of its operation, or of all without one, from 1; 0 for each
	Times     int    // how many from Nth on; 0 for one, or for all if Nth is 0
	Fault     Fault
}

// Script is a list of rules; the first that fits a request decides, and what
// fits none is forwarded. It is data: the same script does the same again.
type Script []Rule

// Decide is what Play asks.
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

// Entry is one request in the log.
type Entry struct {
	N         int
	Operation string
	Nth       int
	Fault     Kind
	Delivered int // how often the server has got it so far
	Status    int // what the server said last; 0 for nothing
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

// Log returns what was done since Play, in the order the requests came.
func (p *Proxy) Log() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	entries := make([]Entry, len(p.log))
	for i, e := range p.log {
		entries[i] = *e
	}
	return entries
}
