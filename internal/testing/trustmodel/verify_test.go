package trustmodel

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// memory is what a client remembers of a store.
type memory struct {
	notes   []*statement
	heads   map[string]freshness
	anchors map[string]anchor // by chain
}

type freshness struct {
	version int
	root    string
	erased  *event // the success of its erasure
	eraser  string
	roster  int // the number of statements at that time
}

type anchor struct {
	size   int
	hash   string
	roster int
}

type member struct {
	roles     string
	since     int
	suspended bool
	removed   bool
	removedAt int
	ends      map[string]end
	marks     []string
}

func (m *member) can(role string) bool { return !on(roles) || strings.Contains(m.roles, role) }

// A roster is the state after all its statements.
type roster struct {
	hashes   []string
	members  map[string]*member
	ever     map[string]bool
	restored []restoredLine
	archive  map[string]end
	lists    map[int][]map[string]end // remove, restored and archive, by statement
	accepted map[string]end
	void     map[int]bool // statements that a later restore made void
}

type restoredLine struct {
	n    int
	own  string // the chain that states it
	list map[string]end
}

// endOf returns the entry at which a chain ends, if a list ends it. The newest
// list counts.
func (r *roster) endOf(chain, signer string, named int) (e end, isEnded bool) {
	at := 0
	if m := r.members[signer]; m != nil && m.removed && on(ends) {
		e, isEnded, at = m.ends[chain], true, m.removedAt
	}
	for _, l := range r.restored {
		if named < l.n && chain != l.own && l.n > at && on(discarded) {
			e, isEnded, at = l.list[chain], true, l.n
		}
	}
	return e, isEnded
}

type finding struct{ class, what, where string }

// An audit is one verification of a store.
type audit struct {
	rows     rows
	pin      string
	mem      *memory
	findings []finding
	unproven []string
	roster   *roster
	chains   map[string]*chain
	facts    map[string]*facts
	status   map[string]string
}

// A chain holds the believed events of one chain.
type chain struct {
	key      string
	events   []*event
	isClosed bool
	length   int // of the stored events
}

// facts are the believed events of one dialogue.
type facts struct {
	commits                                         map[int]*event
	copies, copyIntents, intents, successes, events []*event
	erasers                                         map[*event]string
	named                                           map[string]bool
}

func (a *audit) find(class, what string, where ...any) {
	a.findings = append(a.findings, finding{class, what, fmt.Sprint(where...)})
}

func (a *audit) verdict() string {
	for _, f := range a.findings {
		if f.class == "tampered" {
			return "tampered"
		}
	}
	switch {
	case len(a.findings) > 0:
		return "unknown"
	case len(a.unproven) > 0:
		return "unproven"
	}
	return "ok"
}

func emptyRoster() *roster {
	return &roster{void: map[int]bool{}, members: map[string]*member{}, ever: map[string]bool{}, archive: map[string]end{}, lists: map[int][]map[string]end{}, accepted: map[string]end{}}
}

// walkRoster reads statements as long as they are valid.
func walkRoster(r rows, pin string) (*roster, []finding) {
	s := emptyRoster()
	var notes []*statement
	var bad []finding
	n := 1
	for ; ; n++ {
		row, isStored := r[statementKey(n)]
		if !isStored {
			break
		}
		t, ok := row.(*statement)
		ok = ok && t.n == n && t.sig == sign(t.signer, t.hash())
		if ok && n == 1 {
			ok = t.hash() == pin
		} else if ok {
			m := s.members[t.signer]
			ok = t.prev == s.hashes[n-2] && m != nil && !m.removed && !m.suspended && strings.Contains(m.roles, "admin")
		}
		if !ok {
			bad = append(bad, finding{"tampered", "roster", number(n)})
			break
		}
		for _, l := range t.lines {
			s.apply(n, l)
		}
		s.hashes, notes = append(s.hashes, t.hash()), append(notes, t)
	}
	for _, t := range notes {
		s.void[t.n] = isVoid(notes, t.n)
		for _, l := range t.lines {
			if !s.void[t.n] {
				s.applyList(t.n, l)
			}
		}
	}
	if len(r.partition("a", "roster")) != len(s.hashes) && bad == nil || n == 1 {
		bad = append(bad, finding{"tampered", "roster", "gap"})
	}
	return s, bad
}

func (s *roster) apply(n int, l line) {
	if l.kind != "accept" {
		s.lists[n] = append(s.lists[n], l.list)
	}
	switch l.kind {
	case "member":
		s.members[l.key], s.ever[l.key] = &member{roles: l.roles, since: n}, true
	case "suspend":
		s.members[l.key].suspended = true
	case "remove":
		m := s.members[l.key]
		m.removed, m.removedAt, m.ends, m.marks = true, n, l.list, l.marks
	case "accept":
		for f := range l.list {
			s.accepted[f] = end{}
		}
	}
}

// isVoid reports whether a restore replaced the store by a backup that does not
// have statement n. Its lists are then about a store that no longer exists.
func isVoid(notes []*statement, n int) bool {
	for last := len(notes); last > n && on(voidLists); {
		next := last - 1
		for _, l := range notes[last-1].lines {
			if l.kind == "restored" {
				if next = l.base; n > next {
					return true
				}
			}
		}
		last = next
	}
	return false
}

func (s *roster) applyList(n int, l line) {
	switch l.kind {
	case "restored":
		s.restored = append(s.restored, restoredLine{n, l.key, l.list})
	case "archive":
		for c, e := range l.list {
			s.archive[c] = e
		}
	}
}

// readRoster reads the roster, holds it against the memory and against each
// signed genesis and roster event.
func readRoster(r rows, pin string, mem *memory) (*roster, []finding) {
	s, bad := walkRoster(r, pin)
	if mem != nil {
		for i, t := range mem.notes {
			if i >= len(s.hashes) || s.hashes[i] != t.hash() {
				bad = append(bad, finding{"tampered", "roster", "rolled back"})
				break
			}
		}
	}
	if on(rosterNamed) {
		for _, c := range r.chains() {
			bad = append(bad, heldAgainst(r, pin, s, c)...)
		}
	}
	if len(bad) > 0 && on(rosterStop) {
		if mem == nil {
			unbelieved := emptyRoster()
			unbelieved.hashes, unbelieved.ever = s.hashes, s.ever
			return unbelieved, bad
		}
		s, _ = walkRoster(mem.stored(), pin)
	}
	return s, bad
}

func (m *memory) stored() rows {
	r := rows{}
	for i, t := range m.notes {
		r[statementKey(i+1)] = t
	}
	return r
}

// heldAgainst compares the roster with the statements that a chain names.
func heldAgainst(r rows, pin string, s *roster, c string) (bad []finding) {
	g := r.event(c, 1)
	if g == nil || g.op != "genesis" || !s.ever[g.key] {
		return nil
	}
	if m := s.members[g.key]; m.removed && !on(everListed) {
		return nil
	}
	for _, k := range r.partition("a", "chain:"+c) {
		e, _ := r[k].(*event)
		if e == nil || (e.op != "genesis" && !e.is("roster", "success")) || !e.isSigned(pin, g.key) {
			continue
		}
		if e.version > len(s.hashes) || e.version < 1 || s.hashes[e.version-1] != e.digest {
			bad = append(bad, finding{"tampered", "roster", "shorter than " + c})
		}
	}
	return bad
}

// readChain returns the believed events of a chain.
func (a *audit) readChain(c string) *chain {
	if e, ok := a.roster.archive[c]; ok && on(archiveKept) {
		return a.readArchived(c, e)
	}
	var events []*event
	previous := sum("chain", c)
	for n := 1; ; n++ {
		e := a.rows.event(c, n)
		if e == nil {
			break
		}
		if e.seq != n || e.chain != c || e.previous != previous {
			a.find("tampered", "link", c, n)
			break
		}
		events, previous = append(events, e), e.link()
	}
	stored := a.rows.partition("a", "chain:"+c)
	_, isArchived := a.roster.archive[c]
	if len(stored) != len(events) && !isArchived {
		a.find("tampered", "gap", c)
	}
	got := &chain{length: len(events)}
	if len(events) == 0 || events[0].op != "genesis" {
		a.find("tampered", "no genesis", c)
		return got
	}
	g := events[0]
	got.key = g.key
	m := a.roster.members[g.key]
	if m == nil {
		a.find("unknown", "signer", c)
		return got
	}
	if g.version < m.since || g.version > len(a.roster.hashes) || a.roster.hashes[g.version-1] != g.digest {
		a.find("tampered", "genesis names another roster", c)
	}
	vouched := len(events)
	if on(signed) {
		for ; vouched > 0 && !events[vouched-1].isSigned(a.pin, g.key); vouched-- {
		}
	}
	last := events[len(events)-1]
	got.isClosed = last.op == "close" && vouched == len(events)
	for i, k := range a.rows.partition("a", "checkpoint:"+c) {
		p, _ := get[*checkpoint](a.rows, k)
		isOwn := p != nil && p.sig.key == g.key
		if p != nil && !on(ownClose) && a.roster.members[p.sig.key] != nil {
			isOwn = true // the old rule: the checkpoint of any member proves a chain
			vouched, got.isClosed = max(vouched, p.size), true
		}
		if !isOwn || i > 0 || p.sig.message != checkpointMessage(a.pin, c, p.size, p.head) || p.size != len(events) || p.head != last.hash() || !got.isClosed {
			a.find("tampered", "checkpoint", c)
		}
	}
	if got.isClosed && len(a.rows.partition("a", "checkpoint:"+c)) == 0 {
		a.find("tampered", "no checkpoint", c)
	}
	if vouched < len(events) {
		a.find("tampered", "unsigned", c, vouched+1)
	}
	got.events = events[:min(vouched, len(events))]
	if e, isEnded := a.roster.endOf(c, g.key, g.version); isEnded {
		got.isClosed = true
		if e.size > len(got.events) || e.size > 0 && events[e.size-1].link() != e.hash {
			a.find("tampered", "shorter than its end", c)
			got.events = nil
		} else {
			if e.size < len(events) {
				a.find("tampered", "after its end", c, e.size+1)
			}
			got.events = got.events[:e.size]
		}
	}
	return got
}

// readArchived reads a chain of which only the kept events must exist.
func (a *audit) readArchived(c string, want end) *chain {
	got := &chain{isClosed: true, length: want.size}
	g := a.rows.event(c, 1)
	if g != nil {
		got.key = g.key
	}
	for _, k := range a.rows.partition("a", "chain:"+c) {
		e, _ := a.rows[k].(*event)
		switch {
		case e == nil || k != eventKey(e.chain, e.seq) || !e.isSigned(a.pin, got.key):
			a.find("tampered", "archived event", c, k.sk)
			return &chain{isClosed: true}
		case e.isKept():
			got.events = append(got.events, e)
		default:
			a.unproven = append(a.unproven, "archive of "+c)
		}
	}
	if keptHash(got.events) != want.hash {
		a.find("tampered", "archive", c)
		got.events = nil
	}
	return got
}

func keptHash(events []*event) string {
	text := "kept"
	for _, e := range events {
		if e.isKept() {
			text += fmt.Sprint("|", e.seq, "|", e.hash(), "|", e.sig)
		}
	}
	return sum(text)
}

// isBelieved reports whether a mark carries a signed event of a member with the
// role. It reads the roster, and for a removed member the chain.
func (a *audit) isBelieved(m mark, dialogue, role string, wanted ...string) bool {
	if !on(marks) {
		return true
	}
	e := m.event
	if e == nil || e.dialogue != dialogue || !slices.Contains(wanted, e.op+" "+e.out) || e.op == "destroy_key" && e.digest == "" {
		return false // a rotation destroys keys too, and names no intent of an erasure
	}
	s := a.roster.members[m.key]
	if s == nil || !s.can(role) || !e.isSigned(a.pin, m.key) {
		return false
	}
	if g := a.rows.event(e.chain, 1); !on(carried) && (g == nil || a.rows.event(e.chain, e.seq) == nil) {
		return false
	}
	if on(keptMarks) && slices.Contains(s.marks, e.hash()) {
		return true
	}
	if s.removed && on(ends) {
		quiet := &audit{rows: a.rows, pin: a.pin, roster: a.roster}
		return slices.ContainsFunc(quiet.readChain(e.chain).events, func(x *event) bool { return x.hash() == e.hash() })
	}
	return true
}

// verify checks a whole store. mem is nil for a new client.
func verify(r rows, pin string, mem *memory) *audit {
	a := &audit{rows: r, pin: pin, mem: mem, chains: map[string]*chain{}, facts: map[string]*facts{}, status: map[string]string{}}
	var bad []finding
	a.roster, bad = readRoster(r, pin, mem)
	a.findings = append(a.findings, bad...)
	if s, ok := r[key{"k", "store", "id"}].(string); !ok || s != pin {
		a.find("tampered", "the key table is of another store")
	}
	for k, m := range a.roster.members {
		if m.suspended && !m.removed {
			a.unproven = append(a.unproven, "removal of "+k)
		}
	}
	for _, c := range r.chains() {
		a.chains[c] = a.readChain(c)
		if !a.chains[c].isClosed {
			a.unproven = append(a.unproven, "chain "+c)
		}
		a.collect(a.chains[c])
	}
	a.checkSeen()
	a.checkListed()
	a.checkStated()
	names := map[string]bool{}
	for d := range a.facts {
		names[d] = true
	}
	if on(sources) {
		for _, k := range r.keys(func(k key) bool { return true }) {
			switch {
			case k.table == "d" || k.table == "k" && strings.HasPrefix(k.pk, "d"):
				names[k.pk] = true
			case k.pk == "erased":
				names[k.sk] = true
			case strings.HasPrefix(k.pk, "ptr:"):
				names[k.pk[4:]] = true
			}
		}
		for d := range a.remembered() {
			names[d] = true
		}
	} else {
		names = map[string]bool{}
		for _, k := range r.keys(func(k key) bool { return k.table == "d" }) {
			names[k.pk] = true
		}
	}
	for _, d := range sorted(names) {
		a.status[d] = a.checkDialogue(d)
	}
	for _, k := range r.partition("k", "erasing") {
		if p, _ := get[*plan](r, k); p == nil || p.carried.event == nil || on(plans) && (!a.isBelieved(p.carried, "", "erase", "erase intent") || p.carried.event.digest != p.dialogues || p.carried.event.names[0] != k.sk) {
			a.find("tampered", "plan", k.sk)
		} else {
			a.unproven = append(a.unproven, "erasure of "+k.sk)
		}
	}
	a.findings = slices.DeleteFunc(a.findings, func(f finding) bool {
		_, ok := a.roster.accepted[fmt.Sprint(f)]
		return ok && f.what != "roster"
	})
	return a
}

func sorted(names map[string]bool) (out []string) {
	for d := range names {
		out = append(out, d)
	}
	sort.Strings(out)
	return out
}

// remembered returns the freshness records that no later restore replaced.
func (a *audit) remembered() map[string]freshness {
	out := map[string]freshness{}
	if a.mem != nil {
		for d, f := range a.mem.heads {
			if f.erased != nil || !a.isReplaced(f.roster) {
				out[d] = f
			}
		}
	}
	return out
}

func (a *audit) isReplaced(n int) bool {
	return on(authorized) && slices.ContainsFunc(a.roster.restored, func(l restoredLine) bool { return l.n > n })
}

// checkSeen compares the chains with the seen events and the anchors.
func (a *audit) checkSeen() {
	for _, c := range a.chains {
		for _, e := range c.events {
			if e.op != "seen" || !on(seen) {
				continue
			}
			for _, name := range e.names {
				f := strings.Split(name, "/") // chain/size/hash
				a.compare(f[0], f[1], f[2], e.version)
			}
		}
	}
	if a.mem != nil {
		for c, x := range a.mem.anchors {
			a.compare(c, number(x.size), x.hash, x.roster)
		}
	}
}

func (a *audit) compare(c, size, hash string, named int) {
	if a.isReplaced(named) {
		return
	}
	if e, ok := a.rows[key{"a", "chain:" + c, size}].(*event); ok && e.hash() == hash && a.chains[c] != nil {
		return
	}
	if _, isArchived := a.roster.archive[c]; !isArchived {
		a.find("tampered", "shorter than seen", c)
	}
}

// checkListed checks that every chain of a list exists.
func (a *audit) checkListed() {
	restored := restoredLine{}
	if n := len(a.roster.restored); n > 0 {
		restored = a.roster.restored[n-1]
	}
	for n, lists := range a.roster.lists {
		for _, l := range lists {
			for c := range l {
				_, isRestored := restored.list[c]
				if a.chains[c] == nil && on(ends) && (n >= restored.n || isRestored) {
					a.find("tampered", "missing chain", c)
				}
			}
		}
	}
}

// checkStated checks that each statement has its event. A restore leaves the
// statements without event that its backup does not have.
func (a *audit) checkStated() {
	stated := map[int]bool{1: true}
	for _, c := range a.chains {
		for _, e := range c.events {
			if e.op == "roster" {
				stated[e.version] = true
			}
		}
	}
	for n := range a.roster.hashes {
		if on(rosterEvent) && !stated[n+1] && !a.roster.void[n+1] {
			a.find("tampered", "statement without event", n+1)
		}
	}
}

// collect sorts the believed events of a chain by dialogue and checks the roles.
func (a *audit) collect(c *chain) {
	m := a.roster.members[c.key]
	for _, e := range c.events {
		role := ""
		switch e.op {
		case "encrypt", "boundary", "wrap_dek":
			role = "write"
		case "erase":
			role = "erase"
		case "roster", "lost_key", "adopt_key":
			role = "admin"
		}
		if !m.can(role) {
			a.find("tampered", "role", e.chain, e.seq)
			continue
		}
		if e.dialogue == "" {
			continue
		}
		f := a.facts[e.dialogue]
		if f == nil {
			f = &facts{commits: map[int]*event{}, named: map[string]bool{}, erasers: map[*event]string{}}
			a.facts[e.dialogue] = f
		}
		f.events = append(f.events, e)
		f.erasers[e] = c.key
		if e.op == "wrap_dek" || e.op == "boundary" || e.op == "adopt_key" {
			for _, n := range e.names {
				f.named[n] = true
			}
		}
		switch {
		case e.op == "encrypt":
			if x := f.commits[e.version]; x != nil {
				a.find("tampered", "fork", e.dialogue, e.version)
			}
			f.commits[e.version] = e
		case e.is("boundary", "success"):
			f.copies = append(f.copies, e)
		case e.op == "boundary":
			f.copyIntents = append(f.copyIntents, e)
		case e.is("erase", "intent"):
			f.intents = append(f.intents, e)
		case e.is("erase", "success"):
			f.successes = append(f.successes, e)
		}
	}
}

// lostRows returns the names of wraps that a success names, that no destroy
// event names and that are not stored.
func (a *audit) lostRows(d string) (lost []string) {
	f := a.facts[d]
	if f == nil {
		return nil
	}
	gone := map[string]bool{}
	for _, k := range a.wraps(d) {
		gone[rowName(k, a.rows[k])] = true
	}
	for _, e := range f.events {
		if e.op == "destroy_key" || e.op == "lost_key" { // the intent too: the rows are deleted between the two
			for _, n := range e.names {
				gone[n] = true
			}
		}
	}
	for _, e := range f.events {
		for _, n := range e.names {
			if e.out == "success" && (e.op == "wrap_dek" || e.op == "boundary" || e.op == "adopt_key") && strings.HasPrefix(n, "wrap#") && !gone[n] {
				lost, gone[n] = append(lost, n), true
			}
		}
	}
	return lost
}

// checkHistory checks commits, boundaries and pointers. It returns the newest
// version and the event that must have written the root.
func (a *audit) checkHistory(d string, f *facts) (version int, last *event) {
	base := 0
	for _, b := range f.copies {
		if b.version > base {
			base, last = b.version, b
		}
	}
	version = base
	for v := range f.commits {
		version = max(version, v)
	}
	previous := ""
	if last != nil {
		previous = last.prevCommit
		a.checkCopied(d, f, base, previous)
	}
	for v := base + 1; v <= version; v++ {
		e := f.commits[v]
		if e == nil {
			a.find("tampered", "commit missing", d, v)
			return version, nil
		}
		if on(prevCommit) && e.prevCommit != previous {
			a.find("tampered", "prev_commit", d, v)
		}
		p, _ := get[*pointer](a.rows, pointerKey(d, v))
		if p == nil || p.chain != e.chain || p.seq != e.seq {
			a.find("tampered", "pointer", d, v)
		}
		previous, last = e.hash(), e
	}
	if n := len(a.rows.partition("a", "ptr:"+d)); n > version && (version > 0 || len(f.copyIntents) == 0) {
		a.find("tampered", "pointer beyond", d, n)
	}
	return version, last
}

// checkCopied follows the copied events from the boundary back to the first.
// The commits and the earlier boundaries of this store must be among them.
func (a *audit) checkCopied(d string, f *facts, v int, want string) {
	for ; v > 0 && on(boundary); v-- {
		if e := f.commits[v]; on(oneHistory) && e != nil && e.hash() != want {
			a.find("tampered", "another history", d, v)
		}
		for _, b := range f.copies {
			if on(oneHistory) && b.version == v && b.prevCommit != want {
				a.find("tampered", "another history", d, v)
			}
		}
		p, _ := get[*pointer](a.rows, pointerKey(d, v))
		if p == nil {
			a.find("tampered", "copied event", d, v)
			return
		}
		e := a.rows.event(p.chain, p.seq)
		if e == nil || e.hash() != want || on(bareCopy) && e.sig != (signature{}) {
			a.find("tampered", "copied event", d, v)
			return
		}
		want = e.prevCommit
	}
}

// checkDialogue checks one dialogue and returns its state.
func (a *audit) checkDialogue(d string) string {
	f := a.facts[d]
	if f == nil {
		f = &facts{named: map[string]bool{}}
	}
	version, last := a.checkHistory(d, f)
	h, _ := get[*header](a.rows, key{"k", d, "head"})
	m, _ := get[*meta](a.rows, key{"d", d, "meta"})
	reg, hasReg := get[*registry](a.rows, key{"k", "erased", d})
	for _, k := range a.rows.partition("k", d) {
		isMark := k.sk == "head" && h != nil && h.state != "active"
		if name := rowName(k, a.rows[k]); on(rowNamed) && !isMark && !f.named[name] {
			a.find("tampered", "key row without event", d, k.sk)
		}
	}
	isErasing := hasReg && a.isBelieved(reg.carried, d, "erase", "erase intent", "destroy_key intent", "erase success")
	if hasReg && !isErasing {
		a.find("tampered", "registry", d)
	}
	isTombstone := m != nil && m.kind == "erased"
	isMarked := h != nil && h.state != "active" || isTombstone
	if !on(marks) && isMarked {
		return "erased"
	}
	if isMarked && !isErasing {
		a.find("tampered", "mark", d)
	}
	isDoomed := isErasing && reg.carried.is("destroy_key", "intent") && a.dooms(f, version, reg.carried.event) || isErasing && !on(doomed)
	remembered, isRemembered := a.remembered()[d]
	done := len(f.successes) > 0
	if isErasing && reg.carried.is("erase", "success") && on(carried) {
		done = true
	}
	items := a.rows.partition("d", d)
	if done && on(staysErased) {
		if m == nil || m.kind != "erased" || len(items) != 1 || len(a.wraps(d)) > 0 {
			a.find("tampered", "erased, but stored", d)
			return "undone"
		}
		if !isErasing || h == nil || h.state != "erased" || !reg.carried.is("erase", "success") {
			a.unproven = append(a.unproven, "marks of "+d)
		}
		return "erased"
	}
	if isRemembered && remembered.erased != nil && !done {
		a.find("tampered", "rolled back", d)
		return "undone"
	}
	if isErasing {
		a.unproven = append(a.unproven, "erasure of "+d)
	}
	if isTombstone && isDoomed {
		return "erasing"
	}
	return a.checkStored(d, f, m, version, last, remembered, isRemembered)
}

// dooms reports whether a destroy_key intent ends a dialogue. No believed commit
// is newer than the one that it names.
func (a *audit) dooms(f *facts, version int, e *event) bool {
	if x := f.commits[e.version]; x != nil && x.hash() != e.prevCommit {
		return false
	}
	return e.version >= version
}

// keyless leaves out the checks of a dialogue that need its key, as audit verify
// does.
var keyless bool

// checkStored checks a dialogue that no erasure ended.
func (a *audit) checkStored(d string, f *facts, m *meta, version int, last *event, remembered freshness, isRemembered bool) string {
	items := a.rows.partition("d", d)
	if m != nil && m.kind == "unfinished" {
		if !on(unfinished) || a.isBelieved(m.carried, d, "write", "boundary intent") && version == 0 && !isRemembered {
			a.unproven = append(a.unproven, "copy of "+d)
			return "copying"
		}
		a.find("tampered", "unfinished", d)
		return "damaged"
	}
	if m == nil || m.kind != "live" {
		switch {
		case version > 0:
			a.find("tampered", "gone", d)
		case isRemembered:
			a.find("tampered", "rolled back", d)
		case len(f.copyIntents) > 0 && len(items) == 0:
			a.unproven = append(a.unproven, "copy of "+d)
			return "copying"
		case len(items) > 0:
			a.find("tampered", "stray", d)
		}
		return "none"
	}
	if isRemembered && (m.root.version < remembered.version || m.root.version == remembered.version && m.root.hash() != remembered.root) {
		a.find("tampered", "rolled back", d)
	}
	if last == nil || m.root.version != version || m.root.hash() != last.root {
		a.find("tampered", "root", d)
		return "damaged"
	}
	a.checkKeyRows(d, f)
	if keyless {
		return "live"
	}
	if m.root.dialogue != d || m.root.items != a.rows.items(d) {
		a.find("tampered", "items", d)
	}
	if last.op == "encrypt" && m.root.core != last.core() || last.op == "boundary" && last.prevCommit != sum("event", "|", m.root.core, "|", m.root.hash()) {
		a.find("tampered", "core_hash", d)
	}
	return "live"
}

// checkKeyRows checks that the key rows of a stored dialogue exist.
func (a *audit) checkKeyRows(d string, f *facts) {
	if on(rowStored) {
		if h := a.rows[key{"k", d, "head"}]; h == nil && len(f.intents) == 0 {
			a.find("tampered", "no header", d)
		}
		for _, n := range a.lostRows(d) {
			a.find("tampered", "key row missing", d, n)
		}
	}
}

func (a *audit) wraps(d string) []key {
	return a.rows.keys(func(k key) bool { return k.table == "k" && k.pk == d && k.sk != "head" })
}

// items returns a digest of the items of a dialogue with their MACs.
func (r rows) items(d string) string {
	text := ""
	for _, k := range r.partition("d", d) {
		if i, ok := r[k].(*item); ok {
			text += fmt.Sprint("|", k.sk, "|", i.mac, "|", i.mac == sum("mac", d, k.sk, i.value))
		} else if k.sk != "meta" {
			text += "|malformed"
		}
	}
	return sum("items", text)
}
