package trustmodel

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

var ids = []string{"d1", "d2", "d3", "d4"}

// An attacker changes the rows of a sim between the operations of honest
// clients. The attacker has every row that was ever stored, every refused
// transaction, all rows of a second store of the same members, and the keys of
// some members. The key X belongs to no member.
type attacker struct {
	*sim
	other *sim
	keys  []string
	did   []string
}

func pick[T any](a *attacker, all []T) T { return all[a.rng.Intn(len(all))] }

func (a *attacker) note(parts ...any) {
	a.did = append(a.did, strings.TrimSpace(fmt.Sprintln(parts...)))
}

// attack makes n changes.
func (a *attacker) attack(n int) {
	kinds := []func(d, c string, events []key) bool{a.deleteRow, a.replayRow, a.replaySnapshot, a.wipe, a.dropChain, a.cut, a.forgeMarks, a.forgePlan,
		a.extend, a.ownChain, a.ownChain, a.forgeCheckpoint, a.forgeStatement, a.forgePointer, a.otherRow, a.otherChain, a.edit, a.editSignature, a.moveWrap, a.applyRefused, a.rollBack}
	for done := 0; done < n; {
		c := pick(a, append(a.rows.chains(), "none"))
		if pick(a, kinds)(pick(a, ids), c, a.rows.partition("a", "chain:"+c)) {
			done++
		}
	}
}

func (a *attacker) deleteRow(string, string, []key) bool {
	all := a.rows.keys(func(key) bool { return true })
	if len(all) == 0 {
		return false
	}
	k := pick(a, all)
	delete(a.rows, k)
	a.note("delete", k)
	return true
}

func (a *attacker) replayRow(string, string, []key) bool {
	l := a.log[a.rng.Intn(len(a.log))]
	if l.v == nil {
		return false
	}
	a.rows[l.k] = l.v
	a.note("replay", l.k)
	return true
}

func hits(which, d string) func(key) bool {
	return func(k key) bool {
		switch {
		case which == "all":
			return true
		case k.table == "d" && k.pk == d:
			return strings.Contains(which, "data")
		case k.table == "k" && (k.pk == d || k.sk == d):
			return strings.Contains(which, "keys")
		case k.pk == "ptr:"+d:
			return strings.Contains(which, "pointers")
		case k.pk == "roster":
			return strings.Contains(which, "roster")
		}
		return k.table == "a" && strings.Contains(which, "audit")
	}
}

// replaySnapshot makes part of the rows as they once were.
func (a *attacker) replaySnapshot(d, _ string, _ []key) bool {
	s, which := pick(a, a.snapshots), pick(a, []string{"data", "keys", "data keys", "data keys pointers", "all", "audit", "roster"})
	for _, k := range a.rows.keys(hits(which, d)) {
		delete(a.rows, k)
	}
	for k, v := range s.rows {
		if hits(which, d)(k) {
			a.rows[k] = v
		}
	}
	a.note("snapshot", which, d)
	return true
}

func (a *attacker) wipe(d, _ string, _ []key) bool {
	which := pick(a, []string{"data", "data pointers", "data pointers keys", "data keys", "keys"})
	for _, k := range a.rows.keys(hits(which, d)) {
		delete(a.rows, k)
	}
	a.note("wipe", which, d)
	return true
}

func (a *attacker) dropChain(_, c string, events []key) bool {
	if len(events) == 0 {
		return false
	}
	isWhole := a.rng.Intn(3) > 0
	for _, k := range events {
		delete(a.rows, k)
	}
	if isWhole {
		delete(a.rows, key{"a", "days", c})
		for _, k := range a.rows.partition("a", "checkpoint:"+c) {
			delete(a.rows, k)
		}
	}
	a.note("drop chain", c, isWhole)
	return true
}

func (a *attacker) cut(_, c string, events []key) bool {
	if len(events) < 2 {
		return false
	}
	n := 1 + a.rng.Intn(len(events)-1)
	for _, k := range append(events[n:], a.rows.partition("a", "checkpoint:"+c)...) {
		delete(a.rows, k)
	}
	a.note("cut", c, n)
	return true
}

// rollBack takes away the newest commits of a dialogue with their events: the
// data as in a snapshot, and each chain cut before the first later commit.
func (a *attacker) rollBack(d, _ string, _ []key) bool {
	s := pick(a, a.snapshots)
	m, _ := get[*meta](s.rows, key{"d", d, "meta"})
	for _, k := range a.rows.keys(hits("data pointers", d)) {
		delete(a.rows, k)
	}
	for k, v := range s.rows {
		if hits("data pointers", d)(k) {
			a.rows[k] = v
		}
	}
	v := 0
	if m != nil {
		v = m.root.version
	}
	for _, c := range a.rows.chains() {
		events := a.rows.partition("a", "chain:"+c)
		for i, k := range events {
			if e, _ := a.rows[k].(*event); e != nil && e.dialogue == d && e.root != "" && e.version > v {
				for _, k := range append(events[i:], a.rows.partition("a", "checkpoint:"+c)...) {
					delete(a.rows, k)
				}
				break
			}
		}
	}
	a.note("roll back", d, v)
	return true
}

// aMark returns a real event, an event of another dialogue or a forged one.
func (a *attacker) aMark(d string, ops ...string) mark {
	var real, any []mark
	for k, v := range a.rows {
		if e, ok := v.(*event); ok && k.pk == "chain:"+e.chain {
			if g := a.rows.event(e.chain, 1); g != nil {
				any = append(any, mark{e, g.key})
				if e.dialogue == d && slices.Contains(ops, e.op) {
					real = append(real, mark{e, g.key})
				}
			}
		}
	}
	slices.SortFunc(any, func(x, y mark) int { return strings.Compare(x.event.hash(), y.event.hash()) })
	slices.SortFunc(real, func(x, y mark) int { return strings.Compare(x.event.hash(), y.event.hash()) })
	switch a.rng.Intn(4) {
	case 0:
		if len(any) > 0 {
			return pick(a, any)
		}
	case 1:
		if len(real) > 0 {
			return pick(a, real)
		}
	case 2:
		return mark{}
	}
	k := pick(a, a.keys)
	e := &event{chain: "x", seq: 2, op: pick(a, ops), out: pick(a, []string{"intent", "success"}), dialogue: d}
	e.sig = sign(k, eventMessage(a.pin, e))
	return mark{e, pick(a, []string{k, "A", "E"})}
}

// forgeMarks plants one or more marks of a state that ends a dialogue.
func (a *attacker) forgeMarks(d, _ string, _ []key) bool {
	which := a.rng.Intn(16)
	m := a.aMark(d, "erase", "boundary")
	if which&1 > 0 {
		a.rows[key{"k", d, "head"}] = &header{state: pick(a, []string{"erased", "erasing", "active"})}
	}
	if which&2 > 0 {
		a.rows[key{"d", d, "meta"}] = &meta{kind: pick(a, []string{"erased", "erased", "unfinished"}), carried: m}
	}
	if which&4 > 0 {
		a.rows[key{"k", "erased", d}] = &registry{m}
	}
	if which&8 > 0 {
		for _, k := range a.rows.partition("d", d) {
			if k.sk != "meta" {
				delete(a.rows, k)
			}
		}
	}
	a.note("marks", which, d, m.key)
	return which > 0
}

func (a *attacker) forgePlan(d, _ string, _ []key) bool {
	u := pick(a, []string{"u", "v"})
	a.rows[key{"k", "erasing", u}] = &plan{d + " d9", a.aMark("", "erase")}
	a.note("plan", u)
	return true
}

// forged returns an event with one of the attacker's signatures or none.
func (a *attacker) forged(chain string, seq int, previous string, e event) *event {
	e.chain, e.seq, e.previous = chain, seq, previous
	if e.out == "" {
		e.out = "success"
	}
	if a.rng.Intn(4) > 0 {
		e.sig = sign(pick(a, a.keys), eventMessage(a.pin, &e))
	}
	return &e
}

func (a *attacker) content(d string) event {
	e := pick(a, []event{{op: "decrypt", dialogue: d}, {op: "erase", out: "intent", dialogue: d}, {op: "erase", dialogue: d, names: []string{"row#x"}}, {op: "close"},
		{op: "boundary", out: "intent", dialogue: d}, {op: "encrypt", dialogue: d}, {op: "roster"}, {op: "destroy_key", dialogue: d}, {op: "boundary", dialogue: d}})
	t := a.truth[d]
	switch {
	case e.op == "encrypt" && t != nil:
		e.version, e.root, e.prevCommit = t.version+a.rng.Intn(2), t.root.hash(), sum("event", "|", t.root.core, "|", t.root.hash())
	case e.op == "destroy_key":
		for _, k := range (&audit{rows: a.rows}).wraps(d) {
			e.names = append(e.names, rowName(k, a.rows[k]))
		}
	case e.op == "roster":
		e.version, e.digest = len(a.notes), a.notes[len(a.notes)-1].hash()
	}
	return e
}

func (a *attacker) extend(d, c string, events []key) bool {
	if len(events) == 0 {
		return false
	}
	last, ok := a.rows[events[len(events)-1]].(*event)
	if !ok {
		return false
	}
	e := a.forged(c, last.seq+1, last.link(), a.content(d))
	a.rows[eventKey(c, e.seq)] = e
	a.note("extend", c, e.op, e.sig.key)
	return true
}

// ownChain adds a complete chain that claims any signer.
func (a *attacker) ownChain(d, _ string, _ []key) bool {
	a.count++
	c := fmt.Sprintf("x%03d", a.count)
	n := 1 + a.rng.Intn(len(a.notes))
	claimed := pick(a, append(slices.Clone(a.keys), "A", "E"))
	e := a.forged(c, 1, sum("chain", c), event{op: "genesis", key: claimed, version: n, digest: a.notes[n-1].hash()})
	isConsistent := a.rng.Intn(10) < 7
	if isConsistent {
		e.sig = sign(claimed, eventMessage(a.pin, e))
		if !slices.Contains(a.keys, claimed) {
			e.sig = sign(pick(a, a.keys), eventMessage(a.pin, e))
		}
	}
	signer := e.sig.key
	what := ""
	for range 1 + a.rng.Intn(3) {
		a.rows[eventKey(c, e.seq)] = e
		e = a.forged(c, e.seq+1, e.link(), a.content(d))
		if isConsistent {
			e.sig = sign(signer, eventMessage(a.pin, e))
		}
		what += " " + e.op
	}
	a.rows[eventKey(c, e.seq)] = e
	a.rows[key{"a", "days", c}] = &day{}
	if e.op == "close" {
		a.rows[key{"a", "checkpoint:" + c, number(e.seq)}] = &checkpoint{e.seq, e.hash(), sign(pick(a, a.keys), checkpointMessage(a.pin, c, e.seq, e.hash()))}
	}
	a.note("own chain", claimed, what, d)
	return true
}

func (a *attacker) forgeCheckpoint(_, c string, events []key) bool {
	if len(events) == 0 {
		return false
	}
	if e := a.rows.event(c, len(events)); e != nil {
		k := pick(a, a.keys)
		a.rows[key{"a", "checkpoint:" + c, number(e.seq)}] = &checkpoint{e.seq, e.hash(), sign(k, checkpointMessage(a.pin, c, e.seq, e.hash()))}
		a.note("checkpoint", c, k)
		return true
	}
	return false
}

func (a *attacker) forgeStatement(string, string, []key) bool {
	n := pick(a, []int{len(a.notes) + 1, len(a.notes), max(1, len(a.notes)-1)})
	prev := a.notes[0].prev
	if n > 1 {
		prev = a.notes[n-2].hash()
	}
	k := pick(a, a.keys)
	lines := []line{{kind: "member", key: k, roles: "admin,erase,write"}}
	if a.rng.Intn(2) == 0 {
		lines = append(lines, line{kind: "remove", key: "A"})
	}
	s := &statement{n: n, prev: prev, lines: lines, signer: k}
	s.sig = sign(k, s.hash())
	a.rows[statementKey(n)] = s
	a.note("statement", n, k)
	return true
}

func (a *attacker) forgePointer(d, c string, _ []key) bool {
	a.rows[pointerKey(d, 1+a.rng.Intn(4))] = &pointer{c, 1 + a.rng.Intn(5)}
	a.note("pointer", d)
	return true
}

func (a *attacker) otherRow(string, string, []key) bool {
	l := a.other.log[a.rng.Intn(len(a.other.log))]
	if l.v == nil {
		return false
	}
	a.rows[l.k] = l.v
	a.note("other store's row", l.k)
	return true
}

func (a *attacker) otherChain(string, string, []key) bool {
	c := pick(a, append(a.other.rows.chains(), "none"))
	for k, v := range a.other.rows {
		if k.pk == "chain:"+c || k.pk == "checkpoint:"+c || k.pk == "days" && k.sk == c {
			a.rows[k] = v
		}
	}
	a.note("other store's chain", c)
	return true
}

// edit changes an event and computes the hashes from there on.
func (a *attacker) edit(d, c string, events []key) bool {
	if len(events) == 0 {
		return false
	}
	n := 1 + a.rng.Intn(len(events))
	k := pick(a, a.keys)
	for i := n; i <= len(events); i++ {
		e := a.rows.event(c, i)
		if e == nil {
			return i > n
		}
		x := *e
		if i == n {
			switch a.rng.Intn(4) {
			case 0:
				x.dialogue = d
			case 1:
				x.op = "decrypt"
			case 2:
				x.names = []string{"other"}
			default:
				x.version++
			}
		} else {
			x.previous = a.rows.event(c, i-1).link()
		}
		if a.rng.Intn(2) == 0 {
			x.sig = sign(k, eventMessage(a.pin, &x))
		}
		a.rows[eventKey(c, i)] = &x
	}
	a.note("edit", c, n)
	return true
}

func (a *attacker) editSignature(_, c string, events []key) bool {
	if len(events) == 0 {
		return false
	}
	n := 1 + a.rng.Intn(len(events))
	e := a.rows.event(c, n)
	if e == nil {
		return false
	}
	x := *e
	x.sig = sign("X", "other")
	a.rows[eventKey(c, n)] = &x
	a.note("signature", c, n)
	return true
}

// moveWrap takes a wrap away, returns an old one or plants one.
func (a *attacker) moveWrap(d, _ string, _ []key) bool {
	if w := (&audit{rows: a.rows}).wraps(d); len(w) > 0 && a.rng.Intn(2) == 0 {
		delete(a.rows, w[0])
		a.note("wrap taken", w[0])
		return true
	}
	a.rows[key{"k", d, "wrap:000001:u"}] = &wrap{pick(a, []string{fmt.Sprint(d, 1, "u"), "planted"})}
	a.note("wrap", d)
	return true
}

// applyRefused stores a signed transaction that the store had refused.
func (a *attacker) applyRefused(string, string, []key) bool {
	if len(a.captured) == 0 {
		return false
	}
	maps.Copy(a.rows, pick(a, a.captured))
	a.note("refused transaction")
	return true
}
