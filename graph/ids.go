package graph

import (
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// ids is a set of display ids.
type ids map[blue.EntityID]bool

func idSet(list []blue.EntityID) ids {
	set := make(ids, len(list))
	set.add(list)
	return set
}

func (s ids) add(list []blue.EntityID) {
	for _, id := range list {
		s[id] = true
	}
}

// sorted returns the members in node order; nil when there are none.
func (s ids) sorted() []blue.EntityID {
	if len(s) == 0 {
		return nil
	}
	list := make([]blue.EntityID, 0, len(s))
	for id := range s {
		list = append(list, id)
	}
	slices.SortFunc(list, blue.EntityID.Compare)
	return list
}
