package blue

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DialogueID names a dialogue: lower-case letters, digits and '-', 1 to 512
// bytes of UTF-8 in Unicode normalisation form C. The characters '/', '#',
// ':' and controls therefore cannot occur in a storage key or an address.
type DialogueID string

// maxDialogueID is a DialogueID's greatest length in bytes.
const maxDialogueID = 512

// ParseDialogueID checks an id that came from outside. The error, ErrInvalid,
// shows the grammar. That the id is in normalisation form C is checked by the
// engine, since the standard library has no normalisation.
func ParseDialogueID(s string) (DialogueID, error) {
	bad := func(why string) (DialogueID, error) {
		return "", fmt.Errorf("%w: dialogue id %q %s; an id is 1 to %d bytes of lower-case letters, digits and '-'", ErrInvalid, clip(s), why, maxDialogueID)
	}
	switch {
	case s == "":
		return bad("is empty")
	case len(s) > maxDialogueID:
		return bad(fmt.Sprintf("has %d bytes", len(s)))
	case !utf8.ValidString(s):
		return bad("is not UTF-8")
	}
	for _, r := range s {
		if r != '-' && !alphanumeric(r) {
			return bad(fmt.Sprintf("holds %q", r))
		}
	}
	if lower := lowerCase(s); lower != s {
		return bad(fmt.Sprintf("is not lower-case (%q is)", clip(lower)))
	}
	return DialogueID(s), nil
}

// SlugID derives a dialogue's id from its title exactly as Blue does:
// lower-case, every character that is not Alphabetic or Numeric becomes '-',
// empty pieces dropped. A title without letters or digits has no slug:
// ErrInvalid (Blue stores an empty id there).
func SlugID(title string) (DialogueID, error) {
	if !utf8.ValidString(title) {
		return "", fmt.Errorf("%w: the title is not UTF-8", ErrInvalid)
	}
	pieces := strings.FieldsFunc(lowerCase(title), func(r rune) bool { return !alphanumeric(r) })
	slug := strings.Join(pieces, "-")
	if slug == "" {
		return "", fmt.Errorf("%w: the title %q has no letter or digit, so no id can be made of it; use --opaque-id or another title", ErrInvalid, clip(title))
	}
	return ParseDialogueID(slug)
}

// maxCandidates is how many ids one title can lead to.
const maxCandidates = 99

// Candidates returns the 99 ids to try for a title with this slug: the slug
// itself, then with -2 to -99. A slug so long that the suffix does not fit is
// shortened.
func (id DialogueID) Candidates() []DialogueID {
	ids := []DialogueID{id}
	for n := 2; n <= maxCandidates; n++ {
		suffix := "-" + strconv.Itoa(n)
		stem := string(id)
		for len(stem)+len(suffix) > maxDialogueID {
			_, size := utf8.DecodeLastRuneInString(stem)
			stem = stem[:len(stem)-size]
		}
		ids = append(ids, DialogueID(strings.TrimRight(stem, "-")+suffix))
	}
	return ids
}

// alphanumeric is Unicode's Alphabetic or Numeric (general category N), the
// test of Rust's char::is_alphanumeric.
func alphanumeric(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Other_Alphabetic, r)
}

// Round is a round's number. Display ids are five characters and keys sort as
// text, so it runs from 0 to MaxRound.
type Round int

// Seq numbers the entities of one kind in one round, from 1 to MaxSeq.
type Seq int

const (
	MaxRound Round = 99
	MaxSeq   Seq   = 99
)

// Valid reports whether the round can be stored.
func (r Round) Valid() bool { return r >= 0 && r <= MaxRound }

// EntityID is a display id: a letter for the kind, two digits for the round,
// two for the seq, as in P0001 or T0102.
type EntityID struct {
	Kind  Kind
	Round Round
	Seq   Seq
}

// String returns the display id, or "" for the zero value.
func (id EntityID) String() string {
	letter := id.Kind.Letter()
	if letter == 0 {
		return ""
	}
	return fmt.Sprintf("%c%02d%02d", letter, int(id.Round), int(id.Seq))
}

// MarshalText returns the display id.
func (id EntityID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseEntityID.
func (id *EntityID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseEntityID(string(text))
	return err
}

// IsZero reports whether the id is absent.
func (id EntityID) IsZero() bool { return id == EntityID{} }

// ParseEntityID reads a display id: exactly five ASCII characters, a known
// upper-case letter and four digits. ErrInvalid otherwise. Seq 0 reads but is
// never given out.
func ParseEntityID(s string) (EntityID, error) {
	if len(s) == 5 {
		if kind := kindOfLetter(s[0]); kind != "" {
			round, ok1 := twoDigits(s[1:3])
			seq, ok2 := twoDigits(s[3:5])
			if ok1 && ok2 {
				return EntityID{kind, Round(round), Seq(seq)}, nil
			}
		}
	}
	return EntityID{}, fmt.Errorf("%w: %s", ErrInvalid, displayIDMessage(s))
}

// twoDigits reads exactly two ASCII digits.
func twoDigits(s string) (int, bool) {
	if len(s) != 2 || s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return 0, false
	}
	return int(s[0]-'0')*10 + int(s[1]-'0'), true
}

// ExpertSlug names an expert as displayed, e.g. "Muffin": letters, digits and
// '-', 1 to 64 bytes. Two that differ only in case are one expert; Key is
// what is stored.
type ExpertSlug string

const maxExpertSlug = 64

// Judge may contribute to a dialogue without being one of its experts.
const Judge ExpertSlug = "Judge"

// ParseExpertSlug checks a slug that came from outside; ErrInvalid.
func ParseExpertSlug(s string) (ExpertSlug, error) {
	if s == "" || len(s) > maxExpertSlug || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(r rune) bool { return r != '-' && !alphanumeric(r) }) {
		return "", fmt.Errorf("%w: expert slug %q; a slug is 1 to %d bytes of letters, digits and '-'", ErrInvalid, clip(s), maxExpertSlug)
	}
	return ExpertSlug(s), nil
}

// Key returns the slug in lower case, the form in storage keys.
func (s ExpertSlug) Key() string { return lowerCase(string(s)) }

// VerdictID is the caller's name for a verdict: [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
type VerdictID string

// ParseVerdictID checks an id that came from outside; ErrInvalid.
func ParseVerdictID(s string) (VerdictID, error) {
	ok := len(s) >= 1 && len(s) <= 64
	for i := 0; i < len(s) && ok; i++ {
		c := s[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = word || i > 0 && (c == '.' || c == '_' || c == '-')
	}
	if !ok {
		return "", fmt.Errorf("%w: verdict id %q; an id is a letter or digit, then up to 63 letters, digits, '.', '_' or '-'", ErrInvalid, clip(s))
	}
	return VerdictID(s), nil
}

// EntityKey names one entity of a dialogue for Get. Kind and Key are as in
// the storage key: Key is the display id for numbered kinds, the slug for
// experts, the number for rounds, the id for verdicts, "" for the dialogue.
type EntityKey struct {
	Kind Kind
	Key  string
}

// Key returns the EntityKey of a display id.
func (id EntityID) Key() EntityKey { return EntityKey{id.Kind, id.String()} }

// clip shortens foreign text for an error message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
