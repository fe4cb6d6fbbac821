package blue

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/superviber/blue-encrypted-store/internal/bounded"
)

// A DialogueID names a dialogue: lower-case letters, digits and '-', 1 to 512
// bytes of UTF-8 in Unicode normalisation form C. The characters '/', '#', ':'
// and controls cannot occur in it, so they separate the parts of storage keys.
type DialogueID string

// maxDialogueID is the greatest length of a DialogueID in bytes.
const maxDialogueID = 512

// ParseDialogueID checks an id from outside. It returns ErrInvalid with the
// grammar. The engine checks normalisation form C, because the standard
// library has no normalisation.
func ParseDialogueID(s string) (DialogueID, error) {
	why := ""
	if i := strings.IndexFunc(s, func(r rune) bool { return r != '-' && !isAlphanumeric(r) }); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		why = fmt.Sprintf("holds %q", r)
	} else if lower := slugLowerCase(s); lower != s {
		why = fmt.Sprintf("is not lower-case (%q is)", bounded.Text(lower))
	}
	switch {
	case s == "":
		why = "is empty"
	case len(s) > maxDialogueID:
		why = fmt.Sprintf("has %d bytes", len(s))
	case !utf8.ValidString(s):
		why = "is not UTF-8"
	}
	if why != "" {
		return "", fmt.Errorf("%w: dialogue id %q %s; an id is 1 to %d bytes of lower-case letters, digits and '-'", ErrInvalid, bounded.Text(s), why, maxDialogueID)
	}
	return DialogueID(s), nil
}

// SlugID derives the id of a dialogue from its title as Blue does: it lowers
// the case, replaces every character that is not Alphabetic or Numeric by '-',
// and drops empty pieces. It returns ErrInvalid for a title without letters and
// digits, where Blue stores an empty id.
func SlugID(title string) (DialogueID, error) {
	if !utf8.ValidString(title) {
		return "", fmt.Errorf("%w: the title is not UTF-8", ErrInvalid)
	}
	pieces := strings.FieldsFunc(slugLowerCase(title), func(r rune) bool { return !isAlphanumeric(r) })
	slug := strings.Join(pieces, "-")
	if slug == "" {
		return "", fmt.Errorf("%w: the title %q has no letter or digit, so no id can be made of it; use --opaque-id or another title", ErrInvalid, bounded.Text(title))
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

// isAlphanumeric reports whether a character is Alphabetic or Numeric (general
// category N), as Rust's char::is_alphanumeric does.
func isAlphanumeric(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Other_Alphabetic, r)
}

// A Round is the number of a round, from 0 to MaxRound.
type Round int

// A Seq numbers the entities of one kind in one round, from 1 to MaxSeq.
type Seq int

// The limits of numbers. Display ids have two digits for each, and storage
// keys sort as text.
const (
	MaxRound Round = 99 // the last round of a dialogue
	MaxSeq   Seq   = 99 // the last entity of one kind in one round
)

// Valid reports whether the round can be stored.
func (r Round) Valid() bool { return r >= 0 && r <= MaxRound }

// An EntityID is a display id: a letter for the kind, two digits for the round,
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

// ParseEntityID reads a display id: exactly five ASCII characters, a known
// upper-case letter and four digits. It returns ErrInvalid for any other text.
// Seq 0 can be read, but no entity gets it.
func ParseEntityID(s string) (EntityID, error) {
	if len(s) == 5 && strings.Trim(s[1:], "0123456789") == "" {
		if kind := kindOfLetter(s[0]); kind != "" {
			n, _ := strconv.Atoi(s[1:])
			return EntityID{kind, Round(n / 100), Seq(n % 100)}, nil
		}
	}
	return EntityID{}, fmt.Errorf("%w: %s", ErrInvalid, displayIDMessage(s))
}

// An ExpertSlug names an expert as displayed, e.g. "Muffin": letters, digits
// and '-', 1 to 64 bytes. Slugs that differ only by case name one expert. Storage
// keys hold Key.
type ExpertSlug string

const maxExpertSlug = 64

// Judge is the slug of the judge, who can contribute to a dialogue without
// being one of its experts.
const Judge ExpertSlug = "Judge"

// ParseExpertSlug checks a slug from outside. It returns ErrInvalid with the
// grammar.
func ParseExpertSlug(s string) (ExpertSlug, error) {
	if s == "" || len(s) > maxExpertSlug || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(r rune) bool { return r != '-' && !isAlphanumeric(r) }) {
		return "", fmt.Errorf("%w: expert slug %q; a slug is 1 to %d bytes of letters, digits and '-'", ErrInvalid, bounded.Text(s), maxExpertSlug)
	}
	return ExpertSlug(s), nil
}

// Key returns the slug in lower case, as storage keys hold it.
func (s ExpertSlug) Key() string { return slugLowerCase(string(s)) }

// A VerdictID is the caller's name for a verdict: [A-Za-z0-9][A-Za-z0-9._-]{0,63}.
type VerdictID string

var verdictIDForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ParseVerdictID checks an id from outside. It returns ErrInvalid with the
// grammar.
func ParseVerdictID(s string) (VerdictID, error) {
	if !verdictIDForm.MatchString(s) {
		return "", fmt.Errorf("%w: verdict id %q; an id is a letter or digit, then up to 63 letters, digits, '.', '_' or '-'", ErrInvalid, bounded.Text(s))
	}
	return VerdictID(s), nil
}

// An EntityKey names one entity of a dialogue for Get. Key is the display id of
// a numbered kind, the slug of an expert, the number of a round, the id of a
// verdict, "{round}#{slug}#{seq}" of a move, "{display id}#{stamp}" of an
// event, and "" of the dialogue.
type EntityKey struct {
	Kind Kind
	Key  string
}

// Key returns the EntityKey of a display id.
func (id EntityID) Key() EntityKey { return EntityKey{id.Kind, id.String()} }

// slugLowerCase returns the full lower-casing of Unicode's SpecialCasing.txt
// without its language-bound rules, as Rust's str::to_lowercase does: 'İ' becomes
// 'i' and U+0307, and 'Σ' at the end of a word becomes 'ς'. Every other character
// maps to one character.
func slugLowerCase(s string) string {
	if !strings.ContainsAny(s, "İΣ") {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for i, r := range s {
		switch r {
		case 'İ':
			b.WriteString("i\u0307")
		case 'Σ':
			b.WriteRune(lowerSigma(s[:i], s[i+len("Σ"):]))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// lowerSigma lowers a capital sigma by the condition Final_Sigma (Unicode
// Standard 3.13, Table 3-17): a cased letter comes before it and none after it,
// apart from case-ignorable characters.
func lowerSigma(before, after string) rune {
	last, _ := utf8.DecodeLastRuneInString(strings.TrimRightFunc(before, isCaseIgnorable))
	next, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(after, isCaseIgnorable))
	if isCased(last) && !isCased(next) {
		return 'ς'
	}
	return 'σ'
}

// isCased reports Unicode's property Cased (definition D135).
func isCased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

// isCaseIgnorable reports Unicode's property Case_Ignorable (definition D136):
// some general categories, and the Word_Break classes MidLetter, MidNumLet and
// Single_Quote, which are the listed characters.
func isCaseIgnorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}
