package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// A reader collects the warnings and errors of one JSON text.
type reader struct {
	warnings []blue.Warning
	bad      []string          // what makes the whole text unusable
	unread   bool              // a part of it cannot be read at all
	refused  []blue.FieldError // what a rule refuses
}

// An object is one object of the text. An absent object has no members.
type object struct {
	in      *reader
	path    string // "" or with a dot at the end
	members map[string]json.RawMessage
}

// readObject checks a text and opens it. A text of another type has
// no members.
func readObject(data []byte) (*reader, object, error) {
	if err := StrictJSON(data); err != nil {
		return nil, object{}, err
	}
	in := &reader{}
	o := object{in: in, members: membersOf(data)}
	if o.members == nil {
		in.unread = true
		in.complain("the data must be an object")
	}
	return in, o, nil
}

func (r *reader) complain(what string) { r.bad = append(r.bad, what) }

// complainNumber complains of a value that must be a number. A number beyond
// 64 bits (1e400) cannot be read at all.
func (r *reader) complainNumber(what string, raw json.RawMessage) {
	_, err := strconv.ParseFloat(string(raw), 64)
	r.unread = r.unread || errors.Is(err, strconv.ErrRange)
	r.complain(what)
}

func (r *reader) warn(message string) {
	r.warnings = append(r.warnings, blue.Warning{Type: "unknown_field", Message: message})
}

// refuse adds a field that a rule refuses. The suggestion is to leave it out.
func (r *reader) refuse(field, code, message string) {
	r.refused = append(r.refused, blue.FieldError{Code: code, Message: message, Field: field, Suggestion: new("Leave " + field + " out of the data")})
}

// err returns the error of an unusable text, which Blue calls invalid params,
// or of refused fields. blue.ErrRefused: members are missing or of the wrong
// type. blue.ErrInvalid: a part cannot be read at all.
func (r *reader) err() error {
	kind := blue.ErrRefused
	if r.unread {
		kind = blue.ErrInvalid
	}
	if len(r.bad) > 0 {
		return fmt.Errorf("%w: Invalid params: %s", kind, strings.Join(r.bad, "; "))
	}
	if len(r.refused) > 0 {
		return &blue.ValidationError{Errors: r.refused}
	}
	return nil
}

// raw returns a member, nil if absent or null.
func (o object) raw(key string) json.RawMessage {
	if raw := o.members[key]; string(raw) != "null" {
		return raw
	}
	return nil
}

// anyJSON returns a member of any type, null included, without white space
// between its tokens. It returns nil for an absent member.
func (o object) anyJSON(key string) json.RawMessage {
	var b bytes.Buffer
	if raw, isPresent := o.members[key]; !isPresent || json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// present returns a member of any type, nil if absent or null.
func (o object) present(key string) json.RawMessage {
	if o.raw(key) == nil {
		return nil
	}
	return o.anyJSON(key)
}

// ignore warns of a member that has the wrong type.
func (o object) ignore(key, due string) {
	o.in.warn(o.path + bounded.Text(key) + " is not " + due + " and was ignored")
}

// only warns of members with other keys.
func (o object) only(keys ...string) {
	for _, key := range slices.Sorted(maps.Keys(o.members)) {
		if !slices.Contains(keys, key) {
			o.in.warn("unknown field " + o.path + bounded.Text(key) + " was ignored")
		}
	}
}

// text returns a text, "" if absent. Any other value leaves a warning.
func (o object) text(key string) string {
	text, ok := textOf(o.raw(key))
	if !ok && o.raw(key) != nil {
		o.ignore(key, "a text")
	}
	return text
}

// optional returns a text as text does, nil if absent.
func (o object) optional(key string) *string {
	if o.raw(key) == nil {
		return nil
	}
	return new(o.text(key))
}

// required returns a text. The whole data are unusable without it.
func (o object) required(key string) string {
	text, ok := textOf(o.raw(key))
	if !ok {
		o.in.complain(o.path + key + " must be a text")
	}
	return text
}

// textMembers returns the texts of a list, nil if there is no list. Other elements
// leave a warning.
func textMembers[T ~string](o object, key string) []T {
	elements := o.list(key)
	if elements == nil {
		return nil
	}
	list := make([]T, 0, len(elements))
	for i, raw := range elements {
		if text, ok := textOf(raw); ok {
			list = append(list, T(text))
		} else {
			o.ignore(fmt.Sprintf("%s[%d]", key, i), "a text")
		}
	}
	return list
}

// list returns the elements of a list, nil if absent. Any other value leaves a
// warning.
func (o object) list(key string) []json.RawMessage {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	elements := []json.RawMessage{}
	if json.Unmarshal(raw, &elements) != nil {
		o.ignore(key, "a list")
		return nil
	}
	return elements
}

// objects returns the elements of a list. An element of another type
// comes without members, so that its missing members are reported.
func (o object) objects(key string) []object {
	elements := o.list(key)
	objects := make([]object, len(elements))
	for i, raw := range elements {
		objects[i] = object{in: o.in, path: fmt.Sprintf("%s%s[%d].", o.path, key, i), members: membersOf(raw)}
	}
	return objects
}

// object returns an object, without members if absent. Any other value leaves
// a warning.
func (o object) object(key string) object {
	child := object{in: o.in, path: o.path + key + "."}
	if raw := o.raw(key); raw != nil {
		if child.members = membersOf(raw); child.members == nil {
			o.ignore(key, "an object")
		}
	}
	return child
}

// integer returns a whole number of 64 bits, 0 if absent. Any other value makes
// the data unusable.
func (o object) integer(key string) int64 {
	raw := o.raw(key)
	n, ok := integerOf(raw)
	if !ok && raw != nil {
		o.in.complainNumber(o.path+key+" must be an integer of 64 bits", raw)
	}
	return n
}

// requiredInteger is integer for a member that must be present.
func (o object) requiredInteger(key string) int64 {
	if o.raw(key) == nil {
		o.in.complain(o.path + key + " must be an integer of 64 bits")
	}
	return o.integer(key)
}

// number returns a number of 64 bits, nil if absent. Any other value makes the
// data unusable.
func (o object) number(key string) *float64 {
	raw := o.raw(key)
	if raw == nil {
		return nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(f, 0) {
		o.in.complainNumber(o.path+key+" must be a number of 64 bits", raw)
	}
	return &f
}

// checkDialogue refuses data that name another dialogue than the request (Blue
// lets the data win, bug 4).
func (o object) checkDialogue(id blue.DialogueID) {
	raw := o.raw("dialogue_id")
	if text, ok := textOf(raw); raw != nil && (!ok || text != string(id)) {
		o.in.refuse("dialogue_id", "entity_not_found", "The data name another dialogue than the request")
	}
}

func membersOf(raw json.RawMessage) (members map[string]json.RawMessage) {
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	return members
}

func textOf(raw json.RawMessage) (text string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return text, json.Unmarshal(raw, &text) == nil
}

// integerOf reads digits. "1.0" is 1, as in canonical decimal text. "1e3" is
// refused, because nothing bounds the work for an exponent.
func integerOf(raw json.RawMessage) (int64, bool) {
	digits, fraction, _ := strings.Cut(string(raw), ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	return n, true
}
