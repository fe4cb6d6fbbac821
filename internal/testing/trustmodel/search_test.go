package trustmodel

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// isRefused reports whether the stored state of a dialogue is a commit that the
// store refused, on top of the true state. A member signed it for this place.
func (w *sim) isRefused(d string) bool {
	t := w.truth[d]
	m, _ := get[*meta](w.rows, key{"d", d, "meta"})
	return t != nil && m != nil && m.root.version == t.version+1 && slices.ContainsFunc(w.captured, func(r rows) bool {
		x, _ := get[*meta](r, key{"d", d, "meta"})
		return x != nil && x.root == m.root
	})
}

// takeSnapshot keeps a backup of both files.
func (w *sim) takeSnapshot() {
	s := snapshot{w.rows.clone(), map[string]truth{}, maps.Clone(w.intents)}
	for d, t := range w.truth {
		s.truth[d] = *t
	}
	w.snapshots = append(w.snapshots, s)
}

// isOpen reports whether a dialogue can be written. The intent of an erasure
// that stopped before its first mark does not prevent that.
func (w *sim) isOpen(d string) bool {
	t := w.truth[d]
	h, _ := get[*header](w.rows, key{"k", d, "head"})
	return t != nil && t.state == "live" && h != nil && h.state == "active"
}

// step does one operation of one client, to its end or to a crash.
func (w *sim) step() string {
	c := w.clients[[]string{"A", "A", "B", "M"}[w.rng.Intn(4)]]
	if r, _ := walkRoster(w.rows, w.pin); c.key == "M" && r.members["M"].suspended || w.removed && c.key == "M" {
		c = w.clients["A"] // a suspended member begins no operation
	}
	d, budget := ids[w.rng.Intn(len(ids))], -1
	if w.rng.Intn(3) == 0 {
		budget = 1 + w.rng.Intn(12)
	}
	w.refuse, w.isOpenLate = 15, true
	admin, eraser := w.clients["A"], w.clients[[]string{"A", "E"}[w.rng.Intn(2)]]
	name := ""
	do := func(who *client, what string, op func()) { name = what; w.run(who, budget, op) }
	t := w.truth[d]
	switch x := w.rng.Intn(100); {
	case x < 6 && !w.removed:
		do(admin, "remove", func() { admin.remove(w.clients["M"]) })
	case x < 12:
		do(admin, "archive", func() { admin.archive() })
	case x < 16 && len(w.snapshots) > 2:
		budget = -1
		s, isWithKeys := w.snapshots[w.rng.Intn(len(w.snapshots))], w.rng.Intn(2) == 0
		if !isWithKeys { // the data of a backup opens only under keys that still exist
			for d, x := range s.truth {
				if o := w.truth[d]; o == nil || o.turn != x.turn || o.state != x.state || len(o.users) != len(x.users) {
					if w.success[d].erased == nil {
						return ""
					}
				}
			}
			for d := range w.truth {
				if _, ok := s.truth[d]; !ok && w.success[d].erased == nil {
					return ""
				}
			}
		}
		do(admin, "restore", func() { admin.restore(s, isWithKeys) })
	case x < 22:
		do(admin, "checkpoint", func() { admin.checkpointAll() })
	case x < 26:
		do(admin, "erase user", func() { admin.eraseUser("v") })
	case x < 38 && (w.isOpen(d) || w.intents[d] && w.success[d].erased == nil):
		do(eraser, "erase", func() { eraser.erase(d) })
	case x < 46 && w.isOpen(d):
		do(c, "rotate", func() { c.rotate(d, t.users) })
	case x < 52 && w.isOpen(d):
		do(c, "read", func() { c.append(event{op: "decrypt", dialogue: d}, nil) })
	case x < 56:
		do(c, "publish", func() { c.publish() })
	case t == nil && x < 70:
		do(c, "copy", func() { c.copyIn(d) })
	case t == nil || t.state == "none":
		users := []string{"u"}
		if w.rng.Intn(2) == 0 {
			users = []string{"u", "v"}
		}
		if t != nil && t.users != nil {
			users = t.users
		}
		do(c, "create", func() { c.create(d, users) })
	case t.state == "copying":
		do(c, "copy", func() { c.copyIn(d) })
	case w.isOpen(d):
		do(c, "write", func() { c.write(d) })
	}
	for _, k := range []string{"A", "B", "E", "M"} {
		if x := w.clients[k]; x.chain != "" && w.rng.Intn(4) == 0 && (k != "M" || !w.removed) {
			w.run(x, []int{-1, -1, -1, 1, 2}[w.rng.Intn(5)], x.close)
		}
	}
	w.takeSnapshot()
	return name
}

// A search counts trials and collects violations.
type search struct {
	Trials     int            `json:"trials"`
	Alarms     int            `json:"honest_states_verified"`
	Violations map[string]int `json:"violations"`
	Verdicts   map[string]int `json:"verdicts"`
	Limits     map[string]int `json:"limits_of_a_new_client"`
	Operations map[string]int `json:"operations"`
	Examples   []string       `json:"-"`
}

func newSearch() *search {
	return &search{Violations: map[string]int{}, Verdicts: map[string]int{}, Limits: map[string]int{}, Operations: map[string]int{}}
}

func (s *search) violate(what string, parts ...any) {
	s.Violations[what]++
	if len(s.Examples) < 60 {
		s.Examples = append(s.Examples, what+": "+strings.TrimSpace(fmt.Sprintln(parts...)))
	}
}

// honest runs a history without an attacker and verifies after each operation.
func (s *search) honest(seed int64, steps int) *sim {
	w := newSim(seed, fmt.Sprint("n", seed%2))
	var did []string
	for range steps {
		name := w.step()
		s.Operations[name]++
		did = append(did, name)
		for _, mem := range []*memory{nil, w.memory()} {
			s.Alarms++
			if a := verify(w.rows, w.pin, mem); len(a.findings) > 0 {
				s.violate("false alarm", seed, did, mem != nil, a.findings)
				return nil
			} else if x := w.differences(a.status); len(x) > 0 {
				s.violate("model", seed, did, mem != nil, x)
				return nil
			}
		}
		for d := range w.success { // a restore erases again
			if got := verify(w.rows, w.pin, nil).status[d]; name == "restore" && got != "erased" {
				s.violate("restored erased dialogue", seed, did, d, got)
			}
		}
	}
	return w
}

// differences compares the reported states with the truth.
func (w *sim) differences(status map[string]string) (out []string) {
	for _, d := range ids {
		got, t := status[d], w.truth[d]
		switch {
		case got == "live" && w.isRefused(d):
			// a limit: the holder of the store can store it later
		case t == nil || t.state == "none" || t.state == "copying":
			if w.success[d].erased == nil && (got == "live" || got == "erased" || got == "erasing" && !w.intents[d]) {
				out = append(out, d+" absent, "+got)
			}
		case w.success[d].erased != nil:
			if got != "erased" && got != "erasing" {
				out = append(out, d+" erased, "+got)
			}
		case w.intents[d]:
			m, _ := get[*meta](w.rows, key{"d", d, "meta"})
			v, isDoomed := w.doomed[d]
			isEnding := isDoomed && v >= t.version && (got == "erasing" || got == "erased")
			if !isEnding && !(got == "live" && m.root.version == t.version) {
				out = append(out, d+" erasing, "+got)
			}
		default:
			m, _ := get[*meta](w.rows, key{"d", d, "meta"})
			if got != "live" || m.root.version != t.version || w.rows.items(d) != t.items {
				out = append(out, d+" live, "+got)
			}
		}
	}
	return out
}

func isPassed(a *audit) bool { return a.verdict() == "ok" || a.verdict() == "unproven" }

// believed returns the events that a verifier attributes, by signed hash.
func (a *audit) believed() map[string]string {
	out := map[string]string{}
	for _, c := range a.chains {
		for _, e := range c.events {
			out[signedHash(e)] = c.key
		}
	}
	return out
}

var keysets = map[string][]string{"none": {"X"}, "removed": {"X", "M"}, "member": {"X", "B"}}

// trial runs one history, attacks it and checks the properties.
func (s *search) trial(seed int64, keyset string) {
	w, other := newSim(seed, "n1"), newSim(seed+1_000_000, "n2")
	for range 6 {
		other.step()
	}
	for range 5 + w.rng.Intn(12) {
		s.Operations[w.step()]++
	}
	if keyset == "removed" && !w.removed {
		w.clients["A"].remove(w.clients["M"])
	}
	if w.rng.Intn(3) > 0 {
		for _, k := range []string{"A", "B", "E"} {
			w.clients[k].close()
		}
	}
	w.takeSnapshot()
	s.Trials++
	t := &attackTrial{search: s, sim: w, seed: seed, mem: w.memory(), before: w.rows.clone(), keyset: keyset,
		attacker: &attacker{sim: w, other: other, keys: keysets[keyset]}}
	t.honest = verify(w.rows, w.pin, t.mem).believed()
	for k := range w.written {
		for h := range w.written[k] {
			if k != "M" || !w.removed {
				t.honest[h] = k
			}
		}
	}
	t.attacker.attack(1 + w.rng.Intn(1+w.rng.Intn(6)))
	t.check("")
	t.act()
}

// An attackTrial is one attacked sim.
type attackTrial struct {
	*search
	*sim
	*attacker
	seed   int64
	keyset string
	mem    *memory
	before rows
	honest map[string]string
}

func (t *attackTrial) violation(what string, parts ...any) {
	t.violate(what, t.seed, t.keyset, t.did, fmt.Sprint(parts...))
}

// check verifies as an old and as a new client and checks the properties.
func (t *attackTrial) check(suffix string) {
	w := t.sim
	older, newer := verify(w.rows, w.pin, t.mem), verify(w.rows, w.pin, nil)
	t.Verdicts["old "+older.verdict()]++
	t.Verdicts["new "+newer.verdict()]++
	for _, d := range ids {
		if older.status[d] == "live" && isPassed(older) && w.isRefused(d) {
			t.Limits["a refused commit stored later by the holder of the store"]++
		}
	}
	t.attributed("attribution, old client"+suffix, older)
	if x := w.differences(older.status); len(x) > 0 && isPassed(older) {
		t.violation("undetected, old client"+suffix, x, older.verdict())
	}
	if t.isFooled(newer, suffix) {
		return
	}
	t.attributed("attribution, new client"+suffix, newer)
	if x := w.differences(newer.status); len(x) > 0 && isPassed(newer) {
		t.excuse(suffix, newer, x)
	}
}

func (t *attackTrial) attributed(what string, a *audit) {
	for h, k := range a.believed() {
		if t.keyset == "member" && k == "B" {
			continue
		}
		if t.honest[h] != k && !(t.written[k][h] && (k != "M" || !t.removed)) {
			t.violation(what, k, h)
			return
		}
	}
}

// isFooled reports whether a new client believes another roster than the real
// one. That is a limit only if no chain is left that names the newest statement.
func (t *attackTrial) isFooled(a *audit, suffix string) bool {
	n := len(t.notes)
	if len(a.roster.hashes) == n && a.roster.hashes[n-1] == t.notes[n-1].hash() || len(a.roster.members) == 0 {
		return false
	}
	for _, c := range t.rows.chains() {
		for _, k := range t.rows.partition("a", "chain:"+c) {
			e, _ := t.rows[k].(*event)
			g := t.rows.event(c, 1)
			if e != nil && g != nil && e.version == n && t.honest[signedHash(e)] == g.key && (e.op == "genesis" || e.is("roster", "success")) && a.verdict() != "tampered" {
				t.violation("roster rolled back"+suffix, c)
			}
		}
	}
	if isPassed(a) {
		t.Limits["a roster rolled back, with every chain that names it"]++
	}
	return true
}

// excuse checks that an undetected difference is one of the limits.
func (t *attackTrial) excuse(suffix string, a *audit, differences []string) {
	now := a.believed()
	for _, x := range differences {
		d, _, _ := strings.Cut(x, " ")
		var lost []*event
		for k, v := range t.before {
			e, ok := v.(*event)
			if ok && k.pk == "chain:"+e.chain && t.before[key{"a", "days", e.chain}] != nil && e.dialogue == d && e.op != "decrypt" && now[signedHash(e)] == "" {
				lost = append(lost, e)
			}
		}
		isWhole, isSeen := true, false
		for _, e := range lost {
			isWhole = isWhole && (t.rows[key{"a", "days", e.chain}] == nil || len(t.rows.partition("a", "chain:"+e.chain)) == 0)
			for _, c := range a.chains {
				for _, x := range c.events {
					isSeen = isSeen || x.op == "seen" && slices.ContainsFunc(x.names, func(n string) bool {
						f := strings.Split(n, "/")
						return f[0] == e.chain && f[1] >= number(e.seq) && !a.isReplaced(x.version)
					})
				}
			}
		}
		switch {
		case len(lost) == 0:
			t.violation("undetected, new client"+suffix, x, a.verdict())
		case isSeen:
			t.violation("a seen chain cut"+suffix, x)
		case isWhole:
			t.Limits["a whole chain removed with what it wrote"]++
		case a.verdict() == "ok":
			t.violation("a cut called ok"+suffix, x)
		default:
			t.Limits["an unclosed chain cut, shown unproven"]++
		}
	}
}

// act lets honest clients work in the attacked store.
func (t *attackTrial) act() {
	w := t.sim
	w.refuse, w.isOpenLate = 0, false
	for _, x := range w.clients {
		x.mem = t.mem
	}
	for _, d := range ids {
		for _, mem := range []*memory{t.mem, nil} {
			got := w.clients["A"].show(d, mem)
			x := w.truth[d]
			isErased := w.success[d].erased != nil
			switch {
			case got == "erased" && !w.intents[d] && !(mem == nil && t.isFooled(verify(w.rows, w.pin, nil), "")):
				t.violation("show says erased", d)
			case mem != nil && isErased && strings.HasPrefix(got, "live"):
				t.violation("show opens an erased dialogue", d)
			case mem != nil && x != nil && strings.HasPrefix(got, "live") && got > fmt.Sprint("live ", x.version) && t.isDiscarded(d):
				t.Limits["a load of a state that a restore discarded, verify finds it"]++
			case mem != nil && x != nil && x.state == "live" && !w.intents[d] && got != "damaged" && got != fmt.Sprint("live ", x.version) && !w.isRefused(d):
				t.violation("show is rolled back", d, got, x.version, t.mem.heads[d])
			}
		}
	}
	switch w.rng.Intn(4) {
	case 0:
		done := maps.Clone(w.success)
		for _, d := range w.clients["A"].replay() {
			if done[d].erased == nil {
				t.violation("replay destroys", d)
			}
		}
	case 1:
		t.certify(pick(t.attacker, ids))
	case 2:
		w.run(w.clients["A"], -1, func() {
			for _, d := range w.clients["A"].eraseUser("v") {
				if !slices.Contains(ids, d) {
					t.violation("certificate of a user names", d)
				}
			}
		})
	case 3:
		a := *w.clients["A"]
		if w.rng.Intn(2) == 0 { // another machine of the member
			a.mem, a.ends, a.chain = nil, nil, ""
		}
		a.checkpointAll()
		for c, x := range t.mem.anchors {
			for _, k := range w.rows.partition("a", "checkpoint:"+c) {
				if p, _ := get[*checkpoint](w.rows, k); p != nil && t.before[k] == nil && p.sig.key == "A" && p.size < x.size && p.sig.message == checkpointMessage(w.pin, c, p.size, p.head) {
					t.violation("two checkpoints", c)
				}
			}
		}
		t.check(" after audit checkpoint")
	}
}

// isDiscarded reports whether the stored state was committed before a restore
// discarded it, and whether verify finds that.
func (t *attackTrial) isDiscarded(d string) bool {
	m, _ := get[*meta](t.rows, key{"d", d, "meta"})
	for _, l := range t.log {
		if x, ok := l.v.(*meta); ok && x.root == m.root && l.k.pk == d {
			return !isPassed(verify(t.rows, t.pin, t.mem))
		}
	}
	return false
}

// certify erases a dialogue, sometimes in two runs with an attack between them,
// and returns everything but the events.
func (t *attackTrial) certify(d string) {
	w := t.sim
	e, x := w.clients["E"], w.truth[d]
	var real []string
	if x != nil && x.state != "none" {
		_, names := e.wrapRows(d, x.turn, x.users)
		real = names
	}
	if w.rng.Intn(2) == 0 {
		w.run(e, 1+w.rng.Intn(9), func() { e.erase(d) })
		w.takeSnapshot()
		t.attacker.attack(1 + w.rng.Intn(3))
	}
	saved := w.rows.clone()
	cert := e.erase(d)
	if !cert.isFinal() {
		return
	}
	for _, n := range real {
		if strings.HasPrefix(n, "wrap#") && !w.destroyed[n] {
			t.violation("final certificate, key not destroyed", d, n)
		}
	}
	for k, v := range saved {
		if k.table == "d" && k.pk == d || k.table == "k" && (k.pk == d || k.sk == d) {
			w.rows[k] = v
		}
	}
	if m, _ := get[*meta](w.rows, key{"d", d, "meta"}); m != nil && m.kind == "live" && isPassed(verify(w.rows, w.pin, nil)) {
		t.violation("erased data returned", d)
	}
}

func (s *search) report(t *testing.T) {
	t.Helper()
	for _, x := range s.Examples {
		t.Error(x)
	}
}

func TestHonestStates(t *testing.T) {
	s := newSearch()
	for seed := range int64(campaigntest.Length(40, 3_000, 30_000)) {
		s.Trials++
		s.honest(seed, 14)
	}
	s.report(t)
	campaigntest.Figures(t, "trust-model-honest", s)
}

func TestAttacks(t *testing.T) {
	s := newSearch()
	for seed := range int64(campaigntest.Length(120, 12_000, 100_000)) {
		s.trial(seed, []string{"none", "removed", "member"}[seed%3])
	}
	s.report(t)
	campaigntest.Figures(t, "trust-model-attacks", s)
}

// A witness is a random history that fails without a rule.
type witness struct {
	seed     int64
	isHonest bool
}

// witnesses are the first histories that fail. Other rules have a scenario.
var witnesses = map[rule]witness{signed: {3, false}, storeID: {3, false}, linkSig: {18, false}, ownClose: {4, false}, marks: {19, false},
	roles: {299, false}, ends: {10, false}, suspend: {15, true}, sources: {66, true}, rosterStop: {286, false}, intentNamed: {0, true}, staysErased: {60, true},
	unfinished: {12, false}, signedReplay: {23, false}, knownWraps: {822, false}, archiveKept: {78, true}, plans: {35, false}, oneCommit: {0, true}}

func (x witness) run() *search {
	s := newSearch()
	if x.isHonest {
		s.honest(x.seed, 14)
	} else {
		s.trial(x.seed, []string{"none", "removed", "member"}[x.seed%3])
	}
	return s
}

// TestRulesAreNecessary switches off one rule at a time. Its witness or its
// scenario must then fail, and must not fail with all rules.
func TestRulesAreNecessary(t *testing.T) {
	defer func() { off = "" }()
	found := map[string]string{}
	for _, r := range allRules {
		if run, ok := scenarios[r]; ok {
			off = ""
			if got := run(); got != "" {
				t.Errorf("scenario of %q with all rules: %s", r, got)
			}
			off = r
			if found[string(r)] = run(); found[string(r)] == "" {
				t.Errorf("rule %q: its scenario does not need it", r)
			}
			continue
		}
		x := witnesses[r]
		off = ""
		if s := x.run(); len(s.Violations) > 0 {
			t.Errorf("history of %q with all rules: %v", r, s.Examples)
		}
		off = r
		s := x.run()
		for tries := 0; len(s.Violations) == 0 && tries < campaigntest.Length(300, 3_000, 30_000); tries++ {
			x.seed++
			s = x.run()
		}
		var names []string
		for n := range s.Violations {
			names = append(names, n)
		}
		sort.Strings(names)
		if len(names) == 0 {
			t.Errorf("rule %q: no history needs it", r)
			continue
		}
		found[string(r)] = fmt.Sprintf("%s (history %d)", names[0], x.seed)
	}
	off = ""
	campaigntest.Figures(t, "trust-model-rules", found)
}
