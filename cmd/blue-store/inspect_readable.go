package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/record"
)

// readableView is what the items of a dialogue tell whoever has no key,
// collected from the items themselves.
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
	Sizes    map[string]int `json:"sizes"`     // bytes of sealed content → items; sizes come in buckets
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
	More   int      `json:"more,omitempty"` // values beyond those
}

const maxValues = 8

// timeForm is how clear times are stored.
const timeForm = record.TimeLayout

// readableOf collects the view. What an attribute is, its type and value say:
// a number is a count or a score, a text in the form of a time is one.
func readableOf(items []record.Record) readableView {
	v := readableView{
		Items: len(items), Kinds: map[string]int{}, Statuses: map[string]int{}, Sizes: map[string]int{},
		Experts: []string{}, TookPart: []string{}, Numbers: []string{}, Texts: []clearText{}, KeyIDs: []string{}, SortKeys: []string{},
	}
	texts, numbers, times, keyIDs, took := sets{}, set{}, set{}, set{}, set{}
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
				v.Sizes[fmt.Sprint(len(value.Bin()))]++
			case name == "aad_hash", value.Type() == record.Bytes:
			case name == "status":
				v.Statuses[kind+" "+value.Str()]++
			case value.Type() == record.String && isTime(value.Str()):
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

func isTime(s string) bool {
	_, err := time.Parse(timeForm, s)
	return err == nil
}

func (t *timeSpan) add(s string) {
	if t.First == "" || s < t.First {
		t.First = s
	}
	t.Last = max(t.Last, s)
}

type set map[string]bool

// sorted is never nil, so that JSON has a list.
func (s set) sorted() []string {
	list := slices.AppendSeq([]string{}, maps.Keys(s))
	slices.Sort(list)
	return list
}

type sets map[string]set

func (s sets) add(name, value string) {
	if s[name] == nil {
		s[name] = set{}
	}
	s[name][value] = true
}

func (v *readableView) text(b *strings.Builder) {
	b.WriteString("\nwhat whoever holds the store can read\n")
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "  %-20s %s\n", name, value)
		}
	}
	line("items", fmt.Sprintf("%d, %d bytes: %s", v.Items, v.Bytes, tally(v.Kinds)))
	line("ids", clipRunes(strings.Join(v.SortKeys, " "), 80))
	line("slugs", strings.Join(v.Experts, ", "))
	line("who took part when", strings.Join(v.TookPart, ", "))
	line("statuses", tally(v.Statuses))
	line("times", fmt.Sprintf("%s to %s (%s)", v.Times.First, v.Times.Last, strings.Join(v.Times.Names, ", ")))
	line("counts and scores", strings.Join(v.Numbers, ", "))
	for _, t := range v.Texts {
		more := ""
		if t.More > 0 {
			more = fmt.Sprintf(" and %d more", t.More)
		}
		line(t.Name, clipRunes(strings.Join(t.Values, ", "), 80)+more)
	}
	line("sealed sizes", tallySizes(v.Sizes))
	line("key ids", strings.Join(v.KeyIDs, ", "))
}

// tally is "18 tension open, 3 round completed".
func tally(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(parts, ", ")
}

// tallySizes is "12 of 80 bytes, 3 of 144", the smallest first.
func tallySizes(sizes map[string]int) string {
	names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, size := range names {
		parts = append(parts, fmt.Sprintf("%d of %s", sizes[size], size))
	}
	return strings.Join(parts, ", ") + " bytes"
}
