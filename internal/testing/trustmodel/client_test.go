package trustmodel

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
)

// truth is what happened to a dialogue. No client reads it.
type truth struct {
	state   string // none, live, copying, erased
	version int
	root    root
	items   string
	turn    int
	users   []string // that have a wrap
}

// A sim is one store with its clients and the truth about them.
type sim struct {
	rng       *rand.Rand
	rows      rows
	pin       string
	notes     []*statement
	clients   map[string]*client
	truth     map[string]*truth
	intents   map[string]bool            // dialogues that an eraser meant to erase
	written   map[string]map[string]bool // by key: events with their signature
	destroyed map[string]bool            // names of wraps
	success   map[string]freshness       // erasures that ended
	doomed    map[string]int             // the version at the newest destroy_key intent of an eraser
	ends      map[string]int             // the ends of chains that their processes recorded
	anchors   map[string]anchor
	heads     map[string]freshness
	log       []struct { // every row that was ever stored
		k key
		v any
	}
	captured   []rows // signed transactions that the store refused
	snapshots  []snapshot
	budget     int // writes until a crash, or negative
	refuse     int // percent of the commits that the store refuses
	count      int
	removed    bool
	planned    map[string]bool // digests of the honest plans
	isOpenLate bool            // writers end commits that they began before an erasure
	onStore    func()          // the effect of the next transaction on the truth
}

// A snapshot is a backup of the data file, or of both files.
type snapshot struct {
	rows    rows
	truth   map[string]truth
	intents map[string]bool
}

type crash struct{}

// client is one process of a member.
type client struct {
	w        *sim
	key      string
	chain    string
	seq      int
	previous string
	mem      *memory
	ends     map[string]int // the recorded ends of chains, nil on a second machine
}

func (w *sim) store(rs rows) {
	if w.onStore != nil {
		w.onStore()
		w.onStore = nil
	}
	for k, v := range rs {
		w.log = append(w.log, struct {
			k key
			v any
		}{k, v})
		if v == nil {
			delete(w.rows, k)
		} else {
			w.rows[k] = v
		}
	}
}

// commit stores rows as one transaction. A nil row is a deletion. It crashes
// before or after the write when the budget is spent.
func (w *sim) commit(rs rows) {
	w.budget--
	if w.budget == 0 && w.rng.Intn(2) == 0 {
		panic(crash{})
	}
	w.store(rs)
	if w.budget == 0 {
		panic(crash{})
	}
}

// run runs an operation and reports whether it came to its end. A process that
// crashed leaves its chain.
func (w *sim) run(c *client, budget int, op func()) (isDone bool) {
	w.budget = budget
	defer func() {
		w.budget = -1
		if r := recover(); r != nil {
			if _, ok := r.(crash); !ok {
				panic(r)
			}
			c.chain, w.clients["B"].chain, w.onStore = "", "", nil // B can end a commit during an erasure
		}
	}()
	op()
	return true
}

func newSim(seed int64, nonce string) *sim {
	w := &sim{rng: rand.New(rand.NewSource(seed)), rows: rows{}, clients: map[string]*client{}, truth: map[string]*truth{}, intents: map[string]bool{},
		written: map[string]map[string]bool{}, destroyed: map[string]bool{}, success: map[string]freshness{}, doomed: map[string]int{}, ends: map[string]int{}, anchors: map[string]anchor{}, heads: map[string]freshness{}, budget: -1, planned: map[string]bool{}}
	first := &statement{n: 1, prev: nonce, signer: "A", lines: []line{{kind: "member", key: "A", roles: "admin,erase,write"}, {kind: "member", key: "B", roles: "write"},
		{kind: "member", key: "E", roles: "erase"}, {kind: "member", key: "M", roles: "admin,erase,write"}}}
	first.sig = sign("A", first.hash())
	w.pin, w.notes = first.hash(), []*statement{first}
	w.store(rows{statementKey(1): first})
	w.store(rows{{"k", "store", "id"}: w.pin})
	for _, k := range []string{"A", "B", "E", "M"} {
		w.clients[k], w.written[k] = &client{w: w, key: k, ends: w.ends}, map[string]bool{}
	}
	return w
}

// draft returns the next event of the client's chain, unsigned.
func (c *client) draft(e event) *event {
	if c.chain != "" && c.w.rows.event(c.chain, c.seq+1) != nil {
		c.chain = "" // another process wrote there
	}
	if c.chain == "" {
		c.w.count++
		c.chain, c.seq = fmt.Sprintf("c%s%03d", c.w.notes[0].prev, c.w.count), 0
		c.previous = sum("chain", c.chain)
		n := len(c.w.notes)
		c.append(event{op: "genesis", out: "success", key: c.key, version: n, digest: c.w.notes[n-1].hash()}, rows{{"a", "days", c.chain}: &day{}})
	}
	e.chain, e.seq, e.previous = c.chain, c.seq+1, c.previous
	if e.out == "" {
		e.out = "success"
	}
	return &e
}

// send signs an event and stores it with other rows. The store can refuse the
// transaction. Then the chain does not advance, and an attacker who holds the
// store keeps the signed rows.
func (c *client) send(e *event, rs rows) bool {
	e.sig = sign(c.key, eventMessage(c.w.pin, e))
	all := rows{eventKey(e.chain, e.seq): e}
	maps.Copy(all, rs)
	c.w.written[c.key][signedHash(e)] = true // also if it is refused
	if e.op == "encrypt" && c.w.rng.Intn(100) < c.w.refuse {
		c.w.captured = append(c.w.captured, all)
		return false
	}
	c.w.commit(all)
	c.seq, c.previous = e.seq, e.link()
	c.w.ends[c.chain] = c.seq
	return true
}

func signedHash(e *event) string { return fmt.Sprint(e.hash(), e.sig) }

func (c *client) append(e event, rs rows) *event {
	d := c.draft(e)
	c.send(d, rs)
	return d
}

func (c *client) wrapRows(d string, turn int, users []string) (rs rows, names []string) {
	rs = rows{{"k", d, "head"}: &header{state: "active", turn: number(turn)}}
	for _, u := range users {
		rs[key{"k", d, "wrap:" + number(turn) + ":" + u}] = &wrap{secret: fmt.Sprint(d, turn, u)}
	}
	for k, v := range rs {
		names = append(names, rowName(k, v))
	}
	slices.Sort(names)
	return rs, names
}

// storeWraps writes key rows one by one, between an intent and a success.
func (c *client) storeWraps(d string, turn int, users []string) {
	rs, names := c.wrapRows(d, turn, users)
	intent := names
	if !on(intentNamed) {
		intent = nil
	}
	c.append(event{op: "wrap_dek", out: "intent", dialogue: d, version: turn, names: intent}, nil)
	for _, k := range rs.keys(func(key) bool { return true }) {
		c.w.commit(rows{k: rs[k]})
	}
	c.append(event{op: "wrap_dek", dialogue: d, version: turn, names: names}, nil)
	t := c.w.truth[d]
	t.turn, t.users = turn, users
}

func (c *client) create(d string, users []string) {
	if c.w.truth[d] == nil {
		c.w.truth[d] = &truth{state: "none"}
	}
	c.storeWraps(d, 1, users)
	for !c.write(d) {
	}
}

// write commits one changed item.
func (c *client) write(d string) bool {
	w, t := c.w, c.w.truth[d]
	v := t.version + 1
	i := &item{value: fmt.Sprint(d, v, w.count)}
	k := key{"d", d, "item" + fmt.Sprint(v%3)}
	i.mac = sum("mac", d, k.sk, i.value)
	next := w.rows.clone()
	next[k] = i
	previous := ""
	if t.version > 0 {
		previous = sum("event", "|", t.root.core, "|", t.root.hash())
	}
	e := c.draft(event{op: "encrypt", dialogue: d, version: v, names: []string{k.sk}, prevCommit: previous})
	m := &meta{kind: "live", root: root{d, v, next.items(d), e.core()}}
	e.root = m.root.hash()
	w.onStore = func() {
		t.version, t.root, t.items, t.state = v, m.root, m.root.items, "live"
		w.heads[d] = freshness{version: v, root: m.root.hash(), roster: len(w.notes)}
	}
	isStored := c.send(e, rows{k: i, {"d", d, "meta"}: m, pointerKey(d, v): &pointer{e.chain, e.seq}})
	w.onStore = nil
	return isStored
}

// rotate wraps a new secret for some users and destroys the previous wraps.
func (c *client) rotate(d string, users []string) {
	t := c.w.truth[d]
	next := "wrap:" + number(t.turn+1)
	old := slices.DeleteFunc((&audit{rows: c.w.rows}).wraps(d), func(k key) bool { return k.sk >= next })
	c.storeWraps(d, t.turn+1, users)
	for !c.write(d) {
	}
	c.destroy(d, old)
}

func (c *client) names(keys []key) (names []string) {
	for _, k := range keys {
		names = append(names, rowName(k, c.w.rows[k]))
	}
	return names
}

// destroy deletes wraps between an intent and a success that name them.
func (c *client) destroy(d string, wraps []key) []string {
	names := c.names(wraps)
	if len(names) == 0 {
		return nil
	}
	c.append(event{op: "destroy_key", out: "intent", dialogue: d, names: names}, nil)
	for i, k := range wraps {
		c.w.onStore = func() { c.w.destroyed[names[i]] = true }
		c.w.commit(rows{k: nil})
	}
	c.append(event{op: "destroy_key", dialogue: d, names: names}, nil)
	return names
}

func (c *client) close() {
	if c.chain == "" {
		return
	}
	e := c.draft(event{op: "close"})
	if e.seq < 2 { // draft began a chain because another process had written to the old one
		e = c.draft(*e)
	}
	p := &checkpoint{size: e.seq, head: e.hash(), sig: sign(c.key, checkpointMessage(c.w.pin, e.chain, e.seq, e.hash()))}
	rs := rows{{"a", "checkpoint:" + e.chain, number(e.seq)}: p}
	if !on(oneCommit) {
		c.send(e, nil)
		c.w.commit(rs)
	} else {
		c.send(e, rs)
	}
	c.w.anchors[e.chain] = anchor{e.seq, e.hash(), len(c.w.notes)}
	c.chain = ""
}

// publish sends an open chain to the anchors. The store holds no row for it.
func (c *client) publish() {
	if c.chain != "" && c.seq > 0 {
		c.w.anchors[c.chain] = anchor{c.seq, c.w.rows.event(c.chain, c.seq).hash(), len(c.w.notes)}
	}
}

// copyIn copies a dialogue with two commits from another store.
func (c *client) copyIn(d string) {
	w := c.w
	w.truth[d] = &truth{state: "copying", turn: 1, users: []string{"u"}}
	rs, names := c.wrapRows(d, 1, []string{"u"})
	intent := c.append(event{op: "boundary", out: "intent", dialogue: d, names: names}, nil)
	for _, k := range rs.keys(func(key) bool { return true }) {
		w.commit(rows{k: rs[k]})
	}
	i := &item{value: "copied"}
	i.mac = sum("mac", d, "item1", i.value)
	w.commit(rows{{"d", d, "meta"}: &meta{kind: "unfinished", carried: mark{intent, c.key}}, {"d", d, "item1"}: i})
	one := &event{chain: "s" + d, seq: 4, op: "encrypt", out: "success", dialogue: d, version: 1}
	two := &event{chain: "s" + d, seq: 9, op: "encrypt", out: "success", dialogue: d, version: 2, prevCommit: one.hash()}
	m := &meta{kind: "live", root: root{d, 2, w.rows.items(d), two.core()}}
	two.root = m.root.hash()
	w.commit(rows{eventKey(one.chain, 4): one, eventKey(two.chain, 9): two})
	w.commit(rows{pointerKey(d, 1): &pointer{one.chain, 4}})
	e := c.draft(event{op: "boundary", dialogue: d, version: 2, names: names, prevCommit: two.hash(), root: m.root.hash()})
	w.onStore = func() {
		t := w.truth[d]
		t.state, t.version, t.root, t.items = "live", 2, m.root, m.root.items
		w.heads[d] = freshness{version: 2, root: m.root.hash(), roster: len(w.notes)}
	}
	c.send(e, rows{{"d", d, "meta"}: m, pointerKey(d, 2): &pointer{two.chain, 9}})
}

// A certificate is what an erasure returns.
type certificate struct {
	found, missing []string
	isRefused      bool
}

func (c certificate) isFinal() bool { return !c.isRefused && len(c.found) > 0 && len(c.missing) == 0 }

// logged returns the names of key rows that the log knows for a dialogue, and
// those that events of erasers destroyed.
func (c *client) logged(d string) (known, gone map[string]bool) {
	known, gone = map[string]bool{}, map[string]bool{}
	a := verify(c.w.rows, c.w.pin, c.mem)
	f := a.facts[d]
	if f == nil {
		return known, gone
	}
	rotated := map[string]bool{}
	for _, e := range f.events {
		switch {
		case e.op == "wrap_dek" || e.op == "boundary" || e.op == "adopt_key":
			for _, n := range e.names {
				known[n] = true
			}
		case e.op == "destroy_key" && e.out == "success", e.is("erase", "success"):
			m := a.roster.members[f.erasers[e]]
			for _, n := range e.names {
				if strings.Contains(m.roles, "erase") || !on(destroyRole) {
					gone[n] = true
				} else {
					rotated[n] = true
				}
			}
		}
	}
	// A writer destroys only what a later commit retired. The rows of the
	// newest wrap event are never among them.
	for n := range rotated {
		if !a.isNewest(f, n) {
			gone[n] = true
		}
	}
	return known, gone
}

// newest returns the newest believed commit of a dialogue.
func (a *audit) newest(d string) (version int, hash string) {
	f := a.facts[d]
	if f == nil {
		return 0, ""
	}
	quiet := *a
	version, last := quiet.checkHistory(d, f)
	if last == nil {
		return version, ""
	}
	if last.op == "boundary" {
		return version, last.prevCommit
	}
	return version, last.hash()
}

// isNewest reports whether a name belongs to the newest key version of the log.
func (a *audit) isNewest(f *facts, name string) bool {
	newest, version := map[string]bool{}, 0
	for _, e := range f.events {
		v := e.version
		if e.op == "boundary" {
			v = 1 // a copied key has version 1 here
		}
		if e.op != "wrap_dek" && e.op != "boundary" || v < version {
			continue
		}
		if v > version {
			newest, version = map[string]bool{}, v
		}
		for _, n := range e.names {
			newest[n] = true
		}
	}
	return newest[name]
}

// erase erases a dialogue. It needs no key of the dialogue.
func (c *client) erase(d string) certificate {
	w := c.w
	r, _ := readRoster(w.rows, w.pin, c.mem)
	if m := r.members[c.key]; m == nil || m.removed || m.suspended || !strings.Contains(m.roles, "erase") {
		return certificate{isRefused: true}
	}
	known, gone := c.logged(d)
	if _, isDone := w.success[d]; w.truth[d] == nil && len(known) == 0 && !isDone {
		return certificate{isRefused: true} // unknown: refused before the intent
	}
	if w.truth[d] == nil {
		w.truth[d] = &truth{}
	}
	e := c.draft(event{op: "erase", out: "intent", dialogue: d})
	w.intents[d] = true
	c.send(e, nil)
	first := rows{{"k", d, "head"}: &header{state: "erasing"}, {"k", "erased", d}: &registry{mark{e, c.key}}}
	if reg, _ := get[*registry](w.rows, key{"k", "erased", d}); reg != nil && !reg.carried.is("erase", "intent") {
		delete(first, key{"k", "erased", d}) // another run came further
	}
	w.commit(first)
	wraps := (&audit{rows: w.rows}).wraps(d)
	for isAgain := true; isAgain; {
		version, hash := verify(w.rows, w.pin, c.mem).newest(d)
		intent := c.draft(event{op: "destroy_key", out: "intent", dialogue: d, version: version, prevCommit: hash, digest: e.hash(), names: c.names(wraps)})
		w.doomed[d] = version
		c.send(intent, nil)
		w.commit(rows{{"k", "erased", d}: &registry{mark{intent, c.key}}})
		if isAgain = w.isOpenLate && w.truth[d].state == "live" && w.rng.Intn(4) == 0; isAgain { // a writer that read the header before
			b := w.clients["B"]
			for !b.write(d) {
			}
		}
	}
	w.truth[d].state = "erased"
	w.commit(rows{{"d", d, "meta"}: &meta{kind: "erased"}})
	found := slices.Clone(c.destroy(d, wraps))
	for _, k := range w.rows.partition("d", d) {
		if k.sk != "meta" {
			w.commit(rows{k: nil})
		}
	}
	for n := range gone {
		if !slices.Contains(found, n) {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	s := c.draft(event{op: "erase", dialogue: d, digest: e.hash(), names: found})
	w.onStore = func() {
		w.success[d] = freshness{erased: s, eraser: c.key, roster: len(w.notes)}
		w.heads[d] = w.success[d]
	}
	c.send(s, nil)
	w.commit(rows{{"k", d, "head"}: &header{state: "erased"}, {"k", "erased", d}: &registry{mark{s, c.key}}})
	c.close()
	cert := certificate{found: found}
	a := verify(w.rows, w.pin, c.mem)
	for name, x := range a.chains {
		if on(openChains) && !x.isClosed {
			cert.missing = append(cert.missing, "open chain "+name)
		}
	}
	for n := range known {
		if on(knownWraps) && !slices.Contains(found, n) && strings.HasPrefix(n, "wrap#") {
			cert.missing = append(cert.missing, n)
		}
	}
	return cert
}

// eraseUser erases a user: whole dialogues that only the user holds, and the
// wraps of the user in the others. It returns the ids that its event states.
func (c *client) eraseUser(u string) []string {
	w := c.w
	var whole, shared []string
	for _, d := range ids {
		if t := w.truth[d]; t != nil && t.state == "live" && slices.Contains(t.users, u) && !w.intents[d] {
			if len(t.users) == 1 {
				whole = append(whole, d)
			} else {
				shared = append(shared, d)
			}
		}
	}
	k := key{"k", "erasing", u}
	if p, ok := get[*plan](w.rows, k); ok { // continue
		a := &audit{rows: w.rows, pin: w.pin}
		a.roster, _ = readRoster(w.rows, w.pin, c.mem)
		if !on(plans) || a.isBelieved(p.carried, "", "erase", "erase intent") && p.carried.event.digest == p.dialogues && p.carried.event.names[0] == u {
			for _, d := range strings.Fields(p.dialogues) {
				if !slices.Contains(whole, d) && !slices.Contains(shared, d) {
					shared = append(shared, d)
				}
			}
		}
	}
	text := strings.Join(append(slices.Clone(whole), shared...), " ")
	w.planned[text] = true
	e := c.append(event{op: "erase", out: "intent", digest: text, names: []string{u}}, nil)
	w.commit(rows{k: &plan{text, mark{e, c.key}}})
	for _, d := range whole {
		c.erase(d)
	}
	for _, d := range shared {
		if t := w.truth[d]; t != nil && t.state == "live" && !w.intents[d] {
			if rest := without(t.users, u); len(rest) != len(t.users) && len(rest) > 0 {
				c.rotate(d, rest)
			}
		}
	}
	c.append(event{op: "erase", digest: text, names: []string{u}}, nil)
	w.commit(rows{k: nil})
	return strings.Fields(text)
}

func without(all []string, u string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(x string) bool { return x == u })
}

// state appends a statement to the roster, with its event.
func (c *client) state(lines ...line) {
	w := c.w
	e := c.draft(event{op: "roster"})
	s := &statement{n: len(w.notes) + 1, prev: w.notes[len(w.notes)-1].hash(), lines: lines, signer: c.key}
	s.sig = sign(c.key, s.hash())
	e.version, e.digest = s.n, s.hash()
	w.onStore = func() {
		w.notes = append(w.notes, s)
		w.removed = w.removed || lines[0].kind == "remove"
	}
	c.send(e, rows{statementKey(s.n): s})
}

// chainEnds returns the ends of chains as the verifier sees them.
func (c *client) chainEnds(isWanted func(*chain) bool) map[string]end {
	a := verify(c.w.rows, c.w.pin, c.mem)
	list := map[string]end{}
	for name, x := range a.chains {
		if n := len(x.events); n > 0 && isWanted(x) {
			if _, isArchived := a.roster.archive[name]; !isArchived {
				list[name] = end{n, x.events[n-1].link()}
			}
		}
	}
	return list
}

// remove removes member M. While it reads the chains, a process of M can still
// end an operation.
func (c *client) remove(m *client) {
	w := c.w
	r, _ := walkRoster(w.rows, w.pin)
	if on(suspend) && !r.members[m.key].suspended {
		c.state(line{kind: "suspend", key: m.key})
	}
	late := func() {
		if m.chain != "" && w.rng.Intn(2) == 0 {
			m.append(event{op: "decrypt"}, nil)
		}
	}
	if on(suspend) {
		late() // it read the roster before the suspension
		m.chain = ""
	}
	list := c.chainEnds(func(x *chain) bool { return x.key == m.key })
	var marks []string
	for k, v := range w.rows {
		if x, ok := v.(*registry); ok && x.carried.key == m.key && (&audit{rows: w.rows, pin: w.pin, roster: r}).isBelieved(x.carried, k.sk, "erase", "erase intent", "destroy_key intent", "erase success") {
			marks = append(marks, x.carried.event.hash())
		}
	}
	slices.Sort(marks)
	if !on(suspend) {
		late()
		m.chain = ""
	}
	c.state(line{kind: "remove", key: m.key, list: list, marks: marks})
}

// archive removes events of closed chains that no check needs.
func (c *client) archive() {
	w := c.w
	a := verify(w.rows, w.pin, c.mem)
	list := map[string]end{}
	for _, name := range w.rows.chains() {
		x := a.chains[name]
		_, isArchived := a.roster.archive[name]
		if x.isClosed && !isArchived && len(x.events) == x.length && x.length > 0 && w.rng.Intn(2) == 0 {
			list[name] = end{x.length, keptHash(x.events)}
		}
	}
	if len(list) == 0 {
		return
	}
	c.state(line{kind: "archive", list: list})
	c.sweep()
}

// sweep deletes the events that an archive line no longer needs.
func (c *client) sweep() {
	r, _ := walkRoster(c.w.rows, c.w.pin)
	for _, name := range c.w.rows.chains() {
		if _, ok := r.archive[name]; ok {
			for _, k := range c.w.rows.partition("a", "chain:"+name) {
				if e, _ := c.w.rows[k].(*event); e != nil && !e.isKept() {
					c.w.commit(rows{k: nil})
				}
			}
		}
	}
}

// restore replaces the data file, or both files, by a backup, and continues.
func (c *client) restore(s snapshot, isWithKeys bool) {
	w := c.w
	for _, k := range w.rows.keys(func(k key) bool { return k.table != "k" || isWithKeys }) {
		delete(w.rows, k)
	}
	for k, v := range s.rows {
		if k.table != "k" || isWithKeys {
			w.rows[k] = v
		}
	}
	for _, x := range w.clients {
		x.chain = ""
	}
	old := w.truth
	w.truth = map[string]*truth{}
	for d, t := range s.truth {
		x := t
		w.truth[d] = &x
		if o := old[d]; o != nil && !isWithKeys { // the key file is newer
			x.turn, x.users = o.turn, o.users
		}
	}
	c.mem = nil
	base, list := len(w.rows.partition("a", "roster")), c.chainEnds(func(*chain) bool { return true })
	for i, t := range w.notes { // the remembered statements
		w.store(rows{statementKey(i + 1): t})
	}
	c.draft(event{}) // begins the chain that the line names
	c.state(line{kind: "restored", key: c.chain, base: base, list: list})
	c.sweep()
	c.adopt()
	w.heads, w.anchors = map[string]freshness{}, map[string]anchor{}
	for d, f := range w.success {
		w.heads[d] = f
	}
	for d, t := range w.truth {
		if t.state == "live" && w.heads[d].erased == nil {
			w.heads[d] = freshness{version: t.version, root: t.root.hash(), roster: len(w.notes)}
		}
	}
	c.mem = w.memory()
	c.replay()
	c.mem = nil
}

// adopt names the key rows that are newer than the data of a backup, and those
// that no longer exist.
func (c *client) adopt() {
	a := verify(c.w.rows, c.w.pin, nil)
	for _, d := range ids {
		var names []string
		for _, k := range c.w.rows.partition("k", d) {
			f, h := a.facts[d], c.w.rows[k]
			if x, ok := h.(*header); (!ok || x.state == "active") && (f == nil || !f.named[rowName(k, h)]) {
				if c.w.isOpenable(d, k, h) || !on(adoptKey) {
					names = append(names, rowName(k, h))
				} else {
					c.w.commit(rows{k: nil})
				}
			}
		}
		if t := c.w.truth[d]; t != nil {
			if gone := a.lostRows(d); len(gone) > 0 {
				op := "lost_key"
				if !on(lostKey) {
					op = "destroy_key"
				}
				c.append(event{op: op, dialogue: d, version: t.turn, names: gone}, nil)
			}
		}
		if t := c.w.truth[d]; len(names) > 0 && t != nil {
			c.append(event{op: "adopt_key", dialogue: d, version: t.turn, names: names}, nil)
		}
	}
}

// isOpenable reports whether a holder of the secret made a key row, of the version
// of the data or a later one.
func (w *sim) isOpenable(d string, k key, row any) bool {
	t := w.truth[d]
	if t == nil {
		return false
	}
	for _, turn := range []int{t.turn, t.turn + 1} { // the later one of an interrupted rotation
		if h, ok := row.(*header); ok && h.turn == number(turn) {
			return true
		}
		for _, u := range t.users {
			x, ok := row.(*wrap)
			if ok && k.sk == "wrap:"+number(turn)+":"+u && x.secret == fmt.Sprint(d, turn, u) {
				return true
			}
		}
	}
	return false
}

func (w *sim) memory() *memory {
	return &memory{notes: slices.Clone(w.notes), heads: maps.Clone(w.heads), anchors: maps.Clone(w.anchors)}
}

// replay erases again what a signed success erased, if it is stored again.
func (c *client) replay() (list []string) {
	a := verify(c.w.rows, c.w.pin, c.mem)
	for _, d := range sorted(keysOf(a.status)) {
		if a.status[d] == "undone" {
			list = append(list, d)
		}
	}
	if !on(signedReplay) {
		for _, k := range c.w.rows.partition("k", "erased") {
			list = append(list, k.sk)
		}
	}
	for _, d := range list {
		c.erase(d)
	}
	return list
}

func keysOf(m map[string]string) map[string]bool {
	out := map[string]bool{}
	for d := range m {
		out[d] = true
	}
	return out
}

// checkpointAll is audit checkpoint. It closes the client's own dead chains and
// records the others as seen.
func (c *client) checkpointAll() {
	a := verify(c.w.rows, c.w.pin, c.mem)
	var names []string
	for _, x := range c.w.rows.chains() {
		got := a.chains[x]
		n := len(got.events)
		if n == 0 || x == c.chain || got.isClosed {
			continue
		}
		last := got.events[n-1]
		isOwnEnd := c.ends != nil && (n == c.ends[x] || n == c.ends[x]+1) || !on(ownEnd)
		if got.key != c.key || !isOwnEnd {
			names = append(names, x+"/"+number(n)+"/"+last.hash())
		}
		if !on(ownClose) { // the old rule: sign every chain
			p := &checkpoint{size: got.length, head: c.w.rows.event(x, got.length).hash()}
			p.sig = sign(c.key, checkpointMessage(c.w.pin, x, p.size, p.head))
			c.w.commit(rows{{"a", "checkpoint:" + x, number(p.size)}: p})
			continue
		}
		if got.key != c.key || n != got.length || !isOwnEnd {
			continue
		}
		saved := *c
		c.chain, c.seq, c.previous = x, n, last.link()
		c.close()
		*c = saved
	}
	if len(names) > 0 {
		c.append(event{op: "seen", names: names, version: len(c.w.notes)}, nil)
	}
}

// show is a load. It reads no chain, except for a mark of a removed member.
func (c *client) show(d string, mem *memory) string {
	a := &audit{rows: c.w.rows, pin: c.w.pin, mem: mem}
	var bad []finding
	if a.roster, bad = readRoster(c.w.rows, c.w.pin, mem); len(bad) > 0 && mem == nil {
		return "damaged"
	}
	h, _ := get[*header](a.rows, key{"k", d, "head"})
	m, _ := get[*meta](a.rows, key{"d", d, "meta"})
	if h != nil && h.state != "active" || m != nil && m.kind == "erased" {
		reg, _ := get[*registry](a.rows, key{"k", "erased", d})
		if !on(marks) || reg != nil && a.isBelieved(reg.carried, d, "erase", "erase intent", "destroy_key intent", "erase success") {
			return "erased"
		}
		return "damaged"
	}
	f, isRemembered := a.remembered()[d]
	switch {
	case isRemembered && (f.erased != nil || m == nil):
		return "damaged"
	case m == nil:
		return "none"
	case m.kind == "unfinished":
		if on(unfinished) && (isRemembered || !a.isBelieved(m.carried, d, "write", "boundary intent")) {
			return "damaged"
		}
		return "copying"
	case m.root.dialogue != d || m.root.items != a.rows.items(d):
		return "damaged"
	case isRemembered && (m.root.version < f.version || m.root.version == f.version && m.root.hash() != f.root):
		return "damaged"
	}
	return fmt.Sprint("live ", m.root.version)
}
