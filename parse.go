package blue

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
)

// The readers of this package take Blue's JSON as leniently as Blue: what is
// absent, or not the container that is due, counts as absent, and members of
// a list of texts that are no texts are dropped. Unlike Blue they leave a
// warning of type unknown_field for each, and refuse numbers they would have
// to cut (SPEC §13, bug 12).

// jsonReader collects what one JSON text gives cause to say.
type jsonReader struct {
	warnings []Warning
	bad      []string // what makes the whole text unusable
	unread   bool     // some of it cannot even be read as what it is
}

// jsonObject is one object of the text; an absent one has no members.
type jsonObject struct {
	in      *jsonReader
	path    string // "" or with a dot at the end
	members map[string]json.RawMessage
}

// readObject checks a text and opens it. What is no object has no members.
func readObject(data []byte) (*jsonReader, jsonObject, error) {
	if err := StrictJSON(data); err != nil {
		return nil, jsonObject{}, err
	}
	in := &jsonReader{}
	o := jsonObject{in: in}
	if json.Unmarshal(data, &o.members) != nil || o.members == nil {
		o.members = nil
		in.unread = true
		in.complain("the data must be an object")
	}
	return in, o, nil
}

func (r *jsonReader) complain(what string) { r.bad = append(r.bad, what) }

func (r *jsonReader) warn(message string) {
	r.warnings = append(r.warnings, Warning{Type: "unknown_field", Message: message})
}

// err returns what Blue calls invalid params, or nil: ErrRefused for members
// that are missing or of the wrong type, ErrInvalid for what cannot be read.
func (r *jsonReader) err() error {
	if len(r.bad) == 0 {
		return nil
	}
	kind := ErrRefused
	if r.unread {
		kind = ErrInvalid
	}
	return fmt.Errorf("%w: Invalid params: %s", kind, strings.Join(r.bad, "; "))
}

// complainNumber complains of a value that is due to be a number. One that is
// written as a number and beyond any (1e400) cannot be read at all.
func (r *jsonReader) complainNumber(what string, raw json.RawMessage) {
	_, err := strconv.ParseFloat(string(raw), 64)
	r.unread = r.unread || errors.Is(err, strconv.ErrRange)
	r.complain(what)
}

// raw returns a member, nil if absent or null.
func (o jsonObject) raw(key string) json.RawMessage {
	if raw := o.members[key]; string(raw) != "null" {
		return raw
	}
	return nil
}

// anyJSON returns a member of any type, null included, without white space
// around its parts; nil if absent.
func (o jsonObject) anyJSON(key string) json.RawMessage {
	raw, present := o.members[key]
	if !present {
		return nil
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

func (o jsonObject) ignore(key, due string) {
	o.in.warn(o.path + clip(key) + " is not " + due + " and was ignored")
}

// only warns of members with other keys.
func (o jsonObject) only(keys ...string) {
	for _, key := range slices.Sorted(maps.Keys(o.members)) {
		if !slices.Contains(keys, key) {
			o.in.warn("unknown field " + o.path + clip(key) + " was ignored")
		}
	}
}

func (o jsonObject) text(key string) string {
	raw := o.raw(key)
	if raw == nil {
		return ""
	}
	text, ok := textOf(raw)
	if !ok {
		o.ignore(key, "a text")
	}
	return text
}

// required returns a text without which nothing can be done.
func (o jsonObject) required(key string) string {
	text, ok := textOf(o.raw(key))
	if !ok {
		o.in.complain(o.path + key + " must be a text")
	}
	return text
}

// texts returns the texts of a list; nil if there is no list.
func (o jsonObject) texts(key string) []string {
	members, ok := o.list(key)
	if !ok {
		return nil
	}
	texts := make([]string, 0, len(members))
	for i, raw := range members {
		if text, ok := textOf(raw); ok {
			texts = append(texts, text)
		} else {
			o.ignore(fmt.Sprintf("%s[%d]", key, i), "a text")
		}
	}
	return texts
}

func (o jsonObject) slugs(key string) []ExpertSlug { return slugsOf(o.texts(key)) }

func (o jsonObject) list(key string) ([]json.RawMessage, bool) {
	raw := o.raw(key)
	if raw == nil {
		return nil, false
	}
	var members []json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		o.ignore(key, "a list")
		return nil, false
	}
	return members, true
}

// objects returns the members of a list. One that is no object comes back
// without members, so that what it lacks is reported.
func (o jsonObject) objects(key string) []jsonObject {
	members, _ := o.list(key)
	objects := make([]jsonObject, len(members))
	for i, raw := range members {
		objects[i] = jsonObject{in: o.in, path: fmt.Sprintf("%s%s[%d].", o.path, key, i), members: membersOf(raw)}
	}
	return objects
}

func (o jsonObject) object(key string) jsonObject {
	child := jsonObject{in: o.in, path: o.path + key + "."}
	if raw := o.raw(key); raw != nil {
		if child.members = membersOf(raw); child.members == nil {
			o.ignore(key, "an object")
		}
	}
	return child
}

// integer returns a whole number of 64 bits, 0 if absent. Anything else
// makes the text unusable.
func (o jsonObject) integer(key string) int64 {
	raw := o.raw(key)
	if raw == nil {
		return 0
	}
	n, ok := integerOf(raw)
	if !ok {
		o.in.complainNumber(o.path+key+" must be an integer of 64 bits", raw)
	}
	return n
}

// requiredInteger is integer for a member that must be there.
func (o jsonObject) requiredInteger(key string) int64 {
	if o.raw(key) == nil {
		o.in.complain(o.path + key + " must be an integer of 64 bits")
	}
	return o.integer(key)
}

// belongsTo refuses data that name another dialogue than the request: Blue
// lets them win over the request (bug 4).
func (o jsonObject) belongsTo(id DialogueID) []FieldError {
	raw := o.raw("dialogue_id")
	if text, ok := textOf(raw); raw == nil || ok && text == string(id) {
		return nil
	}
	return []FieldError{fieldError(CodeEntityNotFound, "The data name another dialogue than the request",
		"Leave dialogue_id out of the data").at("dialogue_id")}
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

// integerOf reads digits; "1.0" is 1, as in canonical decimal text. "1e3" is
// refused: with an exponent nothing bounds the work.
func integerOf(raw json.RawMessage) (int64, bool) {
	digits, fraction, _ := strings.Cut(string(raw), ".")
	if strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}

// roundOf keeps what is no valid round invalid where an int has 32 bits.
func roundOf(n int64) Round { return Round(min(max(n, math.MinInt32), math.MaxInt32)) }

func slugsOf(texts []string) []ExpertSlug {
	if texts == nil {
		return nil
	}
	slugs := make([]ExpertSlug, len(texts))
	for i, t := range texts {
		slugs[i] = ExpertSlug(t)
	}
	return slugs
}
