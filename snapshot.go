package blue

import "slices"

// A Snapshot is one whole dialogue at one commit. Lists are in storage order:
// experts by slug, rounds by number, numbered kinds by round and seq, moves by
// round, expert and seq, events by entity and time, verdicts by round, then
// creation. A snapshot belongs to its caller, who can change it.
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
	// Unknown holds the sort keys of items whose kind this version does not
	// know. They are verified and kept.
	Unknown []string
	// Damage lists the items that a salvaging load left out, with the reasons. It
	// is empty after any other load.
	Damage []Damage
	// Version is the number of commits of a sealed dialogue. It is 0 for a plain
	// store.
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
	return first(s.Entities[id.Kind], func(e Contributed) bool { return e.Common().ID == id })
}

// Expert returns the expert with the slug, in any case.
func (s *Snapshot) Expert(slug ExpertSlug) (*Expert, bool) {
	key := slug.Key()
	return first(s.Experts, func(e *Expert) bool { return e.Slug.Key() == key })
}

// Round returns the record of the round.
func (s *Snapshot) Round(r Round) (*RoundRecord, bool) {
	return first(s.Rounds, func(e *RoundRecord) bool { return e.Round == r })
}

// Verdict returns the verdict with the id.
func (s *Snapshot) Verdict(id VerdictID) (*Verdict, bool) {
	return first(s.Verdicts, func(v *Verdict) bool { return v.ID == id })
}

// first returns the first element that matches.
func first[T any](list []T, matches func(T) bool) (found T, ok bool) {
	i := slices.IndexFunc(list, matches)
	if i < 0 {
		return found, false
	}
	return list[i], true
}

// Refs returns every reference with its source, in the order of the sources.
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
