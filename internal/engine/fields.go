package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// timeLayout is how a time is stored: UTC, RFC 3339, always nine digits, so
// that times sort as text.
const timeLayout = record.TimeLayout

// contentAttr holds an item's payload between the engine and the store below:
// a JSON object. A sealing store replaces it by the envelope.
const contentAttr = "content"

// field is one tagged field of an entity type.
type field struct {
	name  string // attribute, or payload member
	index []int  // for reflect.Value.FieldByIndex
}

// fields is what the tags of an entity type say.
type fields struct {
	clear, sealed []field
}

var fieldsCache sync.Map // reflect.Type → *fields

// fieldsOf reads the tags of an entity's type, embedded structs included.
func fieldsOf(t reflect.Type) *fields {
	if f, ok := fieldsCache.Load(t); ok {
		return f.(*fields)
	}
	f := new(fields)
	for _, sf := range reflect.VisibleFields(t) {
		if name := sf.Tag.Get("clear"); name != "" {
			f.clear = append(f.clear, field{name, sf.Index})
		}
		if name := sf.Tag.Get("sealed"); name != "" {
			f.sealed = append(f.sealed, field{name, sf.Index})
		}
	}
	fieldsCache.Store(t, f)
	return f
}

// clearAttrs returns the clear attributes of an entity. Zero texts and times
// and nil pointers are absent.
func clearAttrs(e blue.Entity) (record.Attrs, error) {
	v := reflect.ValueOf(e).Elem()
	attrs := make(record.Attrs)
	for _, f := range fieldsOf(v.Type()).clear {
		value, present, err := toValue(v.FieldByIndex(f.index))
		if err != nil {
			return nil, fmt.Errorf("engine: field %s of %s: %w", f.name, e.EntityKind(), err)
		}
		if present {
			attrs[f.name] = value
		}
	}
	return attrs, nil
}

func toValue(v reflect.Value) (value record.Value, present bool, err error) {
	if t, ok := v.Interface().(time.Time); ok {
		return record.S(t.UTC().Format(timeLayout)), !t.IsZero(), nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return record.Value{}, false, nil
		}
		return toValue(v.Elem())
	case reflect.String:
		return record.S(v.String()), v.Len() > 0, nil
	case reflect.Int, reflect.Int64:
		return record.N(v.Int()), true, nil
	case reflect.Bool:
		return record.T(v.Bool()), true, nil
	case reflect.Float64:
		// Fractions are text: a number would be normalised differently by
		// different stores, and its MAC would differ.
		return record.S(strconv.FormatFloat(v.Float(), 'f', -1, 64)), true, nil
	}
	return record.Value{}, false, fmt.Errorf("a clear field cannot be a %s", v.Type())
}

// setClear fills the clear fields of an entity from a record's attributes.
func setClear(e blue.Entity, attrs record.Attrs) error {
	v := reflect.ValueOf(e).Elem()
	for _, f := range fieldsOf(v.Type()).clear {
		value, ok := attrs[f.name]
		if !ok {
			continue
		}
		if err := fromValue(v.FieldByIndex(f.index), value); err != nil {
			return fmt.Errorf("attribute %s: %w", f.name, err)
		}
	}
	return nil
}

func fromValue(v reflect.Value, value record.Value) error {
	mismatch := func() error { return fmt.Errorf("holds a %c, which is not a %s", value.Type(), v.Type()) }
	if _, ok := v.Interface().(time.Time); ok {
		t, err := time.Parse(timeLayout, value.Str())
		if err != nil || value.Type() != record.String {
			return mismatch()
		}
		v.Set(reflect.ValueOf(t.UTC()))
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fromValue(v.Elem(), value)
	case reflect.String:
		if value.Type() != record.String {
			return mismatch()
		}
		v.SetString(value.Str())
	case reflect.Int, reflect.Int64:
		if value.Type() != record.Number {
			return mismatch()
		}
		v.SetInt(value.Int())
	case reflect.Bool:
		if value.Type() != record.Bool {
			return mismatch()
		}
		v.SetBool(value.True())
	case reflect.Float64:
		x, err := strconv.ParseFloat(value.Str(), 64)
		if err != nil || value.Type() != record.String {
			return mismatch()
		}
		v.SetFloat(x)
	}
	return nil
}

// payload returns the JSON object of an entity's sealed fields. Zero fields
// are absent; empty but non-nil lists and maps are kept. Members of before
// that the entity does not know are carried over.
func payload(e blue.Entity, before []byte) ([]byte, error) {
	v := reflect.ValueOf(e).Elem()
	known := fieldsOf(v.Type()).sealed
	members := make(map[string]json.RawMessage)
	if len(before) > 0 {
		if err := json.Unmarshal(before, &members); err != nil {
			return nil, malformed(e.EntityKind(), err)
		}
		for _, f := range known {
			delete(members, f.name)
		}
	}
	for _, f := range known {
		fv := v.FieldByIndex(f.index)
		if fv.IsZero() {
			continue
		}
		if !validText(fv) {
			return nil, fmt.Errorf("%w: %s of a %s is not UTF-8", blue.ErrInvalid, f.name, e.EntityKind())
		}
		text, err := marshal(fv.Interface())
		if err != nil { // JSON of the caller's own
			return nil, fmt.Errorf("%w: %s of a %s: %w", blue.ErrInvalid, f.name, e.EntityKind(), err)
		}
		members[f.name] = text
	}
	return marshal(members)
}

// setPayload fills the sealed fields of an entity from its JSON payload.
func setPayload(e blue.Entity, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	v := reflect.ValueOf(e).Elem()
	for _, f := range fieldsOf(v.Type()).sealed {
		member, ok := members[f.name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(member, v.FieldByIndex(f.index).Addr().Interface()); err != nil {
			return fmt.Errorf("payload member %s does not fit its type", f.name)
		}
	}
	return nil
}

// validText reports whether every text in a value is UTF-8. encoding/json
// would store another text in place of one that is not.
func validText(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer:
		return v.IsNil() || validText(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if !validText(v.Field(i)) {
				return false
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return utf8.Valid(v.Bytes())
		}
		for i := range v.Len() {
			if !validText(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		for i := v.MapRange(); i.Next(); {
			if !validText(i.Key()) || !validText(i.Value()) {
				return false
			}
		}
	}
	return true
}

// marshal is json.Marshal without HTML escaping: shorter, and what other
// languages write.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// touch sets the entity's UpdatedAt.
func touch(e blue.Entity, now time.Time) {
	reflect.ValueOf(e).Elem().FieldByName("UpdatedAt").Set(reflect.ValueOf(now))
}

func malformed(kind blue.Kind, err error) error {
	return fmt.Errorf("%w: a stored %s is malformed: %v", blue.ErrTampered, kind, err)
}
