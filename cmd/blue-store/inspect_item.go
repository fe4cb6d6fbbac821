package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// openedOf lists the fields of an entity that were sealed, as its tags say
// (package blue), absent ones left out.
func openedOf(e blue.Entity) []openedField {
	v := reflect.ValueOf(e).Elem()
	var list []openedField
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, value := f.Tag.Get("sealed"), v.FieldByIndex(f.Index)
		if name == "" || value.IsZero() {
			continue
		}
		list = append(list, openedField{name, plain(value.Interface())})
	}
	return list
}

// plain is a value as text: a string as it is, all else as JSON.
func plain(v any) string {
	if value := reflect.ValueOf(v); value.Kind() == reflect.String {
		return value.String()
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "(" + err.Error() + ")"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// leftWidth is the width of the column of what is stored, in characters.
const leftWidth = 46

// columns writes the item: stored attributes on the left, opened fields on the
// right, each on one line.
func (it *inspected) columns(b *strings.Builder) {
	twoColumns(b, "what the store holds", "what you see with your key")
	for i := range max(len(it.Stored), len(it.Opened)) {
		left, right := "", ""
		if i < len(it.Stored) {
			left = it.Stored[i].line()
		}
		if i < len(it.Opened) {
			right = it.Opened[i].line()
		}
		twoColumns(b, left, right)
	}
}

func twoColumns(b *strings.Builder, left, right string) {
	left = clipRunes(left, leftWidth)
	pad := strings.Repeat(" ", leftWidth-utf8.RuneCountInString(left))
	fmt.Fprintf(b, "%s\n", strings.TrimRight(left+pad+"  "+clipRunes(right, 60), " "))
}

func (s storedAttr) line() string {
	if s.Type == "B" {
		return fmt.Sprintf("%-18s (%d sealed bytes)", s.Name, s.Bytes)
	}
	return fmt.Sprintf("%-18s %s", s.Name, s.Value)
}

func (f openedField) line() string {
	return fmt.Sprintf("%-14s %s", f.Name, strings.Join(strings.Fields(f.Value), " "))
}

// clipRunes shortens a text to at most n characters.
func clipRunes(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// wrap breaks a paragraph into lines of at most width characters.
func wrap(text string, width int) string {
	var b strings.Builder
	at := 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case at == 0:
		case at+1+n > width:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
