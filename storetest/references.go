package storetest

import (
	"errors"
	"fmt"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

func referenceCases() []Case {
	refer := func(w *env, kind blue.Kind, refs ...blue.RefDraft) []blue.Reference {
		w.Helper()
		b := batch(2)
		b.Drafts[kind][0].References = refs
		got := w.round(b)
		e, _ := w.load().Find(blue.EntityID{Kind: kind, Round: 2, Seq: 1})
		w.same("references in the answer", got.References, len(e.Common().References))
		return e.Common().References
	}
	cases := []Case{
		on("RegisterRound/ref/local ids of the same batch", func(w *env) {
			w.create(newDialogue())
			b := batch(2)
			b.Drafts[blue.KindTension] = []blue.Draft{draft("a"), draft("b")}
			b.Drafts[blue.KindTension][1].LocalID = "MUFFIN-T2"
			b.Drafts[blue.KindPerspective][0].References = []blue.RefDraft{{Type: "address", Target: "MUFFIN-T2"}}
			b.TensionUpdates = []blue.TensionUpdate{{ID: "MUFFIN-T2", Status: "addressed", Via: "MUFFIN-T2"}}
			b.Moves[0].Targets = []string{"MUFFIN-T2", "somewhere"}
			got := w.round(b)
			w.same("local id in the answer", got.Entities[blue.KindTension][1], blue.Numbered{ID: id("T0202"), LocalID: "MUFFIN-T2"})
			s := w.load()
			w.same("the target", s.Numbered(blue.KindPerspective)[0].Common().References, []blue.Reference{{Type: "address", Target: id("T0202")}})
			w.same("the tension", s.Tensions()[1].Status, blue.Status("addressed"))
			w.same("local id stored", s.Tensions()[1].LocalID, "MUFFIN-T2")
			w.same("the move's targets", s.Moves[0].Targets, []string{"T0202", "somewhere"})
			w.same("via", s.Events[len(s.Events)-1].Reference, "T0202")
		}),
		on("RegisterRound/ref/a local id like a display id is a display id", func(w *env) {
			w.create(newDialogue())
			b := batch(2)
			b.Drafts[blue.KindTension][0].LocalID = "T0909"
			b.Drafts[blue.KindPerspective][0].References = []blue.RefDraft{{Type: "address", Target: "T0909"}}
			w.round(b)
			w.same("the target", w.load().Numbered(blue.KindPerspective)[0].Common().References[0].Target, id("T0909"))
		}),
		on("RegisterRound/ref/given twice is kept once", func(w *env) {
			w.create(newDialogue())
			refs := refer(w, blue.KindClaim, blue.RefDraft{Type: "support", Target: "P0001"}, blue.RefDraft{Type: "support", Target: "P0001"},
				blue.RefDraft{Type: "oppose", Target: "P0001"})
			w.same("references", len(refs), 2)
		}),
		on("RegisterRound/ref/may dangle", func(w *env) {
			w.create(newDialogue())
			w.same("references", refer(w, blue.KindClaim, blue.RefDraft{Type: "depend", Target: "E9999"}),
				[]blue.Reference{{Type: "depend", Target: id("E9999")}})
		}),
		on("RegisterRound/ref/may name its source", func(w *env) {
			w.create(newDialogue())
			w.same("references", len(refer(w, blue.KindClaim, blue.RefDraft{Type: "refine", Target: "C0201"})), 1)
		}),
		on("RegisterRound/ref/order is kept", func(w *env) {
			w.create(newDialogue())
			var refs []blue.RefDraft
			for _, target := range []string{"P0009", "P0001", "C0005", "P0003"} {
				refs = append(refs, blue.RefDraft{Type: "question", Target: target})
			}
			var got []string
			for _, r := range refer(w, blue.KindEvidence, refs...) {
				got = append(got, r.Target.String())
			}
			w.same("targets", got, []string{"P0009", "P0001", "C0005", "P0003"})
		}),
	}
	for _, t := range blue.RefTypes() {
		cases = append(cases, on("RegisterRound/ref/type "+string(t), func(w *env) {
			w.create(newDialogue())
			w.same("references", refer(w, blue.KindTension, blue.RefDraft{Type: string(t), Target: "T0001"}),
				[]blue.Reference{{Type: t, Target: id("T0001")}})
		}))
	}
	return cases
}

// validationCases check each code of a refusal, and that nothing is written.
func validationCases() []Case {
	set := func(change func(*blue.RoundBatch)) func() blue.RoundBatch {
		return func() blue.RoundBatch { b := batch(1); change(&b); return b }
	}
	refer := func(kind blue.Kind, refType, target string) func() blue.RoundBatch {
		return set(func(b *blue.RoundBatch) {
			b.Drafts[kind][0].References = []blue.RefDraft{{Type: refType, Target: target}}
		})
	}
	move := func(m blue.MoveDraft) func() blue.RoundBatch {
		return set(func(b *blue.RoundBatch) { b.Moves = []blue.MoveDraft{m} })
	}
	update := func(u blue.TensionUpdate) func() blue.RoundBatch {
		return set(func(b *blue.RoundBatch) { b.TensionUpdates = []blue.TensionUpdate{u} })
	}
	var cases []Case
	for _, c := range []struct {
		name, code string
		batch      func() blue.RoundBatch
	}{
		{"round/round 100", "invalid_round", set(func(b *blue.RoundBatch) { b.Round = 100 })},
		{"round/negative round", "invalid_round", set(func(b *blue.RoundBatch) { b.Round = -1 })},
		{"round/unknown kind", "invalid_entity_type", set(func(b *blue.RoundBatch) { b.Drafts["cake"] = nil })},
		{"round/one local id twice", "duplicate_entity", set(func(b *blue.RoundBatch) {
			b.Drafts[blue.KindClaim][0].LocalID, b.Drafts[blue.KindEvidence][0].LocalID = "X", "X"
		})},
		{"expert/scores in two spellings", "duplicate_entity", set(func(b *blue.RoundBatch) { b.ExpertScores = map[blue.ExpertSlug]int64{"a": 1, "A": 2} })},
		{"expert/texts in two spellings", "duplicate_entity", set(func(b *blue.RoundBatch) { b.RawContent = map[blue.ExpertSlug]string{"a": "", "A": ""} })},
		{"tension/without text", "missing_field", set(func(b *blue.RoundBatch) { b.Drafts[blue.KindTension][0].Text = "" })},
		{"ref/unknown type", "invalid_ref_type", refer(blue.KindClaim, "likes", "P0001")},
		{"ref/unreadable target", "invalid_display_id", refer(blue.KindClaim, "support", "P1")},
		{"ref/address of a claim", "invalid_ref_target", refer(blue.KindClaim, "address", "C0001")},
		{"ref/resolve of a claim", "invalid_ref_target", refer(blue.KindClaim, "resolve", "C0001")},
		{"ref/reopen of a claim", "invalid_ref_target", refer(blue.KindClaim, "reopen", "C0001")},
		{"ref/refine of another kind", "invalid_ref_target", refer(blue.KindClaim, "refine", "P0001")},
		{"move/without expert", "missing_field", move(blue.MoveDraft{Type: "defend"})},
		{"move/without type", "missing_field", move(blue.MoveDraft{Expert: "Muffin"})},
		{"move/not a slug", "expert_not_in_dialogue", move(blue.MoveDraft{Expert: "a b", Type: "defend"})},
		{"move/unknown type", "invalid_status_transition", move(blue.MoveDraft{Expert: "Muffin", Type: "sigh"})},
		{"tension/update without id", "missing_field", update(blue.TensionUpdate{Status: "resolved"})},
		{"tension/update of a claim", "type_id_mismatch", update(blue.TensionUpdate{ID: "C0001", Status: "resolved"})},
		{"tension/update of an unreadable id", "invalid_display_id", update(blue.TensionUpdate{ID: "T1", Status: "resolved"})},
		{"tension/update of an unknown one", "entity_not_found", update(blue.TensionUpdate{ID: "T0002", Status: "resolved"})},
		{"tension/update to an unknown status", "invalid_status_transition", update(blue.TensionUpdate{ID: "T0001", Status: "gone"})},
		{"move/100 of one expert", "invalid_round", set(func(b *blue.RoundBatch) {
			b.Moves = slices.Repeat([]blue.MoveDraft{{Expert: "Muffin", Type: "defend"}}, 100)
		})},
	} {
		cases = append(cases, refusal("RegisterRound/"+c.name, c.code, c.batch))
	}
	for _, kind := range blue.NumberedKinds() {
		cases = append(cases,
			refusal(fmt.Sprintf("RegisterRound/%s/without label", kind), "missing_field",
				set(func(b *blue.RoundBatch) { b.Drafts[kind][0].Label = "" })),
			refusal(fmt.Sprintf("RegisterRound/%s/100 in a round", kind), "invalid_round",
				set(func(b *blue.RoundBatch) { b.Drafts[kind] = slices.Repeat([]blue.Draft{draft("x")}, 100) })))
	}
	return append(cases, on("RegisterRound/round/all errors are reported together", func(w *env) {
		w.seed()
		b := batch(1)
		b.Drafts[blue.KindClaim][0] = blue.Draft{References: []blue.RefDraft{{Type: "x", Target: "y"}}}
		refused, _ := errors.AsType[*blue.ValidationError](w.tryRound(b))
		if refused == nil || len(refused.Errors) != 4 {
			w.Fatalf("got %v, want four errors", refused)
		}
	}))
}

// refusal returns a case that expects one code.
func refusal(name, code string, make func() blue.RoundBatch) Case {
	return on(name, func(w *env) {
		w.seed()
		w.refuses(blue.ErrRefused, func() error {
			err := w.tryRound(make())
			refused, ok := errors.AsType[*blue.ValidationError](err)
			if !ok || len(refused.Errors) != 1 {
				w.Fatalf("got %v, want one error %s", err, code)
			}
			w.same("the code", refused.Errors[0].Code, code)
			return err
		})
	})
}
