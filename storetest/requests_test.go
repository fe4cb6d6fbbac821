package storetest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"pgregory.net/rapid"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/storetest"
)

// request is one step of a history.
type request struct {
	name string
	do   func(ctx context.Context, s storetest.Store, id blue.DialogueID) (any, error)
}

// String makes a failing history readable.
func (r request) String() string { return r.name }

// mostly draws from good, and sometimes from bad.
func mostly[T any](good, bad []T) *rapid.Generator[T] {
	return rapid.Custom(func(t *rapid.T) T {
		if rapid.IntRange(0, 24).Draw(t, "luck") == 24 {
			return rapid.SampledFrom(bad).Draw(t, "bad")
		}
		return rapid.SampledFrom(good).Draw(t, "good")
	})
}

var (
	slugs   = mostly([]blue.ExpertSlug{"Muffin", "MUFFIN", "Scone", "Éclair", "Brioche"}, []blue.ExpertSlug{"no good", ""})
	tiers   = mostly([]blue.Tier{"Core", "Wildcard"}, []blue.Tier{"none"})
	rounds  = mostly([]blue.Round{0, 1, 2, 3, 99}, []blue.Round{100, -1})
	display = mostly([]string{"P0001", "T0001", "T0002", "T0101", "R0001", "R0102", "E0001", "C0101"}, []string{"P9999", "X1", ""})
	targets = mostly([]string{"T0001", "T9999", "X-tension-0"}, []string{"P0001", "X1", ""})
	texts   = mostly([]string{"", "a text", "ß\x00\n<&>", strings.Repeat("long ", 999)}, []string{"a\xff"})
	words   = mostly([]string{"support", "address", "resolve", "question"}, []string{"", "refine", "unknown"})
	objects = mostly([]json.RawMessage{nil, json.RawMessage(`null`), json.RawMessage(`{"a": [1, 2.50]}`)}, []json.RawMessage{json.RawMessage(`{`)})
	scores  = rapid.Int64Range(-9, 9)
	steps   = mostly([]*blue.Step{nil}, []*blue.Step{{Source: "s", Op: 0}, {Source: "s", Op: 1}, {Source: "s", Op: 2}})
)

func requests() *rapid.Generator[request] {
	return rapid.OneOf(experts(), batches(), batches(), signals(), verdicts(), transitions(), transitions(), amendments(), gets())
}

func experts() *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		n := blue.NewExpert{Slug: slugs.Draw(t, "slug"), Tier: tiers.Draw(t, "tier"),
			Source: "pool", Role: texts.Draw(t, "role"), Step: steps.Draw(t, "step")}
		return request{fmt.Sprintf("RegisterExpert %+v", n), func(ctx context.Context, s storetest.Store, id blue.DialogueID) (any, error) {
			return s.RegisterExpert(ctx, id, n)
		}}
	})
}

func batches() *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		b := blue.RoundBatch{Round: rounds.Draw(t, "round"), Score: scores.Draw(t, "score"), ConvergeSignals: 1, PanelSize: rapid.Int64Range(0, 1).Draw(t, "panel"),
			Title: texts.Draw(t, "title"), Drafts: map[blue.Kind][]blue.Draft{}, ExpertScores: map[blue.ExpertSlug]int64{}, Step: steps.Draw(t, "step")}
		for _, kind := range blue.NumberedKinds() {
			for i := range rapid.IntRange(0, 2).Draw(t, "drafts") {
				d := blue.Draft{Label: "l", Text: "t" + texts.Draw(t, "text"), LocalID: fmt.Sprintf("X-%s-%d", kind, i)}
				if kind == blue.KindRecommendation {
					d.Parameters = objects.Draw(t, "parameters")
				}
				if rapid.Bool().Draw(t, "refers") {
					d.References = []blue.RefDraft{{Type: "support", Target: "P0001"}, {Type: words.Draw(t, "type"), Target: targets.Draw(t, "target")}}
				}
				b.Drafts[kind] = append(b.Drafts[kind], d)
			}
		}
		if len(b.Drafts[blue.KindTension]) > 0 && rapid.Bool().Draw(t, "updates") {
			b.TensionUpdates = []blue.TensionUpdate{{ID: "X-tension-0", Status: status(t, blue.KindTension)}}
		}
		for range rapid.IntRange(0, 2).Draw(t, "scores") {
			b.ExpertScores[slugs.Draw(t, "expert")] = scores.Draw(t, "score")
		}
		if rapid.Bool().Draw(t, "moves") {
			b.Moves = []blue.MoveDraft{{Expert: slugs.Draw(t, "mover"), Type: "defend", Targets: []string{display.Draw(t, "target")}}}
		}
		return request{fmt.Sprintf("RegisterRound %+v", b), func(ctx context.Context, s storetest.Store, id blue.DialogueID) (any, error) {
			return s.RegisterRound(ctx, id, b)
		}}
	})
}

func signals() *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		n := blue.Signal{Round: rounds.Draw(t, "round"), Expert: slugs.Draw(t, "slug"), Step: steps.Draw(t, "step")}
		return request{fmt.Sprintf("RecordSignal %+v", n), func(ctx context.Context, s storetest.Store, id blue.DialogueID) (any, error) {
			return s.RecordSignal(ctx, id, n)
		}}
	})
}

func verdicts() *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		n := blue.NewVerdict{
			ID:    mostly([]blue.VerdictID{"v", "V", "w"}, []blue.VerdictID{"#"}).Draw(t, "id"),
			Type:  mostly([]blue.VerdictType{blue.VerdictFinal, "interim"}, []blue.VerdictType{"maybe"}).Draw(t, "type"),
			Round: rounds.Draw(t, "round"), Confidence: texts.Draw(t, "confidence"), Description: texts.Draw(t, "description"),
			RecommendationsAdopted: []string{display.Draw(t, "adopted")}, EthosCompliance: objects.Draw(t, "ethos"),
			Force: rapid.Bool().Draw(t, "force"), Step: steps.Draw(t, "step"),
		}
		return request{fmt.Sprintf("RegisterVerdict %+v", n), func(ctx context.Context, s storetest.Store, id blue.DialogueID) (any, error) {
			return s.RegisterVerdict(ctx, id, n)
		}}
	})
}

func transitions() *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		of, _ := blue.ParseEntityID(display.Draw(t, "id"))
		n := blue.Transition{ID: of, To: status(t, of.Kind), Reason: texts.Draw(t, "reason")}
		return request{fmt.Sprintf("Transition %+v", n), func(ctx context.Context, s storetest.Store, id blue.DialogueID) (any, error) {
			return s.Transition(ctx, id, n)
		}}
	})
}

func amendments() *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		n := blue.Amendment{DomainID: new(texts.Draw(t, "domain")), Step: steps.Draw(t, "step"),
			Status:     new(rapid.SampledFrom([]blue.Status{blue.StatusOpen, "converging", "gone"}).Draw(t, "status")),
			Background: &blue.Background{Subject: texts.Draw(t, "subject"), Constraints: objects.Draw(t, "constraints")}}
		return request{"Amend", func(ctx context.Context, s storetest.Store, id blue.DialogueID) (any, error) {
			return s.Amend(ctx, id, n)
		}}
	})
}

func gets() *rapid.Generator[request] {
	return rapid.Custom(func(t *rapid.T) request {
		of, _ := blue.ParseEntityID(display.Draw(t, "id"))
		key := rapid.SampledFrom([]blue.EntityKey{of.Key(), {Kind: blue.KindExpert, Key: "muffin"}, {Kind: blue.KindRound, Key: "1"},
			{Kind: blue.KindVerdict, Key: "v"}, {Kind: blue.KindDialogue}}).Draw(t, "key")
		return request{fmt.Sprintf("Get %v", key), func(ctx context.Context, s storetest.Store, id blue.DialogueID) (any, error) {
			return s.Get(ctx, id, key)
		}}
	})
}

// status draws a status of the kind.
func status(t *rapid.T, kind blue.Kind) blue.Status {
	if list := kind.Statuses(); len(list) > 0 {
		return mostly(list, []blue.Status{"gone"}).Draw(t, "status")
	}
	return "open"
}
