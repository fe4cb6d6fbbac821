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

// openedOf returns the decrypted fields of an entity that have a value. The tag
// "sealed" marks them (package blue).
func openedOf(e blue.Entity) []openedField {
	v := reflect.ValueOf(e).Elem()
	var list []openedField
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, value := f.Tag.Get("sealed"), v.FieldByIndex(f.Index)
		if name == "" || value.IsZero() {
			continue
		}
		list = append(list, openedField{name, valueText(value.Interface())})
	}
	return list
}

// valueText returns a string unchanged and any other value as JSON.
func valueText(v any) string {
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

// The widths of the two columns in characters.
const (
	leftWidth  = 46
	rightWidth = 60
)

// writeColumns writes the stored attributes in the left column and the decrypted
// fields in the right column, each on one line.
func (it *inspectedItem) writeColumns(b *strings.Builder) {
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
	line := fmt.Sprintf("%-*s  %s", leftWidth, clipRunes(left, leftWidth), clipRunes(right, rightWidth))
	b.WriteString(strings.TrimRight(line, " ") + "\n")
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

// wrapText breaks a paragraph into lines of at most width characters.
func wrapText(text string, width int) string {
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
