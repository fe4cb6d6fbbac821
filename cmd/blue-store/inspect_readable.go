package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/record"
)

// readableView contains everything that a person with the items of a dialogue can
// read without a key.
type readableView struct {
	Items    int            `json:"items"`
	Bytes    int            `json:"bytes"`
	Kinds    map[string]int `json:"kinds"`     // items by the first part of the sort key
	Experts  []string       `json:"experts"`   // slugs, from expert# keys
	TookPart []string       `json:"took_part"` // round and slug, from move# keys
	Statuses map[string]int `json:"statuses"`  // "tension open" → items
	Times    timeSpan       `json:"times"`     // of all clear times
	Numbers  []string       `json:"numbers"`   // names of counts and scores
	Texts    []clearText    `json:"texts"`     // other clear texts, with their values
	Sizes    map[int]int    `json:"sizes"`     // size of encrypted content in bytes → items
	KeyIDs   []string       `json:"key_ids"`
	SortKeys []string       `json:"sort_keys"` // all ids
}

type timeSpan struct {
	First string   `json:"first"`
	Last  string   `json:"last"`
	Names []string `json:"names"`
}

// clearText is a clear text attribute and the values found, at most maxValues.
type clearText struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
	More   int      `json:"more,omitempty"` // number of the other values
}

const maxValues = 8

// readableOf returns the view of the items. It classifies attributes by type and
// value: a number is a count or a score, and a text with the layout of a time is
// a time.
func readableOf(items []record.Record) readableView {
	v := readableView{
		Items: len(items), Kinds: map[string]int{}, Statuses: map[string]int{}, Sizes: map[int]int{},
		Experts: []string{}, TookPart: []string{}, Numbers: []string{}, Texts: []clearText{}, KeyIDs: []string{}, SortKeys: []string{},
	}
	texts, numbers, times, keyIDs, took := readableSets{}, set{}, set{}, set{}, set{}
	for _, r := range items {
		v.Bytes += r.Size()
		v.SortKeys = append(v.SortKeys, r.Key.Item)
		kind, rest, _ := strings.Cut(r.Key.Item, "#")
		v.Kinds[kind]++
		switch parts := strings.Split(rest, "#"); {
		case kind == "expert":
			v.Experts = append(v.Experts, rest)
		case kind == "move" && len(parts) == 3:
			took["round "+parts[0]+" "+parts[1]] = true
		}
		for name, value := range r.Attrs {
			switch {
			case name == "key_id":
				keyIDs[value.Str()] = true
			case name == "content_encrypted":
				v.Sizes[len(value.Bin())]++
			case name == "aad_hash", value.Type() == record.Bytes:
			case name == "status":
				v.Statuses[kind+" "+value.Str()]++
			case value.Type() == record.String && isPrintedTime(value.Str()):
				times[name] = true
				v.Times.add(value.Str())
			case value.Type() == record.String:
				texts.add(name, value.Str())
			default:
				numbers[name] = true
			}
		}
	}
	v.TookPart, v.KeyIDs, v.Numbers, v.Times.Names = took.sorted(), keyIDs.sorted(), numbers.sorted(), times.sorted()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		values := texts[name].sorted()
		v.Texts = append(v.Texts, clearText{name, values[:min(len(values), maxValues)], max(0, len(values)-maxValues)})
	}
	return v
}

func isPrintedTime(s string) bool {
	_, err := time.Parse(record.TimeLayout, s)
	return err == nil
}

func (t *timeSpan) add(s string) {
	if t.First == "" || s < t.First {
		t.First = s
	}
	t.Last = max(t.Last, s)
}

type set map[string]bool

// sorted returns the values in order. It is never nil, so that JSON has a list.
func (s set) sorted() []string {
	list := slices.AppendSeq([]string{}, maps.Keys(s))
	slices.Sort(list)
	return list
}

type readableSets map[string]set

// add adds values to the set with the name, which it creates if necessary.
func (s readableSets) add(name string, values ...string) {
	if s[name] == nil {
		s[name] = set{}
	}
	for _, v := range values {
		s[name][v] = true
	}
}

func (v *readableView) writeText(b *strings.Builder) {
	b.WriteString("\nreadable without a key\n")
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "  %-20s %s\n", name, value)
		}
	}
	line("items", fmt.Sprintf("%d, %d bytes: %s", v.Items, v.Bytes, printedTally(v.Kinds, " ")))
	line("ids", display.Shorten(strings.Join(v.SortKeys, " "), 80))
	line("slugs", strings.Join(v.Experts, ", "))
	line("who took part when", strings.Join(v.TookPart, ", "))
	line("statuses", printedTally(v.Statuses, " "))
	line("times", fmt.Sprintf("%s to %s (%s)", v.Times.First, v.Times.Last, strings.Join(v.Times.Names, ", ")))
	line("counts and scores", strings.Join(v.Numbers, ", "))
	for _, t := range v.Texts {
		more := ""
		if t.More > 0 {
			more = fmt.Sprintf(" and %d more", t.More)
		}
		line(t.Name, display.Shorten(strings.Join(t.Values, ", "), 80)+more)
	}
	line("sealed sizes", printedTally(v.Sizes, " of ")+" bytes")
	line("key ids", strings.Join(v.KeyIDs, ", "))
}

// printedTally returns counts in the order of their keys, for example "18 tension
// open, 3 round completed" or "12 of 80, 3 of 144".
func printedTally[K cmp.Ordered](counts map[K]int, separator string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d%s%v", counts[key], separator, key))
	}
	return strings.Join(parts, ", ")
}
