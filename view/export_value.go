package view

import (
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// list makes a JSON list, present even when empty.
func list[T any](items []T, each func(T) any) []any {
	l := make([]any, 0, len(items))
	for _, item := range items {
		l = append(l, each(item))
	}
	return l
}

// sorted returns numbered entities of one kind by round, then seq.
func sorted[T blue.Contributed](items []T) []T {
	return slices.SortedStableFunc(slices.Values(items), func(a, b T) int {
		x, y := a.Common().ID, b.Common().ID
		return int(x.Round-y.Round)*1000 + int(x.Seq-y.Seq)
	})
}

// optional is a text, or null when it is absent.
func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// pointer is a value, or null when it is absent.
func pointer[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// texts is a list of texts, present even when empty.
func texts[T ~string](items []T) []any {
	return list(items, func(s T) any { return string(s) })
}

// optionalTexts is a list of texts; absent is null, empty is [].
func optionalTexts[T ~string](items []T) any {
	if items == nil {
		return nil
	}
	return texts(items)
}

// displayIDs is a list of ids, or null when there are none.
func displayIDs(ids []blue.EntityID) any {
	if len(ids) == 0 {
		return nil
	}
	return list(ids, func(id blue.EntityID) any { return id.String() })
}

// timestamp is UTC, RFC 3339 with nine digits, or null for the zero time.
func timestamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z")
}
