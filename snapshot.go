package blue

import "slices"

// Snapshot is one dialogue, whole, as it stood at one commit. Lists are in
// storage order: experts by slug, rounds by number, numbered kinds by round
// and seq, moves by round, expert and seq, events by entity and time,
// verdicts by round, then creation.
type Snapshot struct {
	Dialogue Dialogue
	Experts  []*Expert
	Rounds   []*RoundRecord
	// Entities holds the numbered entities by kind. Numbered and Contributed
	// read it.
	Entities map[Kind][]Contributed
	Moves    []*Move
	Events   []*Event
	Verdicts []*Verdict
	// Unknown holds the sort keys of items of a kind this version does not
	// know. They are verified and kept.
	Unknown []string
	// Damage is set by a salvaging load alone: what was left out, and why.
	Damage []Damage
	// Version counts the commits of a sealed dialogue; 0 where nothing counts them.
	Version uint64
}

// Add appends numbered entities, each to the list of its kind.
func (s *Snapshot) Add(entities ...Contributed) {
	if s.Entities == nil {
		s.Entities = map[Kind][]Contributed{}
	}
	for _, e := range entities {
		kind := e.EntityKind()
		s.Entities[kind] = append(s.Entities[kind], e)
	}
}

// Numbered returns the entities of one numbered kind, by round and seq.
func (s *Snapshot) Numbered(k Kind) []Contributed { return s.Entities[k] }

// Contributed returns all numbered entities in a list of its own: kinds in
// batch order, each by round and seq.
func (s *Snapshot) Contributed() []Contributed {
	var all []Contributed
	for _, k := range NumberedKinds() {
		all = append(all, s.Entities[k]...)
	}
	return all
}

// Tensions returns the tensions, by round and seq.
func (s *Snapshot) Tensions() []*Tension { return ofType[*Tension](s.Entities[KindTension]) }

// Recommendations returns the recommendations, by round and seq.
func (s *Snapshot) Recommendations() []*Recommendation {
	return ofType[*Recommendation](s.Entities[KindRecommendation])
}

// ofType returns the entities as values of their own type.
func ofType[T Contributed](entities []Contributed) []T {
	list := make([]T, len(entities))
	for i, e := range entities {
		list[i] = e.(T)
	}
	return list
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

// Verdict returns the verdict with the id.
func (s *Snapshot) Verdict(id VerdictID) (*Verdict, bool) {
	i := slices.IndexFunc(s.Verdicts, func(v *Verdict) bool { return v.ID == id })
	if i < 0 {
		return nil, false
	}
	return s.Verdicts[i], true
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
