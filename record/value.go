package record

import (
	"bytes"
	"strconv"
)

// A Type is the type of a Value. It is the byte that an item's MAC covers.
type Type byte

// The types of values.
const (
	String Type = 'S' // String is UTF-8 text (DynamoDB S).
	Number Type = 'N' // Number is an int64 (DynamoDB N).
	Bytes  Type = 'B' // Bytes is binary (DynamoDB B).
	Bool   Type = 'T' // Bool is true or false (DynamoDB BOOL).
)

// A Value is one attribute value. Make one with S, N, B or T. The zero Value is
// not valid.
type Value struct {
	typ Type
	str string
	num int64
	bin []byte
}

// Attrs are the attributes of a record other than its key. Names that begin
// with '_' belong to a backend and never cross the interface Store.
type Attrs map[string]Value

// S returns a string value.
func S(s string) Value { return Value{typ: String, str: s} }

// N returns a number value.
func N(n int64) Value { return Value{typ: Number, num: n} }

// B returns a binary value. The bytes are not copied.
func B(b []byte) Value { return Value{typ: Bytes, bin: b} }

// T returns a boolean value.
func T(b bool) Value {
	if b {
		return Value{typ: Bool, num: 1}
	}
	return Value{typ: Bool}
}

// Type returns the type of the value, 0 for the zero Value.
func (v Value) Type() Type { return v.typ }

// Str returns the text of a String, otherwise "".
func (v Value) Str() string { return v.str }

// Int returns the number of a Number, otherwise 0.
func (v Value) Int() int64 {
	if v.typ != Number {
		return 0
	}
	return v.num
}

// Bin returns the bytes of a Bytes value, otherwise nil. They are not copied.
func (v Value) Bin() []byte { return v.bin }

// True returns the value of a Bool, otherwise false.
func (v Value) True() bool { return v.typ == Bool && v.num == 1 }

// Equal reports whether two values have the same type and content.
func (v Value) Equal(w Value) bool {
	return v.typ == w.typ && v.str == w.str && v.num == w.num && bytes.Equal(v.bin, w.bin)
}

// Canonical returns the bytes of the value that a MAC or a hash covers: UTF-8
// of a String, the shortest decimal of a Number, the bytes of a Bytes value,
// "0" or "1" for a Bool.
func (v Value) Canonical() []byte {
	switch v.typ {
	case String:
		return []byte(v.str)
	case Number, Bool:
		return strconv.AppendInt(nil, v.num, 10)
	default:
		return v.bin
	}
}
