package storetest

import (
	"reflect"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// entities returns all entities of a snapshot in the form that Get returns.
func entities(s *blue.Snapshot) []blue.Entity {
	all := []blue.Entity{&s.Dialogue}
	v := reflect.ValueOf(*s)
	for i := range v.NumField() {
		if v.Field(i).Kind() != reflect.Slice {
			continue
		}
		for j := range v.Field(i).Len() {
			if e, ok := v.Field(i).Index(j).Interface().(blue.Entity); ok {
				all = append(all, e)
			}
		}
	}
	for _, e := range s.Contributed() {
		all = append(all, e)
	}
	return all
}

func getCases() []Case {
	cases := []Case{
		on("Get/dialogue/every entity as in the snapshot", func(w *env) {
			w.seed()
			w.round(fullBatch(1))
			all := entities(w.load())
			w.same("entities", len(all) > 20, true)
			for _, e := range all {
				w.same(string(e.EntityKind())+" "+e.EntityKey().Key, w.get(e.EntityKey()), e)
			}
		}),
		on("Get/expert/any case", func(w *env) {
			w.seed()
			got := w.get(blue.EntityKey{Kind: blue.KindExpert, Key: "mUFFIN"})
			w.same("the slug as displayed", got.(*blue.Expert).Slug, blue.ExpertSlug("Muffin"))
		}),
		on("Get/dialogue/another dialogue's entity", func(w *env) {
			w.seed()
			_, err := w.store.Create(w.Context(), "other", newDialogue())
			w.ok(err)
			_, err = w.store.Get(w.Context(), "other", id("P0001").Key())
			w.fails(err, blue.ErrNotFound)
		}),
	}
	for _, bad := range []struct {
		name string
		key  blue.EntityKey
	}{
		{"expert/not a slug", blue.EntityKey{Kind: blue.KindExpert, Key: "no space"}},
		{"expert/empty slug", blue.EntityKey{Kind: blue.KindExpert}},
		{"verdict/not an id", blue.EntityKey{Kind: blue.KindVerdict, Key: "../x"}},
		{"round/not a number", blue.EntityKey{Kind: blue.KindRound, Key: "one"}},
		{"round/100", blue.EntityKey{Kind: blue.KindRound, Key: "100"}},
		{"round/negative", blue.EntityKey{Kind: blue.KindRound, Key: "-1"}},
		{"perspective/another kind's id", blue.EntityKey{Kind: blue.KindPerspective, Key: "T0001"}},
		{"perspective/not an id", blue.EntityKey{Kind: blue.KindPerspective, Key: "P1"}},
		{"perspective/lower case", blue.EntityKey{Kind: blue.KindPerspective, Key: "p0001"}},
		{"move/two parts", blue.EntityKey{Kind: blue.KindMove, Key: "0#muffin"}},
		{"move/round 100", blue.EntityKey{Kind: blue.KindMove, Key: "100#muffin#1"}},
		{"ref/not an item", blue.EntityKey{Kind: "ref", Key: "P0001"}},
		{"dialogue/unknown kind", blue.EntityKey{Kind: "cake", Key: "1"}},
		{"dialogue/unknown kind of event", blue.EntityKey{Kind: "cake_event", Key: "1"}},
	} {
		cases = append(cases, on("Get/"+bad.name, func(w *env) {
			w.seed()
			_, err := w.store.Get(w.Context(), dialogue, bad.key)
			w.fails(err, blue.ErrInvalid)
		}))
	}
	return cases
}

func expertCases() []Case {
	register := func(w *env, n blue.NewExpert) error {
		_, err := w.store.RegisterExpert(w.Context(), dialogue, n)
		return err
	}
	cases := []Case{
		on("RegisterExpert/expert/answer equals the stored expert", func(w *env) {
			w.create(newDialogue())
			got := w.expert(newExpert("Muffin"))
			w.same("the answer", &got, w.get(blue.EntityKey{Kind: blue.KindExpert, Key: "Muffin"}))
		}),
		on("RegisterExpert/expert/in slug order", func(w *env) {
			w.create(newDialogue())
			for _, slug := range []blue.ExpertSlug{"Scone", "apple", "Muffin", "ÉCLAIR"} {
				w.expert(newExpert(slug))
			}
			var slugs []blue.ExpertSlug
			for _, e := range w.load().Experts {
				slugs = append(slugs, e.Slug)
			}
			w.same("slugs", slugs, []blue.ExpertSlug{"apple", "Muffin", "Scone", "ÉCLAIR"})
		}),
		on("RegisterExpert/expert/same request again", func(w *env) {
			w.create(newDialogue())
			first := w.expert(newExpert("Muffin"))
			before := w.dump()
			w.same("the answer", w.expert(newExpert("Muffin")), first)
			w.same("the stored records", w.dump(), before)
		}),
		on("RegisterExpert/expert/same request again after a score", func(w *env) {
			w.seed()
			before := w.dump()
			w.same("the total", w.expert(newExpert("Muffin")).TotalScore, int64(4))
			w.same("the stored records", w.dump(), before)
		}),
		on("RegisterExpert/expert/other content", func(w *env) {
			w.create(newDialogue())
			w.expert(newExpert("Muffin"))
			other := newExpert("Muffin")
			other.Role = "miller"
			w.refuses(blue.ErrConflict, func() error { return register(w, other) })
		}),
		on("RegisterExpert/expert/differs only by case", func(w *env) {
			w.create(newDialogue())
			w.expert(newExpert("Muffin"))
			w.refuses(blue.ErrConflict, func() error { return register(w, newExpert("MUFFIN")) })
		}),
	}
	for _, bad := range []struct {
		name string
		want error
		set  func(*blue.NewExpert)
	}{
		{"empty slug", blue.ErrInvalid, func(n *blue.NewExpert) { n.Slug = "" }},
		{"slug with a space", blue.ErrInvalid, func(n *blue.NewExpert) { n.Slug = "a b" }},
		{"slug with a number sign", blue.ErrInvalid, func(n *blue.NewExpert) { n.Slug = "a#b" }},
		{"relevance is not a number", blue.ErrInvalid, func(n *blue.NewExpert) { n.Relevance = notANumber() }},
		{"unknown tier", blue.ErrRefused, func(n *blue.NewExpert) { n.Tier = "core" }},
		{"unknown source", blue.ErrRefused, func(n *blue.NewExpert) { n.Source = "" }},
		{"first round 100", blue.ErrRefused, func(n *blue.NewExpert) { n.FirstRound = new(blue.Round(100)) }},
	} {
		cases = append(cases, on("RegisterExpert/expert/"+bad.name, func(w *env) {
			w.create(newDialogue())
			n := newExpert("Muffin")
			bad.set(&n)
			w.refuses(bad.want, func() error { return register(w, n) })
		}))
	}
	return cases
}

func signalCases() []Case {
	signal := func(w *env, s blue.Signal) blue.Signal {
		w.Helper()
		answer, err := w.store.RecordSignal(w.Context(), dialogue, s)
		return must(w, answer, err)
	}
	signals := func(w *env) []blue.ExpertSlug {
		w.Helper()
		round, _ := w.load().Round(0)
		var slugs []blue.ExpertSlug
		for slug := range round.Signals {
			slugs = append(slugs, slug)
		}
		slices.Sort(slugs)
		return slugs
	}
	return []Case{
		on("RecordSignal/round/stored with its time", func(w *env) {
			w.seed()
			w.clock.step(1e9)
			got := signal(w, blue.Signal{Round: 0, Expert: "Muffin"})
			round, _ := w.load().Round(0)
			w.same("the time in the answer", got.At, w.clock.now())
			w.same("the time stored", round.Signals["Muffin"], w.clock.now())
			w.same("the round's change", round.UpdatedAt, w.clock.now())
		}),
		on("RecordSignal/round/the latest is stored", func(w *env) {
			w.seed()
			signal(w, blue.Signal{Round: 0, Expert: "Muffin"})
			w.clock.step(1e9)
			signal(w, blue.Signal{Round: 0, Expert: "Muffin"})
			round, _ := w.load().Round(0)
			w.same("the time stored", round.Signals["Muffin"], w.clock.now())
		}),
		on("RecordSignal/round/several experts", func(w *env) {
			w.seed()
			signal(w, blue.Signal{Round: 0, Expert: "Scone"})
			signal(w, blue.Signal{Round: 0, Expert: "Muffin"})
			w.same("who signalled", signals(w), []blue.ExpertSlug{"Muffin", "Scone"})
		}),
		on("RecordSignal/round/one expert in two spellings", func(w *env) {
			w.seed()
			signal(w, blue.Signal{Round: 0, Expert: "Muffin"})
			signal(w, blue.Signal{Round: 0, Expert: "MUFFIN"})
			w.same("who signalled", len(signals(w)), 1)
		}),
		on("RecordSignal/round/unknown round", func(w *env) {
			w.seed()
			for _, n := range []blue.Round{1, 99, 100, -1} {
				w.refuses(blue.ErrNotFound, func() error {
					_, err := w.store.RecordSignal(w.Context(), dialogue, blue.Signal{Round: n, Expert: "Muffin"})
					return err
				})
			}
		}),
		on("RecordSignal/round/not a slug", func(w *env) {
			w.seed()
			w.refuses(blue.ErrInvalid, func() error {
				_, err := w.store.RecordSignal(w.Context(), dialogue, blue.Signal{Round: 0, Expert: "a b"})
				return err
			})
		}),
		on("RecordSignal/round/does not touch the judge's count", func(w *env) {
			w.seed()
			signal(w, blue.Signal{Round: 0, Expert: "Muffin"})
			round, _ := w.load().Round(0)
			w.same("converge_signals", round.ConvergeSignals, int64(2))
		}),
	}
}
