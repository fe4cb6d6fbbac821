package storetest

import (
	"encoding/json"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// listFieldCases check that an absent field stays absent and an empty one stays
// empty.
func listFieldCases() []Case {
	verdict := func(w *env, n blue.NewVerdict) *blue.Verdict {
		w.Helper()
		w.create(newDialogue())
		n.ID, n.Type = "v", "interim"
		w.verdict(n)
		return w.load().Verdicts[0]
	}
	cases := []Case{
		on("Load/dialogue/optional fields absent", func(w *env) {
			w.create(blue.NewDialogue{})
			at := w.clock.now()
			w.same("the dialogue", w.load().Dialogue, blue.Dialogue{ID: dialogue, Status: blue.StatusOpen, CreatedAt: at, UpdatedAt: at})
		}),
		on("Load/dialogue/background without its parts", func(w *env) {
			w.create(blue.NewDialogue{Background: &blue.Background{}})
			w.same("the background", w.load().Dialogue.Background, &blue.Background{})
		}),
		on("Load/expert/optional fields absent", func(w *env) {
			w.create(newDialogue())
			got := w.expert(blue.NewExpert{Slug: "a", Tier: "Core", Source: "pool"})
			w.same("the expert", w.load().Experts[0], &blue.Expert{Slug: "a", Tier: "Core", Source: "pool", CreatedAt: got.CreatedAt, UpdatedAt: got.CreatedAt})
		}),
		on("Load/expert/relevance and first round of zero are not absent", func(w *env) {
			w.create(newDialogue())
			w.expert(blue.NewExpert{Slug: "a", Tier: "Core", Source: "pool", Relevance: new(float64), FirstRound: new(blue.Round)})
			e := w.load().Experts[0]
			w.same("fields", []any{e.Relevance, e.FirstRound}, []any{new(0.0), new(blue.Round(0))})
		}),
		on("Load/expert/a score of zero is not absent", func(w *env) {
			w.create(newDialogue())
			w.expert(newExpert("Muffin"))
			w.round(blue.RoundBatch{ExpertScores: map[blue.ExpertSlug]int64{"Muffin": 0}})
			w.same("scores", w.load().Experts[0].Scores, map[blue.Round]int64{0: 0})
		}),
		on("Load/round/optional fields absent", func(w *env) {
			w.create(newDialogue())
			w.round(blue.RoundBatch{})
			r := w.load().Rounds[0]
			w.same("the round", r, &blue.RoundRecord{Status: blue.StatusOpen, CreatedAt: r.CreatedAt, UpdatedAt: r.CreatedAt, Request: r.Request})
		}),
		on("Load/move/optional fields absent", func(w *env) {
			w.create(newDialogue())
			w.round(blue.RoundBatch{Moves: []blue.MoveDraft{{Expert: "a", Type: "defend"}}})
			m := w.load().Moves[0]
			w.same("targets", m.Targets, []string(nil))
		}),
		on("Load/move/empty targets", func(w *env) {
			w.create(newDialogue())
			w.round(blue.RoundBatch{Moves: []blue.MoveDraft{{Expert: "a", Type: "defend", Targets: []string{}}}})
			w.same("targets", w.load().Moves[0].Targets, []string{})
		}),
		on("Load/verdict/optional fields absent", func(w *env) {
			v := verdict(w, blue.NewVerdict{})
			w.same("the verdict", v, &blue.Verdict{ID: "v", Type: "interim", CreatedAt: v.CreatedAt, UpdatedAt: v.CreatedAt})
		}),
		on("Load/verdict/empty lists", func(w *env) {
			v := verdict(w, blue.NewVerdict{Conditions: []string{}, SupportingExperts: []blue.ExpertSlug{}, TensionsAccepted: []string{}})
			w.same("lists", []any{v.Conditions, v.SupportingExperts, v.TensionsAccepted}, []any{[]string{}, []blue.ExpertSlug{}, []string{}})
		}),
		on("Load/verdict/JSON null is not absent", func(w *env) {
			w.same("ethos_compliance", string(verdict(w, blue.NewVerdict{EthosCompliance: json.RawMessage(`null`)}).EthosCompliance), "null")
		}),
		on("Transition/tension_event/empty actors", func(w *env) {
			w.seed()
			w.same("actors", w.transition(blue.Transition{ID: id("T0001"), To: "addressed", By: []blue.ExpertSlug{}}).Actors, []blue.ExpertSlug{})
			for _, e := range w.load().Events {
				if e.Type == "addressed" {
					w.same("actors stored", e.Actors, []blue.ExpertSlug{})
				}
			}
		}),
		on("Load/recommendation/parameters null", func(w *env) {
			w.create(newDialogue())
			b := batch(0)
			b.Drafts[blue.KindRecommendation][0].Parameters = json.RawMessage(`null`)
			w.round(b)
			w.same("parameters", string(w.load().Recommendations()[0].Parameters), "null")
		}),
		on("RegisterRound/recommendation/broken parameters", func(w *env) {
			w.create(newDialogue())
			b := batch(0)
			b.Drafts[blue.KindRecommendation][0].Parameters = json.RawMessage(`{"a":`)
			w.refuses(blue.ErrInvalid, func() error { return w.tryRound(b) })
		}),
	}
	for _, kind := range blue.NumberedKinds() {
		cases = append(cases, on("Load/"+string(kind)+"/optional fields absent", func(w *env) {
			w.create(newDialogue())
			w.round(batch(0))
			e, _ := w.load().Find(blue.EntityID{Kind: kind, Seq: 1})
			c := e.Common()
			w.same("contributors are empty, not absent", c.Contributors, []blue.ExpertSlug{})
			w.same("references", c.References, []blue.Reference(nil))
			w.same("local id", c.LocalID, "")
			w.same("updated_at", c.UpdatedAt, c.CreatedAt)
		}))
	}
	return cases
}

// textCases check that every text is returned unchanged, byte by byte.
func textCases() []Case {
	var cases []Case
	for _, text := range []struct{ name, text string }{
		{"Unicode", "Größe · 大小 · حجم · 🧁 · e\u0301 · \U0010ffff"},
		{"NUL and controls", "a\x00b\x01\x1f\x7f\r\n\tc"},
		{"JSON and markup", `{"a":"\\"} <b>&amp;</b> \u0041 ` + "\u2028\u2029"},
		{"spaces at both ends", "  a  "},
		{"byte order mark", "\ufeffa"},
		{"300,000 bytes", strings.Repeat("0123456789", 30_000)},
	} {
		cases = append(cases,
			on("Create/dialogue/text of "+text.name, func(w *env) {
				want := blue.NewDialogue{Title: text.text, DomainID: text.text}
				if len(text.text) > 1000 {
					want.DomainID = ""
				}
				w.create(want)
				d := w.load().Dialogue
				w.same("texts", []string{d.Title, d.DomainID}, []string{want.Title, want.DomainID})
			}),
			on("RegisterRound/perspective/text of "+text.name, func(w *env) {
				w.create(newDialogue())
				b := batch(0)
				b.Drafts[blue.KindPerspective] = []blue.Draft{{Label: "x", Text: text.text, LocalID: clip(text.text)}}
				w.round(b)
				p := w.load().Numbered(blue.KindPerspective)[0]
				w.same("texts", []string{p.Text(), p.Common().LocalID}, []string{text.text, clip(text.text)})
				w.same("repeated", w.round(b).Repeated, true)
			}))
	}
	return append(cases,
		on("Create/dialogue/text that is not UTF-8", func(w *env) {
			w.refuses(blue.ErrInvalid, func() error {
				_, err := w.store.Create(w.Context(), dialogue, blue.NewDialogue{Title: "a\xffb"})
				return err
			})
		}),
		on("Create/dialogue/clear text that is not UTF-8", func(w *env) {
			w.refuses(blue.ErrInvalid, func() error {
				_, err := w.store.Create(w.Context(), dialogue, blue.NewDialogue{DomainID: "a\xffb"})
				return err
			})
		}),
		on("RegisterRound/perspective/text that is not UTF-8", func(w *env) {
			w.create(newDialogue())
			b := batch(0)
			b.Drafts[blue.KindPerspective][0].Text = "a\xffb"
			w.refuses(blue.ErrInvalid, func() error { return w.tryRound(b) })
		}))
}

func clip(s string) string { return s[:min(len(s), 1000)] }
