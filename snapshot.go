package blue

import "slices"

// Snapshot is one dialogue, whole, as it stood at one commit. Lists are in
// storage order: experts by slug, rounds by number, numbered kinds by round
// and seq, moves by round, expert and seq, events by entity and time,
// verdicts by round, then creation.
type Snapshot struct {
	Dialogue        Dialogue
	Experts         []*Expert
	Rounds          []*RoundRecord
	Perspectives    []*Perspective
	Tensions        []*Tension
	Recommendations []*Recommendation
	Evidence        []*Evidence
	Claims          []*Claim
	Moves           []*Move
	Events          []*Event
	Verdicts        []*Verdict
	// Unknown holds the sort keys of items of a kind this version does not
	// know. They are verified and kept.
	Unknown []string
	// Damage is set by a salvaging load alone: what was left out, and why.
	Damage []Damage
	// Version counts the commits of a sealed dialogue; 0 where nothing counts them.
	Version uint64
}

// Contributed returns all numbered entities: perspectives, tensions,
// recommendations, evidence, claims, each by round and seq.
func (s *Snapshot) Contributed() []Contributed {
	all := make([]Contributed, 0, len(s.Perspectives)+len(s.Tensions)+len(s.Recommendations)+len(s.Evidence)+len(s.Claims))
	for _, e := range s.Perspectives {
		all = append(all, e)
	}
	for _, e := range s.Tensions {
		all = append(all, e)
	}
	for _, e := range s.Recommendations {
		all = append(all, e)
	}
	for _, e := range s.Evidence {
		all = append(all, e)
	}
	for _, e := range s.Claims {
		all = append(all, e)
	}
	return all
}

// Find returns the numbered entity with the id.
func (s *Snapshot) Find(id EntityID) (Contributed, bool) {
	for _, e := range s.Contributed() {
		if e.Common().ID == id {
			return e, true
		}
	}
	return nil, false
}

// Expert returns the expert with the slug, in any case.
func (s *Snapshot) Expert(slug ExpertSlug) (*Expert, bool) {
	key := slug.Key()
	i := slices.IndexFunc(s.Experts, func(e *Expert) bool { return e.Slug.Key() == key })
	if i < 0 {
		return nil, false
	}
	return s.Experts[i], true
}

// Round returns the round's record.
func (s *Snapshot) Round(r Round) (*RoundRecord, bool) {
	i := slices.IndexFunc(s.Rounds, func(e *RoundRecord) bool { return e.Round == r })
	if i < 0 {
		return nil, false
	}
	return s.Rounds[i], true
}

// Refs returns every reference whole, in the order of its sources.
func (s *Snapshot) Refs() []Ref {
	var refs []Ref
	for _, e := range s.Contributed() {
		c := e.Common()
		for _, r := range c.References {
			refs = append(refs, Ref{Source: c.ID, Type: r.Type, Target: r.Target, CreatedAt: c.CreatedAt})
		}
	}
	return refs
}
