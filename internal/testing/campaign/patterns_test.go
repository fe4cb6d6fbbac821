package campaign

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
)

// shortest is the minimum length in bytes of a text that counts. Shorter texts
// occur in any file by chance.
const shortest = 8

// piece is the length in bytes into which longer texts are cut, so that a text
// spread over several pages of a database is found.
const piece = 32

// patterns finds many texts in one pass. The index of every spelling is its
// first 8 bytes.
type patterns struct {
	byStart map[uint64][]spelling
	maybe   []uint64 // a bit for each hash of a start, which excludes most positions
	count   int
}

// spelling is one form in which a text can occur in a file.
type spelling struct {
	bytes []byte
	form  string // utf-8, json, …
	text  string // the original text
}

const maybeBits = 24

func newPatterns() *patterns {
	return &patterns{byStart: map[uint64][]spelling{}, maybe: make([]uint64, 1<<(maybeBits-6))}
}

func hashOf(start uint64) uint64 { return start * 0x9e3779b97f4a7c15 >> (64 - maybeBits) }

// add adds a text in every spelling.
func (p *patterns) add(text string) {
	for _, cut := range pieces(text) {
		all := spellings(cut)
		for _, form := range slices.Backward(slices.Sorted(maps.Keys(all))) { // utf-8 before json
			p.addSpelling(spelling{all[form], form, text})
		}
	}
}

func (p *patterns) addSpelling(s spelling) {
	if len(s.bytes) < shortest {
		return
	}
	start := binary.LittleEndian.Uint64(s.bytes)
	for _, known := range p.byStart[start] {
		if bytes.Equal(known.bytes, s.bytes) && known.text == s.text {
			return
		}
	}
	p.byStart[start] = append(p.byStart[start], s)
	h := hashOf(start)
	p.maybe[h>>6] |= 1 << (h & 63)
	p.count++
}

// pieces cuts a text. A text of up to 32 bytes is one piece. A longer one is cut
// every 32 bytes, with the last 32 at the end. Each piece is moved to the start
// of a character.
func pieces(text string) []string {
	if len(text) <= piece {
		return []string{text}
	}
	var cuts []string
	for at := 0; at+piece < len(text); at += piece {
		cuts = append(cuts, strings.ToValidUTF8(text[at:at+piece], ""))
	}
	return append(cuts, strings.ToValidUTF8(text[len(text)-piece:], ""))
}

// spellings returns the forms in which a text can occur in a file.
func spellings(text string) map[string][]byte {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text)
	html, _ := json.Marshal(text)
	all := map[string][]byte{
		"utf-8":           []byte(text),
		"json":            bytes.Trim(bytes.TrimSpace(plain.Bytes()), `"`),
		"json-html":       html[1 : len(html)-1],
		"json-ascii":      []byte(asciiJSON(text, "%04x")),
		"json-ascii-caps": []byte(asciiJSON(text, "%04X")),
		"hex":             []byte(hex.EncodeToString([]byte(text))),
		"hex-caps":        []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))),
		"utf-16le":        utf16le(text),
	}
	// In a longer text, base64 depends on the offset modulo 3. The first and
	// last characters depend on the neighbours.
	for shift := range 3 {
		padded := append(make([]byte, shift), text...)
		std := base64.RawStdEncoding.EncodeToString(padded)
		first, last := (shift*8+5)/6, len(padded)*8/6
		all[fmt.Sprintf("base64-%d", shift)] = []byte(std[first:last])
		all[fmt.Sprintf("base64url-%d", shift)] = []byte(base64.RawURLEncoding.EncodeToString(padded)[first:last])
	}
	return all
}

// asciiJSON escapes all characters outside ASCII, as many JSON writers do.
func asciiJSON(text, digits string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		default:
			for _, u := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u`+digits, u)
			}
		}
	}
	return b.String()
}

func utf16le(text string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// hit is a text found in a file.
type hit struct {
	file string
	at   int
	spelling
}

// find returns every text that occurs in the bytes.
func (p *patterns) find(file string, text []byte) []hit {
	var hits []hit
	for at := 0; at+shortest <= len(text); at++ {
		start := binary.LittleEndian.Uint64(text[at:])
		h := hashOf(start)
		if p.maybe[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, s := range p.byStart[start] {
			if bytes.HasPrefix(text[at:], s.bytes) {
				hits = append(hits, hit{file, at, s})
			}
		}
	}
	return hits
}
