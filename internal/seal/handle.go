package seal

// A Handle gives other packages of this module access to the Store of a public
// type that embeds it. The public type needs no exported method for that.
type Handle struct{ store *Store }

// Handle returns the handle of s.
func (s *Store) Handle() Handle { return Handle{s} }

func (h Handle) sealed() *Store { return h.store }

// Of returns the Store of a type that embeds a Handle.
func Of(embeds interface{ sealed() *Store }) *Store { return embeds.sealed() }
