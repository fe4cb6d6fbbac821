package blue

import (
	"slices"
	"strings"
)

// HighestSeq returns the highest seq of a kind in a round, 0 if there is none.
func (s *Snapshot) HighestSeq(round Round, kind Kind) Seq {
	var highest Seq
	for _, e := range s.Contributed() {
		if id := e.Common().ID; id.Kind == kind && id.Round == round {
			highest = max(highest, id.Seq)
		}
	}
	return highest
}

// Number gives every draft its display id: per kind highest+1 onwards, in
// batch order. More than MaxSeq of a kind in the round is a *ValidationError.
func (b RoundBatch) Number(highest func(Kind) Seq) (map[Kind][]Numbered, error) {
	ids := make(map[Kind][]Numbered, len(b.Drafts))
	for _, kind := range NumberedKinds() {
		drafts := b.Drafts[kind]
		if len(drafts) == 0 {
			continue
		}
		from := highest(kind)
		if held := int(from) + len(drafts); held > int(MaxSeq) {
			return nil, refusal(tooMany(b.Round, held, kind.Plural()).at(kind.Plural()))
		}
		for i, d := range drafts {
			id := EntityID{kind, b.Round, from + 1 + Seq(i)}
			ids[kind] = append(ids[kind], Numbered{id, d.LocalID})
		}
	}
	return ids, nil
}

// Resolve returns a copy of the batch in which display ids stand for the
// local ids of its own drafts: in reference targets, tension updates, their
// via, and move targets. Any other text stays as it is; a reference that a
// source makes twice is kept once. ids comes from Number.
func (b RoundBatch) Resolve(ids map[Kind][]Numbered) RoundBatch {
	global := map[string]string{}
	for _, numbered := range ids {
		for _, n := range numbered {
			if isLocalID(n.LocalID) {
				global[n.LocalID] = n.ID.String()
			}
		}
	}
	resolve := func(text string) string {
		if id, known := global[text]; known {
			return id
		}
		return text
	}
	drafts := make(map[Kind][]Draft, len(b.Drafts))
	for kind, list := range b.Drafts {
		list = slices.Clone(list)
		for i := range list {
			list[i].References = resolveRefs(list[i].References, resolve)
		}
		drafts[kind] = list
	}
	b.Drafts = drafts
	b.TensionUpdates = slices.Clone(b.TensionUpdates)
	for i, u := range b.TensionUpdates {
		b.TensionUpdates[i].ID, b.TensionUpdates[i].Via = resolve(u.ID), resolve(u.Via)
	}
	b.Moves = slices.Clone(b.Moves)
	for i, m := range b.Moves {
		targets := slices.Clone(m.Targets)
		for j := range targets {
			targets[j] = resolve(targets[j])
		}
		b.Moves[i].Targets = targets
	}
	return b
}

func resolveRefs(refs []RefDraft, resolve func(string) string) []RefDraft {
	if refs == nil {
		return nil
	}
	resolved := make([]RefDraft, 0, len(refs))
	seen := make(map[RefDraft]bool, len(refs))
	for _, r := range refs {
		r.Target = resolve(r.Target)
		if !seen[r] {
			seen[r] = true
			resolved = append(resolved, r)
		}
	}
	return resolved
}

// Known splits what a batch says about experts, scores and raw content, into
// the scores that can be stored, in slug order and by the slug the expert is
// registered with, and a warning of type unknown_expert for each expert that
// is not in the dialogue (Blue reports those as stored, and loses them).
func (b RoundBatch) Known(s *Snapshot) ([]ExpertScore, []Warning) {
	var scores []ExpertScore
	unknown := map[ExpertSlug]bool{}
	for slug, score := range b.ExpertScores {
		if e, found := s.Expert(slug); found {
			scores = append(scores, ExpertScore{e.Slug, score})
		} else {
			unknown[slug] = true
		}
	}
	for slug := range b.RawContent {
		if _, found := s.Expert(slug); !found {
			unknown[slug] = true
		}
	}
	slices.SortFunc(scores, func(a, b ExpertScore) int { return strings.Compare(string(a.Slug), string(b.Slug)) })
	var warnings []Warning
	for slug := range unknown {
		warnings = append(warnings, Warning{
			Type: "unknown_expert", Expert: slug, Round: &b.Round,
			Message: "Expert '" + clip(string(slug)) + "' is not in this dialogue; nothing was stored for it",
		})
	}
	slices.SortFunc(warnings, func(a, b Warning) int { return strings.Compare(string(a.Expert), string(b.Expert)) })
	return scores, warnings
}
