package trustmodel

import (
	"fmt"
	"testing"
)

// scenarios has an attack or an honest history for each rule that random search
// rarely needs. A scenario returns "" if the design holds.
var scenarios map[rule]func() string

func init() {
	scenarios = map[rule]func() string{seen: cutSeenChain, discarded: returnDiscarded, rosterNamed: cutRoster, everListed: forkRoster, voidLists: restoreBeforeArchive,
		destroyRole: lieAboutKey, authorized: rememberAcrossRestore, prevCommit: replaceCommit,
		boundary: editCopied, rowNamed: plantWrap, rowStored: takeWrap, rosterEvent: cutStatementEvent, bareCopy: signCopied, oneHistory: copyOver, doomed: plantAbandoned, ownEnd: closeElsewhere,
		openChains: cutGrant, carried: restoreErased, keptMarks: restoreAfterRemoval, lostKey: restoreWithoutWrap, adoptKey: restoreWithPlanted}
}

// setUp returns a sim with dialogue d1, written by A in a closed chain.
func setUp() (w *sim, a, b *client) {
	w = newSim(1, "n1")
	a, b = w.clients["A"], w.clients["B"]
	a.create("d1", []string{"u"})
	a.close()
	w.takeSnapshot()
	return w, a, b
}

func passes(w *sim, mem *memory) string {
	if a := verify(w.rows, w.pin, mem); isPassed(a) {
		return a.verdict()
	}
	return ""
}

func alarms(w *sim, mem *memory) string {
	if a := verify(w.rows, w.pin, mem); len(a.findings) > 0 {
		return fmt.Sprint(a.findings)
	}
	return ""
}

// backTo replaces the rows that a function selects by the rows of a snapshot.
func (w *sim) backTo(s snapshot, isWanted func(key) bool) {
	for _, k := range w.rows.keys(isWanted) {
		delete(w.rows, k)
	}
	for k, v := range s.rows {
		if isWanted(k) {
			w.rows[k] = v
		}
	}
}

// A's open chain is cut after B has seen it.
func cutSeenChain() string {
	w, a, b := setUp()
	a.append(event{op: "decrypt", dialogue: "d1"}, nil)
	w.takeSnapshot()
	chain := a.chain
	a.write("d1")
	b.checkpointAll()
	b.close()
	w.backTo(w.snapshots[1], func(k key) bool { return k.pk == "d1" || k.pk == "ptr:d1" || k.pk == "chain:"+chain })
	return passes(w, nil)
}

// A commit that a restore discarded is stored again with its closed chain.
func returnDiscarded() string {
	w, a, _ := setUp()
	a.write("d1")
	a.close()
	later := w.rows.clone()
	a.restore(w.snapshots[0], true)
	a.close()
	for k, v := range later {
		if w.rows[k] == nil || k.table == "d" {
			w.rows[k] = v
		}
	}
	return passes(w, nil)
}

// The statements of a removal are deleted. The chain that states them began
// before them.
func cutRoster() string {
	w, a, _ := setUp()
	a.remove(w.clients["M"])
	a.close()
	delete(w.rows, statementKey(2))
	delete(w.rows, statementKey(3))
	return passes(w, nil)
}

// The removed admin M states a removal of A instead of the own one.
func forkRoster() string {
	w, a, _ := setUp()
	a.remove(w.clients["M"])
	a.close()
	list := map[string]end{}
	for name, x := range verify(w.rows, w.pin, nil).chains {
		list[name] = end{len(x.events), x.events[len(x.events)-1].link()}
	}
	s := &statement{n: 2, prev: w.notes[0].hash(), signer: "M", lines: []line{{kind: "suspend", key: "A"}, {kind: "remove", key: "A", list: list}}}
	s.sig = sign("M", s.hash())
	w.rows[statementKey(2)] = s
	delete(w.rows, statementKey(3))
	return passes(w, nil)
}

// A backup is older than the archive of a chain that was open then.
func restoreBeforeArchive() string {
	w, a, b := setUp()
	b.append(event{op: "decrypt", dialogue: "d1"}, nil)
	w.takeSnapshot()
	b.append(event{op: "decrypt", dialogue: "d1"}, nil)
	b.close()
	for range 12 {
		a.archive()
	}
	a.close()
	a.restore(w.snapshots[1], true)
	a.close()
	return alarms(w, nil)
}

// The writer B states that the wraps were destroyed, and only moves them.
func lieAboutKey() string {
	w, _, b := setUp()
	var names []string
	for _, k := range (&audit{rows: w.rows}).wraps("d1") {
		names = append(names, rowName(k, w.rows[k]))
		delete(w.rows, k)
	}
	b.append(event{op: "destroy_key", dialogue: "d1", names: names}, nil)
	b.close()
	if cert := w.clients["E"].erase("d1"); cert.isFinal() {
		return fmt.Sprint("final certificate for ", cert.found)
	}
	return ""
}

// A client remembers the state before an honest restore.
func rememberAcrossRestore() string {
	w, a, _ := setUp()
	a.write("d1")
	a.close()
	mem := w.memory()
	a.restore(w.snapshots[0], true)
	return alarms(w, mem)
}

// The writer B replaces a commit of A, whose whole chain is removed.
func replaceCommit() string {
	w, a, b := setUp()
	a.write("d1")
	chain := a.chain
	commit := *w.rows.event(chain, a.seq)
	a.close()
	a.write("d1")
	a.close()
	for _, k := range w.rows.keys(func(k key) bool { return k.pk == "chain:"+chain || k.pk == "checkpoint:"+chain || k.sk == chain }) {
		delete(w.rows, k)
	}
	forged := b.append(event{op: "encrypt", dialogue: "d1", version: 2, names: []string{"other"}, prevCommit: commit.prevCommit, root: commit.root}, nil)
	b.close()
	w.rows[pointerKey("d1", 2)] = &pointer{forged.chain, forged.seq}
	return passes(w, nil)
}

// An event that came with a copy is changed.
func editCopied() string {
	w, a, _ := setUp()
	a.copyIn("d2")
	a.close()
	e := *w.rows.event("sd2", 4)
	e.names = []string{"other"}
	w.rows[eventKey("sd2", 4)] = &e
	return passes(w, nil)
}

// A wrap for another user is planted.
func plantWrap() string {
	w, _, _ := setUp()
	w.rows[key{"k", "d1", "wrap:000001:z"}] = &wrap{"planted"}
	return passes(w, nil)
}

// One of two wraps is deleted.
func takeWrap() string {
	w, a, _ := setUp()
	a.create("d2", []string{"u", "v"})
	a.close()
	delete(w.rows, (&audit{rows: w.rows}).wraps("d2")[1])
	return passes(w, nil)
}

// The end of an open chain is cut. The lost event stated an archive.
func cutStatementEvent() string {
	w, a, b := setUp()
	b.append(event{op: "decrypt", dialogue: "d1"}, nil)
	b.close()
	for range 12 {
		a.archive()
	}
	delete(w.rows, eventKey(a.chain, a.seq))
	return passes(w, nil)
}

// An event that came with a copy gets a signature.
func signCopied() string {
	w, a, _ := setUp()
	a.copyIn("d2")
	a.close()
	e := *w.rows.event("sd2", 4)
	e.sig = sign("B", "")
	w.rows[eventKey("sd2", 4)] = &e
	return passes(w, nil)
}

// The writer B states a copy of another history over the commits of A, with the
// real root. The verifier has no key.
func copyOver() string {
	w, a, b := setUp()
	a.write("d1")
	a.close()
	keyless = true
	defer func() { keyless = false }()
	one := &event{chain: "s", seq: 1, op: "encrypt", out: "success", dialogue: "d1", version: 1, names: []string{"other"}}
	two := &event{chain: "s", seq: 2, op: "encrypt", out: "success", dialogue: "d1", version: 2, prevCommit: one.hash()}
	b.append(event{op: "boundary", dialogue: "d1", version: 2, prevCommit: two.hash(), root: w.truth["d1"].root.hash()},
		rows{eventKey("s", 1): one, eventKey("s", 2): two, pointerKey("d1", 1): &pointer{"s", 1}, pointerKey("d1", 2): &pointer{"s", 2}})
	b.close()
	return passes(w, nil)
}

// TestAccept checks that an accepted finding does not raise the alarm again,
// that another one does, and that an accepted mark is not believed.
func TestAccept(t *testing.T) {
	w, a, _ := setUp()
	w.rows[key{"k", "erased", "d1"}] = &registry{}
	list := map[string]end{}
	for _, f := range verify(w.rows, w.pin, nil).findings {
		list[fmt.Sprint(f)] = end{}
	}
	a.state(line{kind: "accept", list: list})
	a.close()
	if got := alarms(w, nil); got != "" {
		t.Error("accepted:", got)
	}
	if got := a.show("d1", nil); got != "live 1" {
		t.Error("show:", got)
	}
	if list := a.replay(); len(list) > 0 {
		t.Error("replay:", list)
	}
	w.rows[key{"k", "erased", "d2"}] = &registry{}
	if got := passes(w, nil); got != "" {
		t.Error("another mark:", got)
	}
}

// TestRotationOfAKey replaces the signing key of a member.
func TestRotationOfAKey(t *testing.T) {
	w, a, b := setUp()
	w.clients["N"], w.written["N"] = &client{w: w, key: "N"}, map[string]bool{}
	b.append(event{op: "decrypt", dialogue: "d1"}, nil)
	a.state(line{kind: "member", key: "N", roles: "write"})
	a.remove(b)
	w.clients["N"].write("d1")
	for _, x := range []*client{a, w.clients["N"]} {
		x.close()
	}
	if got := verify(w.rows, w.pin, nil); got.verdict() != "ok" {
		t.Error(got.verdict(), got.findings, got.unproven)
	}
	b.append(event{op: "decrypt", dialogue: "d1"}, nil)
	if got := passes(w, nil); got != "" {
		t.Error("event of the old key:", got)
	}
}

// The intent of an erasure that stopped at once is planted after a later commit.
func plantAbandoned() string {
	w, a, _ := setUp()
	e := w.clients["E"]
	intent := e.append(event{op: "erase", out: "intent", dialogue: "d1"}, nil)
	e.chain = "" // the process is killed
	a.write("d1")
	a.close()
	for _, k := range w.rows.keys(func(k key) bool { return k.pk == "d1" }) {
		delete(w.rows, k)
	}
	w.rows[key{"d", "d1", "meta"}] = &meta{kind: "erased"}
	w.rows[key{"k", "d1", "head"}] = &header{state: "erasing"}
	w.rows[key{"k", "erased", "d1"}] = &registry{mark{intent, "E"}}
	return passes(w, nil)
}

// A's open chain is cut, and another machine of A closes it.
func closeElsewhere() string {
	w, a, _ := setUp()
	a.append(event{op: "decrypt", dialogue: "d1"}, nil)
	w.takeSnapshot()
	a.write("d1")
	w.backTo(w.snapshots[1], func(key) bool { return true })
	other := &client{w: w, key: "A"}
	other.checkpointAll()
	other.close()
	if got := verify(w.rows, w.pin, nil).verdict(); got == "ok" {
		return got
	}
	return ""
}

// B's open chain is cut before B wraps the key, and the wrap is taken away.
func cutGrant() string {
	w, _, b := setUp()
	b.append(event{op: "decrypt", dialogue: "d1"}, nil)
	w.takeSnapshot()
	b.storeWraps("d1", 1, []string{"u", "z"})
	w.backTo(w.snapshots[1], func(key) bool { return true })
	if cert := w.clients["E"].erase("d1"); cert.isFinal() {
		return fmt.Sprint("final certificate for ", cert.found)
	}
	return ""
}

// The data file is restored after the removal of the eraser M.
func restoreAfterRemoval() string {
	w, a, _ := setUp()
	m := w.clients["M"]
	m.erase("d1")
	a.remove(m)
	a.close()
	w.success = map[string]freshness{} // the restoring client has not seen the erasure
	a.restore(w.snapshots[0], false)
	a.close()
	if got := verify(w.rows, w.pin, nil); len(got.findings) > 0 || got.status["d1"] != "erased" {
		return fmt.Sprint(got.status["d1"], got.findings)
	}
	return ""
}

// The data file is restored by a client that has not seen the erasure.
func restoreErased() string {
	w, a, _ := setUp()
	w.clients["E"].erase("d1")
	w.success = map[string]freshness{}
	a.restore(w.snapshots[0], false)
	a.close()
	if got := verify(w.rows, w.pin, nil); len(got.findings) > 0 || got.status["d1"] != "erased" {
		return fmt.Sprint(got.status["d1"], got.findings)
	}
	return ""
}

// A wrap is taken away before the data file is restored.
func restoreWithoutWrap() string {
	w, a, _ := setUp()
	a.create("d2", []string{"u", "v"})
	a.close()
	w.takeSnapshot()
	delete(w.rows, (&audit{rows: w.rows}).wraps("d2")[0])
	a.restore(w.snapshots[1], false)
	a.close()
	if cert := w.clients["E"].erase("d2"); cert.isFinal() {
		return fmt.Sprint("final certificate for ", cert.found)
	}
	return ""
}

// A wrap is planted before the data file is restored.
func restoreWithPlanted() string {
	w, a, _ := setUp()
	k := key{"k", "d1", "wrap:000001:z"}
	w.rows[k] = &wrap{"planted"}
	a.restore(w.snapshots[0], false)
	a.close()
	if w.rows[k] == nil {
		return ""
	}
	return passes(w, nil)
}
