package storetest

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

func notANumber() *float64 { return new(math.NaN()) }

// unset lists the fields that no request sets.
var unset = map[string]bool{"RoundRecord.CompletedAt": true}

// zeroFields names the stored fields of an entity that are absent.
func zeroFields(e blue.Entity) []string {
	var names []string
	v := reflect.ValueOf(e).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		stored := f.Tag.Get("clear") != "" || f.Tag.Get("sealed") != ""
		name := v.Type().Name() + "." + f.Name
		if stored && v.FieldByIndex(f.Index).IsZero() && !unset[name] {
			names = append(names, name)
		}
	}
	return names
}

// full makes a dialogue in which every kind has an entity with every field set.
func (w *env) full() {
	w.Helper()
	w.create(fullDialogue())
	w.expert(fullExpert())
	w.expert(newExpert("Scone"))
	w.round(fullBatch(1))
	_, err := w.store.RecordSignal(w.Context(), dialogue, blue.Signal{Round: 1, Expert: "Muffin"})
	w.ok(err)
	for _, of := range firstOf(1) {
		to := of.Kind.Statuses()[1]
		if of.Kind == blue.KindTension {
			to = "resolved" // the batch made it addressed
		}
		w.transition(blue.Transition{ID: of, To: to, Round: 1, By: []blue.ExpertSlug{"Muffin"}, Reason: "because", Reference: "R0101", ResultID: "C0101"})
	}
	w.verdict(fullVerdict("low"))
}

func fullDialogue() blue.NewDialogue {
	return blue.NewDialogue{
		Title: "How large?", Question: "How large is a muffin?", OutputDir: "out/muffin", DomainID: "bakery", EthosID: "fair", Calibrated: true,
		Background: &blue.Background{Subject: "muffins", Description: new("all of them"), Constraints: json.RawMessage(`["flat",{"b":1,"a":2.50}]`), Situation: new("hungry")},
		Step:       &blue.Step{Source: digest(1)},
	}
}

func fullExpert() blue.NewExpert {
	return blue.NewExpert{
		Slug: "Muffin", Role: "baker", Tier: "Adjacent", Source: "created", Relevance: new(0.1 + 0.2), Description: "bakes",
		Focus: "size", CreationReason: "needed", Color: "#aa0011", FirstRound: new(blue.Round(1)),
	}
}

func fullVerdict(confidence string) blue.NewVerdict {
	return blue.NewVerdict{
		ID: "V1.a_b-c", Type: blue.VerdictFinal, Round: 1, AuthorExpert: "Judge", Recommendation: "120 g", Description: "by weight",
		Conditions: []string{"fresh", ""}, Vote: "2:0", Confidence: confidence, TensionsAccepted: []string{"T0101"}, RecommendationsAdopted: []string{"R0101"},
		SupportingExperts: []blue.ExpertSlug{"Scone", "Muffin"}, EthosCompliance: json.RawMessage(`{"fair":true}`), Force: true,
	}
}

func roundTripCases() []Case {
	check := func(kind blue.Kind, skip ...string) Case {
		return on("Load/"+string(kind)+"/every field set comes back", func(w *env) {
			w.full()
			other, err := w.again().Load(w.Context(), dialogue)
			w.ok(err)
			s, found := w.load(), 0
			w.same("the entity loaded by another process", other, s)
			for _, e := range entities(s) {
				if e.EntityKind() != kind || e.EntityKey().Key == "scone" || strings.HasSuffix(string(kind), "_event") && e.(*blue.Event).Type == "created" {
					continue
				}
				if ev, ok := e.(*blue.Event); ok && ev.Type == "addressed" {
					continue
				}
				found++
				missing := slices.DeleteFunc(zeroFields(e), func(f string) bool { return slices.Contains(skip, f) })
				w.same("absent fields", len(missing), 0)
			}
			w.same("found one", found > 0, true)
		})
	}
	cases := []Case{
		check(blue.KindDialogue), check(blue.KindExpert), check(blue.KindRound), check(blue.KindMove),
		check(blue.KindVerdict, "Verdict.ConfidenceText"),
		on("Load/dialogue/fields as given", func(w *env) {
			w.full()
			d, want := w.load().Dialogue, fullDialogue()
			w.same("fields", []any{d.Title, d.Question, d.OutputDir, d.DomainID, d.EthosID, d.Calibrated, d.Background},
				[]any{want.Title, want.Question, want.OutputDir, want.DomainID, want.EthosID, want.Calibrated, want.Background})
		}),
		on("Load/expert/fields as given", func(w *env) {
			w.full()
			e, want := w.load().Experts[0], fullExpert()
			w.same("fields", []any{e.Slug, e.Role, e.Tier, e.Source, e.Relevance, e.Description, e.Focus, e.CreationReason, e.Color, e.FirstRound, e.Scores, e.RawContent},
				[]any{want.Slug, want.Role, want.Tier, want.Source, want.Relevance, want.Description, want.Focus, want.CreationReason, want.Color, want.FirstRound,
					map[blue.Round]int64{1: 9}, map[blue.Round]string{1: "As I wrote it."}})
		}),
		on("Load/round/fields as given", func(w *env) {
			w.full()
			r, want := w.load().Rounds[0], fullBatch(1)
			w.same("fields", []any{r.Round, r.Status, r.Score, r.Wisdom, r.Consistency, r.Truth, r.Relationships, r.OpenTensions, r.NewPerspectives, r.ConvergeSignals, r.PanelSize, r.Title, r.Summary},
				[]any{want.Round, blue.StatusOpen, want.Score, want.Wisdom, want.Consistency, want.Truth, want.Relationships, want.OpenTensions, want.NewPerspectives, want.ConvergeSignals, want.PanelSize, want.Title, want.Summary})
		}),
		on("Load/move/fields as given", func(w *env) {
			w.full()
			m := w.load().Moves[0]
			m.CreatedAt, m.UpdatedAt = time.Time{}, time.Time{}
			w.same("the move", m, &blue.Move{Round: 1, Expert: "Muffin", Display: "Muffin", Seq: 1, Type: "bridge", Targets: []string{"T0101", "E0001"}, Context: "between both"})
		}),
		on("Load/verdict/fields as given", func(w *env) {
			w.full()
			v, want := w.load().Verdicts[0], fullVerdict("low")
			w.same("fields", []any{v.ID, v.Type, v.Round, v.Confidence, v.AuthorExpert, v.Recommendation, v.Description, v.Conditions, v.Vote, v.SupportingExperts, v.EthosCompliance, v.TensionsAccepted, v.Forced},
				[]any{want.ID, want.Type, want.Round, "low", want.AuthorExpert, want.Recommendation, want.Description, want.Conditions, want.Vote, want.SupportingExperts, want.EthosCompliance, want.TensionsAccepted, true})
		}),
		on("Load/dialogue/sub-second times come back", func(w *env) {
			w.create(newDialogue())
			w.same("created_at", w.load().Dialogue.CreatedAt, w.clock.now())
		}),
	}
	for _, kind := range blue.NumberedKinds() {
		cases = append(cases, check(kind), check(kind.EventKind()), on("Load/"+string(kind)+"/fields as given", func(w *env) {
			w.full()
			e, _ := w.load().Find(blue.EntityID{Kind: kind, Round: 1, Seq: 1})
			want := fullBatch(1).Drafts[kind][0]
			c := e.Common()
			w.same("fields", []any{c.Label, e.Text(), c.Contributors, c.LocalID}, []any{want.Label, want.Text, want.Contributors, want.LocalID})
			w.same("references", c.References, []blue.Reference{{Type: "support", Target: id("P0099")}, {Type: "resolve", Target: id("T0101")}})
			if r, ok := e.(*blue.Recommendation); ok {
				w.same("parameters", string(r.Parameters), string(want.Parameters))
			}
		}))
	}
	return cases
}
