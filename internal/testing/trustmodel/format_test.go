package trustmodel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// A rule is one check of the design that a test can switch off.
type rule string

// The rules. The name is the one of the table in the decision record.
const (
	signed       rule = "signed"        // the newest event of a chain has a valid signature
	storeID      rule = "store id"      // signatures cover the identity of the store
	linkSig      rule = "link"          // previous_hash covers the previous signature
	ownClose     rule = "own close"     // only the key of a chain closes it
	seen         rule = "seen"          // a seen event contradicts a shorter chain
	marks        rule = "marks"         // a mark needs a signed event
	carried      rule = "carried event" // a mark carries its event and does not refer to the log
	roles        rule = "roles"         // an event needs the role of its signer
	ends         rule = "ends"          // a removed member's chains end at the list
	discarded    rule = "discarded"     // a restore ends the chains that are not in its list
	authorized   rule = "authorized"    // a restored statement replaces older memory
	suspend      rule = "suspend"       // a removal suspends before it reads the chains
	prevCommit   rule = "prev_commit"   // commits name the previous commit
	boundary     rule = "boundary"      // copied events are reached from the boundary by hash
	oneHistory   rule = "one history"   // a copied history contains the commits of this store
	sources      rule = "sources"       // every source that names a dialogue counts
	rosterStop   rule = "roster stop"   // a damaged roster believes no key
	rosterNamed  rule = "roster named"  // each genesis and roster event names a stored statement
	everListed   rule = "ever listed"   // the geneses of removed members count for this too
	rowNamed     rule = "row named"     // a row of the key table needs an event that names it
	rowStored    rule = "row stored"    // a wrap that a success names, and no destroy event, must exist
	rosterEvent  rule = "roster event"  // each statement has its roster event
	bareCopy     rule = "bare copy"     // copied events have no signature
	intentNamed  rule = "intent named"  // the intent already names the row
	staysErased  rule = "stays erased"  // an erased dialogue has no item and no wrap
	unfinished   rule = "unfinished"    // the mark of a copy counts only without any commit
	signedReplay rule = "signed replay" // replay follows signed successes only
	knownWraps   rule = "known wraps"   // a certificate waits for every wrap that the log knows
	destroyRole  rule = "destroy role"  // only events of erasers destroy a wrap
	archiveKept  rule = "archive"       // an archived chain has exactly its kept events
	plans        rule = "plans"         // the plan of a user's erasure carries a signed intent
	oneCommit    rule = "one commit"    // close and checkpoint are one commit
	doomed       rule = "doomed"        // only a destroy_key intent of the newest commit ends a dialogue
	ownEnd       rule = "own end"       // a client closes a dead chain only at the end that it remembers
	openChains   rule = "open chains"   // a final certificate needs every chain closed
	keptMarks    rule = "kept marks"    // a removal lists the marks of the removed member
	lostKey      rule = "lost key"      // a restore does not state that a missing wrap was destroyed
	adoptKey     rule = "adopt key"     // a restore names only wraps that it can open
	voidLists    rule = "void lists"    // a restore voids archive and restored lines that the backup does not have
)

var allRules = []rule{signed, storeID, linkSig, ownClose, seen, marks, carried, roles, ends, discarded, authorized, suspend, prevCommit, boundary, oneHistory,
	sources, rosterStop, rosterNamed, everListed, rowNamed, rowStored, rosterEvent, bareCopy, intentNamed, staysErased, unfinished, signedReplay, knownWraps, destroyRole, archiveKept,
	plans, oneCommit, voidLists, doomed, ownEnd, openChains, keptMarks, lostKey, adoptKey}

// off is the rule that is switched off. The tests of this package do not run in
// parallel.
var off rule

func on(r rule) bool { return off != r }

func sum(parts ...any) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q", fmt.Sprint(parts...)+fmt.Sprintf("%d", len(parts))))
	return hex.EncodeToString(h[:10])
}

// A signature is symbolic. Only sign makes one.
type signature struct{ key, message string }

func sign(key, message string) signature { return signature{key, message} }

// An event is a row of the audit log. The fields have the names of format.md.
type event struct {
	chain      string
	seq        int
	op, out    string
	dialogue   string
	version    int    // root_version. genesis and roster: the number of a statement
	digest     string // items_digest. genesis and roster: the hash of that statement
	names      []string
	prevCommit string
	key        string // genesis: the key of the chain
	previous   string
	root       string // root_hash
	sig        signature
}

func (e *event) core() string {
	return sum("core", "|", e.chain, "|", e.seq, "|", e.op, "|", e.out, "|", e.dialogue, "|", e.version, "|", e.digest, "|", strings.Join(e.names, ","), "|", e.prevCommit, "|", e.key, "|", e.previous)
}
func (e *event) hash() string { return sum("event", "|", e.core(), "|", e.root) }

// link returns the previous_hash of the next event.
func (e *event) link() string {
	if !on(linkSig) {
		return e.hash()
	}
	return sum("link", "|", e.hash(), "|", e.sig.key, "|", e.sig.message)
}

func eventMessage(store string, e *event) string {
	if !on(storeID) {
		store = ""
	}
	return sum("event-sig", "|", store, "|", e.hash())
}

func (e *event) isSigned(store, key string) bool {
	return e.sig == signature{key, eventMessage(store, e)}
}

func (e *event) is(op, out string) bool { return e.op == op && e.out == out }

// keptOps are the operations whose events stay in an archived chain.
func (e *event) isKept() bool {
	return !slices.Contains([]string{"decrypt", "void"}, e.op)
}

// An end is an entry of a list: a chain with its size and its last link. In an
// archive the hash covers the kept events.
type end struct {
	size int
	hash string
}

// A line is one line of a statement.
type line struct {
	kind  string // member, suspend, remove, restored, archive, accept
	key   string // of a member. restored: the chain that states it
	roles string
	base  int            // restored: the number of statements in the backup
	list  map[string]end // remove, restored, archive: by chain. accept: by finding
	marks []string       // remove: the hashes of the events that marks carry
}

// A statement is one row of the roster.
type statement struct {
	n      int
	prev   string
	lines  []line
	signer string
	sig    signature
}

func (s *statement) hash() string {
	text := fmt.Sprint(s.n, s.prev, s.signer)
	for _, l := range s.lines {
		text += fmt.Sprint("|", l.kind, l.key, l.roles, l.base, len(l.list)) + fmt.Sprint(l.list, l.marks) // fmt sorts the keys of a map
	}
	return sum("roster", text)
}

// The other rows.
type (
	day        struct{} // the day index of a chain
	checkpoint struct { // the checkpoint of a closed chain
		size int
		head string
		sig  signature
	}
	pointer struct { // from a commit of a dialogue to its event
		chain string
		seq   int
	}
	item struct{ value, mac string }
	root struct { // the opened root. An attacker has no key to make one
		dialogue string
		version  int
		items    string
		core     string // core_hash of the commit's event
	}
	meta struct {
		kind    string // live, erased, unfinished
		root    root
		carried mark
	}
	wrap   struct{ secret string }
	header struct {
		state string
		turn  string
	}
	registry struct{ carried mark }
	plan     struct {
		dialogues string
		carried   mark
	}
)

// A mark is the event that a row carries, with the key of its signer.
type mark struct {
	event *event
	key   string
}

func (m mark) is(op, out string) bool { return m.event != nil && m.event.is(op, out) }

func (r root) hash() string {
	return sum("root", "|", r.dialogue, "|", r.version, "|", r.items, "|", r.core)
}

// rowName returns the name by which an event vouches for a row of the key table.
func rowName(k key, row any) string {
	kind := "wrap#"
	if k.sk == "head" {
		kind = "header#"
	}
	return kind + sum(k, fmt.Sprintf("%v", row))
}

func checkpointMessage(store, chain string, size int, head string) string {
	if !on(storeID) {
		store = ""
	}
	return sum("checkpoint", "|", store, "|", chain, "|", size, "|", head)
}

// A key is the place of a row: d (blue_dialogues), a (blue_audit) or k
// (blue_keys), PK and SK.
type key struct{ table, pk, sk string }

// rows is one state of the three tables.
type rows map[key]any

func (r rows) clone() rows {
	c := make(rows, len(r))
	for k, v := range r {
		c[k] = v
	}
	return c
}

// keys returns the keys of the rows that a function selects, in order.
func (r rows) keys(isWanted func(key) bool) []key {
	var out []key
	for k := range r {
		if isWanted(k) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b key) int {
		return strings.Compare(a.table+"/"+a.pk+"/"+a.sk, b.table+"/"+b.pk+"/"+b.sk)
	})
	return out
}

func (r rows) partition(table, pk string) []key {
	return r.keys(func(k key) bool { return k.table == table && k.pk == pk })
}

func (r rows) chains() []string {
	var out []string
	for _, k := range r.partition("a", "days") {
		out = append(out, k.sk)
	}
	return out
}

func number(n int) string { return fmt.Sprintf("%06d", n) }

func eventKey(chain string, seq int) key     { return key{"a", "chain:" + chain, number(seq)} }
func pointerKey(d string, v int) key         { return key{"a", "ptr:" + d, number(v)} }
func statementKey(n int) key                 { return key{"a", "roster", number(n)} }
func get[T any](r rows, k key) (v T, _ bool) { v, ok := r[k].(T); return v, ok }
func (r rows) event(c string, n int) *event  { e, _ := get[*event](r, eventKey(c, n)); return e }
