package main

import (
	"bytes"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
	"github.com/superviber/blue-encrypted-store/record"
)

func TestTampering(t *testing.T) {
	t.Run("demo", func(t *testing.T) {
		t.Parallel()
		campaign(t, newBench(t, demoFolder(t)))
	})
	for _, name := range []string{fixtures.EveryKind, "synthetic-coverage"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			campaign(t, newBench(t, fixtures.Dialogue(t, name, "inputs.json")))
		})
	}
}

func campaign(t *testing.T, b *bench) {
	for _, group := range []struct {
		name  string
		cases func(*bench) []tampering
	}{
		{"attributes", attributeCases},
		{"bits", bitCases},
		{"deleted", deleteCases},
		{"older versions", olderCases},
		{"moved", movedCases},
		{"added", addedCases},
		{"MAC", macCases},
		{"envelope", envelopeCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			cases := group.cases(b)
			if len(cases) == 0 {
				t.Fatal("no cases")
			}
			part := max(1, min(campaigntest.Length(10, 1, 1), len(cases)/10)) // which part of the cases runs
			for i, c := range cases {
				if i%part == 0 {
					b.expect(t, c, len(cases) < 100 || i%4 == 0) // show takes as long as verify
				}
			}
			t.Logf("%d cases", len(cases))
			mustCLI(t, b.home, "verify", b.dialogue) // restored, it is intact again
		})
	}
}

// attributeCases edits every attribute of one item of each kind in every way. An
// edit of one attribute changes all kinds with that attribute at once, except
// meta. Each item must be named.
func attributeCases(b *bench) []tampering {
	cases := map[string]tampering{}
	add := func(name, sk string, attrs record.Attrs, class string) {
		if sk == record.Meta {
			name += " of meta"
		}
		c, begun := cases[name]
		if !begun {
			c = tampering{name: name, rows: maps.Clone(b.intact)}
		}
		c.rows[sk] = attrs
		c.want = append(c.want, suspect{sk, class})
		cases[name] = c
	}
	for _, sks := range b.byKind() {
		sk := sks[0]
		for name, v := range b.intact[sk] {
			for _, e := range edits {
				change := e.edit(name, v)
				if change == nil {
					continue
				}
				attrs := maps.Clone(b.intact[sk])
				delete(attrs, name)
				maps.Copy(attrs, change)
				add(name+" "+e.name, sk, attrs, editClass(name, e.name))
			}
		}
		attrs := maps.Clone(b.intact[sk])
		attrs["note"] = record.S("added")
		add("attribute added", sk, attrs, record.DamageChanged)
	}
	for sk, attrs := range b.intact {
		if strings.HasPrefix(sk, "round#") {
			attrs = maps.Clone(attrs)
			attrs["status"] = record.S(string("in_progress"))
			add("status of a round", sk, attrs, record.DamageChanged)
		}
	}
	return slices.Collect(maps.Values(cases))
}

// bitCases flips single bits of every binary attribute: in the first, middle and
// last byte, and in the first and last byte of a tag.
func bitCases(b *bench) []tampering {
	var cases []tampering
	for _, sks := range b.byKind() {
		sk := sks[len(sks)/2]
		for name, v := range b.intact[sk] {
			if v.Type() != record.Bytes {
				continue
			}
			places := []int{0, len(v.Bin()) / 2, -1}
			if len(v.Bin()) > 32 {
				places = append(places, -16) // the tag's first byte
			}
			for _, at := range places {
				attrs := maps.Clone(b.intact[sk])
				attrs[name] = flipped(v, at)
				cases = append(cases, b.one("bit of "+name, sk, attrs, record.DamageChanged))
			}
		}
	}
	return cases
}

// deleteCases deletes the first, the middle and the last item of each kind, a
// whole kind, everything except meta, and everything.
func deleteCases(b *bench) []tampering {
	var cases []tampering
	for kind, sks := range b.byKind() {
		for _, i := range slices.Compact([]int{0, len(sks) / 2, len(sks) - 1}) {
			cases = append(cases, b.one("deleted", sks[i], nil, record.DamageMissing))
		}
		cases = append(cases, b.deleted("every "+kind, sks))
	}
	all := slices.Sorted(maps.Keys(b.intact))
	notMeta := slices.DeleteFunc(slices.Clone(all), func(sk string) bool { return sk == record.Meta })
	everything := tampering{"everything deleted", map[string]record.Attrs{}, []suspect{{record.Meta, record.DamageMissing}}}
	return append(cases, b.deleted("everything but meta", notMeta), everything)
}

func (b *bench) deleted(name string, sks []string) tampering {
	changes := map[string]record.Attrs{}
	var want []suspect
	for _, sk := range sks {
		changes[sk] = nil
		want = append(want, suspect{sk, record.DamageMissing})
	}
	return tampering{name + " deleted", b.with(changes), want}
}

// olderCases restores versions from before the last commits.
func olderCases(b *bench) []tampering {
	var cases []tampering
	kinds := map[string]bool{}
	newMetaOldItems := maps.Clone(b.early)
	newMetaOldItems[record.Meta] = b.intact[record.Meta]
	var fresh, outdated []suspect
	for sk, attrs := range b.intact {
		before, there := b.early[sk]
		switch {
		case !there:
			fresh = append(fresh, suspect{sk, record.DamageMissing})
		case !sameAttrs(before, attrs):
			kinds[attrs["entity_type"].Str()] = true
			cases = append(cases, b.one("older version", sk, before, record.DamageRolledBack))
			if sk != record.Meta {
				outdated = append(outdated, suspect{sk, record.DamageRolledBack})
			}
		}
	}
	for _, kind := range []string{"dialogue", "tension", "expert", "round"} {
		if !kinds[kind] {
			b.t.Fatalf("no %s has an older version", kind)
		}
	}
	return append(cases,
		tampering{"new meta, old items", newMetaOldItems, slices.Concat(fresh, outdated)},
		tampering{"the whole dialogue as it was", b.early, []suspect{{record.Meta, record.DamageRolledBack}}},
	)
}

// movedCases exchanges items within the dialogue, and with another dialogue.
func movedCases(b *bench) []tampering {
	var cases []tampering
	kinds := b.byKind()
	names := slices.Sorted(maps.Keys(kinds))
	swap := func(a, c string) tampering {
		return tampering{"swapped " + a + " and " + c, b.with(map[string]record.Attrs{a: b.intact[c], c: b.intact[a]}),
			[]suspect{{a, record.DamageMoved}, {c, record.DamageMoved}}}
	}
	for i, kind := range names {
		sks := kinds[kind]
		if len(sks) > 1 {
			cases = append(cases, swap(sks[0], sks[len(sks)-1]))
		}
		if other := kinds[names[(i+1)%len(names)]]; kind != "dialogue" && other[0] != record.Meta {
			cases = append(cases, swap(sks[0], other[0]))
			cases = append(cases, b.one("copied over", sks[0], b.intact[other[0]], record.DamageMoved))
		}
	}
	other := b.rows("other")
	cases = append(cases,
		b.one("of another dialogue", "tension#00#01", other["tension#00#01"], record.DamageMoved),
		b.one("of another dialogue, under a new key", "tension#90#01", other["tension#00#01"], record.DamageMoved),
		b.one("of another dialogue", record.Meta, other[record.Meta], record.DamageMoved),
	)
	return cases
}

// addedCases adds items that no commit wrote.
func addedCases(b *bench) []tampering {
	mac := make([]byte, 32)
	rand.Read(mac)
	plain := record.Attrs{"entity_type": record.S("tension"), "status": record.S("open"), "content_encrypted": record.B(bytes.Repeat([]byte{7}, 80)),
		"content_nonce": record.B(make([]byte, 12)), "key_id": b.intact[record.Meta]["key_id"], "aad_hash": record.S(strings.Repeat("0", 64))}
	sealed := maps.Clone(plain)
	sealed["item_mac"] = record.B(mac)
	cases := []tampering{
		b.one("by a writer without MACs", "tension#91#01", plain, record.DamageExtra),
		b.one("that looks sealed", "tension#91#01", sealed, record.DamageExtra),
		b.one("of an unknown kind", "poem#00#01", sealed, record.DamageExtra),
		b.one("without an attribute of ours", "tension#91#01", record.Attrs{"status": record.S("open")}, record.DamageExtra),
	}
	for _, sks := range b.byKind() {
		sk := sks[0]
		under := "tension#92#01"
		if i := strings.LastIndexByte(sk, '#'); i > 0 {
			under = sk[:i] + "#zz"
		}
		cases = append(cases, b.one("copy of "+sk+" as", under, b.intact[sk], record.DamageExtra))
	}
	return cases
}

// macCases removes MACs or changes their length.
func macCases(b *bench) []tampering {
	var cases []tampering
	for _, sks := range b.byKind() {
		sk := sks[len(sks)-1]
		mac := b.intact[sk]["item_mac"].Bin()
		for name, v := range map[string]record.Value{
			"31 bytes": record.B(mac[:31]), "33 bytes": record.B(append(bytes.Clone(mac), 0)), "no bytes": record.B([]byte{}), "none": {},
		} {
			attrs := maps.Clone(b.intact[sk])
			delete(attrs, "item_mac")
			if v.Type() != 0 {
				attrs["item_mac"] = v
			}
			cases = append(cases, b.one("MAC of "+name, sk, attrs, record.DamageStripped))
		}
	}
	return cases
}

// envelopeCases gives an item a malformed nonce, ciphertext or key id, or one of
// another version or dialogue.
func envelopeCases(b *bench) []tampering {
	var cases []tampering
	set := func(sk, name string, v record.Value, class string) {
		attrs := maps.Clone(b.intact[sk])
		attrs[name] = v
		cases = append(cases, b.one(name, sk, attrs, class))
	}
	for _, sk := range []string{"tension#00#01", record.Meta} {
		nonce, text := b.intact[sk]["content_nonce"].Bin(), b.intact[sk]["content_encrypted"].Bin()
		set(sk, "content_nonce", record.B(nonce[:11]), record.DamageMalformed)
		set(sk, "content_nonce", record.B(append(bytes.Clone(nonce), 0)), record.DamageMalformed)
		set(sk, "content_encrypted", record.B(text[:15]), record.DamageMalformed)
		set(sk, "content_encrypted", record.B(text[:len(text)-1]), record.DamageChanged)
		set(sk, "key_id", record.S("dek#"+b.dialogue+"#0"), record.DamageMalformed)
		set(sk, "key_id", record.S("dek#"+b.dialogue+"#01"), record.DamageMalformed)
		set(sk, "key_id", record.S("dek#"+b.dialogue+"#4294967296"), record.DamageMalformed)
		set(sk, "key_id", record.S("dek#"+b.dialogue+"#2"), record.DamageChanged)
		set(sk, "key_id", record.S("dek#other#1"), record.DamageMoved)
	}
	return cases
}
