package engine

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/plainjson"
	"github.com/superviber/blue-encrypted-store/record"
)

// contentAttr holds an item's payload between the engine and the store below:
// a JSON object. A sealing store replaces it by the envelope.
const contentAttr = "content"

// A field is one tagged field of an entity type.
type field struct {
	name  string // attribute, or payload member
	index []int  // for reflect.Value.FieldByIndex
}

// fields is what the tags of an entity type say.
type fields struct{ clear, sealed []field }

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

// clearAttrs returns the clear attributes of an entity. Empty texts, zero times
// and nil pointers are absent.
func clearAttrs(e blue.Entity) (record.Attrs, error) {
	v := reflect.ValueOf(e).Elem()
	attrs := make(record.Attrs)
	for _, f := range fieldsOf(v.Type()).clear {
		value, isPresent, err := toValue(v.FieldByIndex(f.index))
		if err != nil {
			return nil, fmt.Errorf("engine: field %s of %s: %w", f.name, e.EntityKind(), err)
		}
		if isPresent {
			attrs[f.name] = value
		}
	}
	return attrs, nil
}

func toValue(v reflect.Value) (value record.Value, isPresent bool, err error) {
	if t, ok := v.Interface().(time.Time); ok {
		return record.S(t.UTC().Format(record.TimeLayout)), !t.IsZero(), nil
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
		// A fraction is stored as text, because stores normalise numbers
		// differently and the MAC would differ.
		return record.S(strconv.FormatFloat(v.Float(), 'f', -1, 64)), true, nil
	}
	return record.Value{}, false, fmt.Errorf("a clear field cannot be a %s", v.Type())
}

// setClear fills the clear fields of an entity from the attributes of a record.
func setClear(e blue.Entity, attrs record.Attrs) error {
	v := reflect.ValueOf(e).Elem()
	for _, f := range fieldsOf(v.Type()).clear {
		value, ok := attrs[f.name]
		if !ok {
			continue
		}
		if field := v.FieldByIndex(f.index); !setField(field, value) {
			return fmt.Errorf("attribute %s: holds a %c, which is not a %s", f.name, value.Type(), field.Type())
		}
	}
	return nil
}

// setField reads a value into a field. It reports whether the value fits.
func setField(v reflect.Value, value record.Value) bool {
	if _, ok := v.Interface().(time.Time); ok {
		t, err := time.Parse(record.TimeLayout, value.Str())
		v.Set(reflect.ValueOf(t.UTC()))
		return err == nil && value.Type() == record.String
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return setField(v.Elem(), value)
	case reflect.String:
		v.SetString(value.Str())
		return value.Type() == record.String
	case reflect.Int, reflect.Int64:
		v.SetInt(value.Int())
		return value.Type() == record.Number
	case reflect.Bool:
		v.SetBool(value.True())
		return value.Type() == record.Bool
	case reflect.Float64:
		x, err := strconv.ParseFloat(value.Str(), 64)
		v.SetFloat(x)
		return err == nil && value.Type() == record.String
	}
	return true
}

// encodePayload returns the JSON object of an entity's sealed fields. A zero field
// is absent. An empty list or map that is not nil is kept. Members of before that
// the entity does not know are kept.
func encodePayload(e blue.Entity, before []byte) ([]byte, error) {
	v := reflect.ValueOf(e).Elem()
	members := make(map[string]json.RawMessage)
	if len(before) > 0 {
		if err := json.Unmarshal(before, &members); err != nil {
			return nil, malformedRecord(e.EntityKind(), err)
		}
	}
	for _, f := range fieldsOf(v.Type()).sealed {
		delete(members, f.name)
		fv := v.FieldByIndex(f.index)
		if fv.IsZero() {
			continue
		}
		if !isUTF8(fv) {
			return nil, fmt.Errorf("%w: %s of a %s is not UTF-8", blue.ErrInvalid, f.name, e.EntityKind())
		}
		text, err := plainjson.Marshal(fv.Interface())
		if err != nil { // any-JSON of the caller
			return nil, fmt.Errorf("%w: %s of a %s: %w", blue.ErrInvalid, f.name, e.EntityKind(), err)
		}
		members[f.name] = text
	}
	return plainjson.Marshal(members)
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
		if ok && json.Unmarshal(member, v.FieldByIndex(f.index).Addr().Interface()) != nil {
			return fmt.Errorf("payload member %s does not fit its type", f.name)
		}
	}
	return nil
}

// isUTF8 reports whether every text in a value is UTF-8. encoding/json would
// store another text for one that is not.
func isUTF8(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Pointer:
		return v.IsNil() || isUTF8(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if !isUTF8(v.Field(i)) {
				return false
			}
		}
	case reflect.Slice, reflect.Map:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			return utf8.Valid(v.Bytes())
		}
		for key, element := range v.Seq2() {
			if !isUTF8(key) || !isUTF8(element) {
				return false
			}
		}
	}
	return true
}

func malformedRecord(kind blue.Kind, err error) error {
	return fmt.Errorf("%w: a stored %s is malformed: %v", blue.ErrTampered, kind, err)
}
