package trustmodel

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// A change is one change of the rows by an attacker without a key.
type change struct {
	name string
	do   func(rows)
}

// changes lists all single changes of a sim: each row is deleted, replaced by
// each earlier version and by each other row of its type, each chain is cut at
// each event, each dialogue and each table becomes as in each snapshot, and each
// mark with each real event is planted.
func (w *sim) changes() (out []change) {
	add := func(name string, do func(rows)) { out = append(out, change{name, do}) }
	all := w.rows.keys(func(key) bool { return true })
	for _, k := range all {
		add(fmt.Sprint("delete ", k), func(r rows) { delete(r, k) })
		for i, l := range w.log {
			if l.k == k && l.v != nil && l.v != w.rows[k] {
				add(fmt.Sprint("older ", k, i), func(r rows) { r[k] = l.v })
			}
		}
		for _, o := range all {
			if o != k && o.table == k.table && fmt.Sprintf("%T", w.rows[o]) == fmt.Sprintf("%T", w.rows[k]) && !strings.HasPrefix(k.pk, "chain:") {
				add(fmt.Sprint("copy ", o, " to ", k), func(r rows) { r[k] = w.rows[o] })
			}
		}
		if e, ok := w.rows[k].(*event); ok {
			x := *e
			x.sig = sign("X", "")
			add(fmt.Sprint("signature ", k), func(r rows) { r[k] = &x })
			add(fmt.Sprint("cut ", k), func(r rows) {
				for _, o := range r.keys(func(o key) bool { return o.pk == k.pk && o.sk >= k.sk || o.pk == "checkpoint:"+e.chain }) {
					delete(r, o)
				}
			})
			for _, d := range ids[:3] {
				m := mark{e, w.keyOf(e.chain)}
				add(fmt.Sprint("registry ", d, k), func(r rows) {
					r[key{"k", "erased", d}], r[key{"k", d, "head"}] = &registry{m}, &header{state: "erased"}
				})
				add(fmt.Sprint("unfinished ", d, k), func(r rows) { r[key{"d", d, "meta"}] = &meta{kind: "unfinished", carried: m} })
			}
		}
	}
	for i, s := range w.snapshots {
		for _, which := range []string{"data", "data pointers", "data pointers keys", "keys", "audit", "roster", "all"} {
			for _, d := range ids[:3] {
				add(fmt.Sprint("snapshot ", i, which, d), func(r rows) {
					for _, k := range r.keys(hits(which, d)) {
						delete(r, k)
					}
					for k, v := range s.rows {
						if hits(which, d)(k) {
							r[k] = v
						}
					}
				})
			}
		}
	}
	for _, c := range w.rows.chains() {
		add("drop "+c, func(r rows) {
			for _, k := range r.keys(func(k key) bool { return k.pk == "chain:"+c || k.pk == "checkpoint:"+c || k.sk == c }) {
				delete(r, k)
			}
		})
	}
	return out
}

func (w *sim) keyOf(chain string) string {
	if g := w.rows.event(chain, 1); g != nil {
		return g.key
	}
	return ""
}

// smallSim has a live, a rotated and an erased dialogue, a removal and chains
// of three members, some of them open.
func smallSim(i int) *sim {
	w := newSim(int64(i), "n1")
	a, b, e, m := w.clients["A"], w.clients["B"], w.clients["E"], w.clients["M"]
	ops := []func(){func() { a.create("d1", []string{"u"}) }, func() { b.create("d2", []string{"u"}) }, a.close, func() { m.write("d1") }, m.close,
		func() { b.write("d1") }, func() { e.erase("d2") }, b.close, func() { a.remove(m) }, func() { a.write("d1") }}
	if i == 1 {
		ops = []func(){func() { a.copyIn("d1") }, func() { a.write("d1") }, a.close, func() { b.create("d3", []string{"u", "v"}) },
			func() { a.eraseUser("v") }, b.checkpointAll, a.close, func() { a.archive() }, func() { a.restore(w.snapshots[4], true) }, b.close}
	}
	for _, op := range ops {
		w.takeSnapshot()
		op()
	}
	return w
}

// TestSmall tries every single change of two small histories, and pairs of
// changes: every 4,001st in the short length, every one in the long length.
func TestSmall(t *testing.T) {
	s := newSearch()
	for i := range 2 {
		w := smallSim(i)
		if got := verify(w.rows, w.pin, w.memory()); len(got.findings) > 0 {
			t.Fatal(got.findings)
		}
		before, all := w.rows, w.changes()
		x := &attackTrial{search: s, sim: w, seed: int64(i), keyset: "none", mem: w.memory(), before: before, attacker: &attacker{sim: w}, honest: map[string]string{}}
		x.honest = verify(before, w.pin, x.mem).believed()
		try := func(list ...change) {
			s.Trials++
			w.rows, x.did = before.clone(), nil
			for _, c := range list {
				c.do(w.rows)
				x.did = append(x.did, c.name)
			}
			x.check("")
		}
		usual := fmt.Sprint(verify(before, w.pin, x.mem).unproven)
		for _, c := range all {
			try(c)
			if a := verify(w.rows, w.pin, x.mem); len(a.findings) == 0 && fmt.Sprint(a.unproven) == usual && !reflect.DeepEqual(w.rows, before) {
				s.violate("unnoticed", i, c.name)
			}
		}
		step := campaigntest.Length(4001, 101, 1)
		for n := i; n < len(all)*len(all); n += step {
			try(all[n/len(all)], all[n%len(all)])
		}
	}
	s.report(t)
	campaigntest.Figures(t, "trust-model-small", s)
}
