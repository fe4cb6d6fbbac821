package language

import (
	"regexp"
	"strings"
)

// Marker is one phrase that the style guide replaces by a plain word.
type Marker struct {
	Name string
	// Pattern matches the phrase. A space in it matches any white space, and
	// letters match in both cases.
	Pattern string
	// Except matches the uses that are allowed. A match of Pattern that
	// overlaps one is not counted.
	Except string
	// Hard makes one use a failure, whatever the rate.
	Hard    bool
	Reason  string
	Example string

	pattern, except *regexp.Regexp
}

// verb matches a verb after a pronoun: it separates the conjunction "for"
// from the preposition.
const verb = `(?:is|are|was|were|has|have|had|would|will|could|can|cannot|must|might|may|does|do|did|never|only|alone|holds|names|needs|knows|says|tells|takes|makes|lies|stands|comes|goes|leaves|ends|begins)`

// Markers returns the table of phrases, the hard list first.
func Markers() []Marker {
	list := []Marker{
		{Name: "whoever", Pattern: `who(?:so)?ever`, Hard: true, Reason: "name the subject: the caller, the user, another process", Example: "whoever holds the key"},
		{Name: "of whom", Pattern: `of whom`, Hard: true, Reason: "name the subject", Example: "a user of whom we have a wrap"},
		{Name: "anew", Pattern: `anew`, Hard: true, Reason: "say again, or re-encrypt", Example: "it is sealed anew"},
		{Name: "stands there", Pattern: `(?:stands?|stood) there`, Hard: true, Reason: "say is stored at, or exists", Example: "the item that stands there"},
		{Name: "lies there", Pattern: `(?:lies?|lay) there`, Hard: true, Reason: "say is stored at, or exists", Example: "the row that lies there"},
		{Name: "goes on", Pattern: `goes on`, Hard: true, Reason: "say resumes or continues", Example: "the import goes on"},
		{Name: "told from", Pattern: `told(?: \S+){0,2} from`, Hard: true, Reason: "say is distinguished from", Example: "a lost key is told from damage"},

		{Name: "whom", Pattern: `whom(?:ever)?`, Except: `of whom`, Reason: "name the subject", Example: "to whom the key was granted"},
		{Name: "nobody", Pattern: `(?:nobody|somebody|anybody|everybody)(?:'s)?`, Reason: "name the subject", Example: "nobody reads it"},
		{Name: "is no X", Pattern: `(?:is|are|was|were) (?:no|none)(?: of)? \p{L}[\w-]*`, Except: `there (?:is|are|was|were) (?:no|none)|(?:is|are|was|were) (?:no longer|no more|no-op|no such|no less|no later|no \w+er than|no (?:limit|timeout)|none the)`, Reason: "say is not a", Example: "this is no damage"},
		{Name: "what is", Pattern: `what (?:\w+ )?(?:is|are|was|were|stands?|stood|lies|lay|goes|went|comes|came|has|had|holds|belongs|cannot|must)`, Except: `what (?:is|are|was|were)\b[^.?!]*\?|what it (?:is|has|must|cannot|was)`, Reason: "name the subject, not a clause", Example: "what is stored is sealed"},
		{Name: "stands", Pattern: `stands?|stood|standing`, Except: `(?:stands?|stood) there|stand-\w+|stands? (?:in )?for|stood (?:in )?for|standing (?:in )?for|long-standing|standing order|stands? alone`, Reason: "say is stored at, or exists", Example: "the record stands in the table"},
		{Name: "lies", Pattern: `lies|lie|lain`, Except: `lies? there|an? lie|lies? (?:on the curve|between|outside|within)`, Reason: "say is stored at, or exists", Example: "the file lies in the folder"},
		{Name: "once more", Pattern: `once more`, Except: `once more than`, Reason: "say again, or retry", Example: "it is read once more"},
		{Name: "go on", Pattern: `(?:go|going|went|gone) on`, Except: `going on (?:here|there)|(?:go|went) on (?:stdout|stderr|disk|the)`, Reason: "say resume or continue", Example: "the writers go on"},
		{Name: "told", Pattern: `told|untold`, Except: `told(?: \S+){0,2} from`, Reason: "say is reported to, receives or distinguishes", Example: "the caller is told"},
		{Name: "for it", Pattern: `for (?:it|they|he|she|we|there|this|these|those|nothing|none|nobody) ` + verb + `|[,;:] for (?:it|they|he|she|we|there|a|an|the|no|nothing|none|this|that) (?:\w+ ){1,3}` + verb, Except: `for (?:this|that|these|those) only`, Reason: "say because", Example: "the log is read, for it is short"},
		{Name: "that of", Pattern: `th(?:at|ose) of`, Reason: "repeat the noun", Example: "its tag is that of the record"},
		{Name: "says", Pattern: `says`, Reason: "say returns, reports, contains or specifies", Example: "the log says when"},
		{Name: "asked", Pattern: `asked`, Except: `asked (?:for (?:a|the) (?:passphrase|password|confirmation)|to (?:confirm|type|enter))|asked questions`, Reason: "say is called, requested or required", Example: "the store is asked for a record"},
		{Name: "ours", Pattern: `(?:ours|theirs)`, Reason: "name the owner", Example: "a key of ours"},
		{Name: "beside", Pattern: `beside|elsewhere|meanwhile`, Reason: "say next to, in another package, in parallel", Example: "the lock file beside it"},
		{Name: "may not", Pattern: `may not`, Reason: "say must not or might not", Example: "a reader may not write"},

		{Name: "ask again", Pattern: `ask(?:s|ed|ing)?(?: \S+){0,2} again`, Except: `asked`, Reason: "say retry", Example: "the client asks again"},
		{Name: "landed", Pattern: `land(?:s|ed|ing)?`, Except: `landing page`, Reason: "say was committed or was written", Example: "the commit has landed"},
		{Name: "tell from", Pattern: `(?:tells?|telling)(?: \S+){1,6} from|tells?(?: \S+)? apart`, Except: `tells? (?:whether|that|if|when|how|which|where)`, Reason: "say distinguish", Example: "a reader can tell damage from a lost key"},
		{Name: "put back", Pattern: `put(?:s|ting)?(?: \S+){0,3} back`, Reason: "say restore, rollback or restored backup", Example: "an old state that was put back"},
		{Name: "stranger", Pattern: `strangers?(?:'s|')?`, Except: `stranger than`, Reason: "say unauthorized writer or another process", Example: "a record of a stranger"},
		{Name: "line of a table", Pattern: `lines? (?:of|in|to|from) (?:a |an |the |its |that |this |each |every |one )?(?:\w+ )?(?:tables?|chains?|dialogues?|stores?|partitions?)`, Except: `(?:command|status) lines?`, Reason: "say record, row or item. Only a line of something that has no lines of text is counted, because a line of a file or of output is the right word", Example: "each line of the table"},
		{Name: "hand out", Pattern: `hand(?:s|ed|ing)?(?: \S+){0,3} out|hands? (?:it|them) (?:on|over|back)`, Except: `other hand \S+`, Reason: "say return or pass", Example: "the ring hands keys out"},
		{Name: "take from", Pattern: `(?:takes?|took|taken|taking)(?: (?:a|the|its|their|that|this|every|all|no))*(?: (?:key|keys|access|grant|right|rights|wrap|wraps|it|them|him|her|anything|something))?(?: away)? from (?:a user|the user|users|him|her|them|themselves|others|another|somebody|nobody|whom|\w+'s user|the one)|taken? (?:access|keys?) (?:\S+ ){0,4}(?:away|from)`, Reason: "say revoke access", Example: "the key is taken from a user"},
		{Name: "head", Pattern: `(?-i:[Hh]eads?)(?:'s)?`, Except: `(?-i:git [Hh]ead|HTTP [Hh]ead)|tree heads?|heads? of (?:RFC|the tree)|heads? of the (?:queue|list)|refs/heads|</?head>|head -\w|head start`, Reason: "say meta item, key header or freshness record", Example: "the head of the dialogue"},
		{Name: "building", Pattern: `houses?|rooms?|doors?|floors?`, Except: `room (?:for|to|in|left)|(?:enough|more|no|leaves?|makes?|is) room|(?:rounding|math\.)\s?floor|floor of [\d./(]`, Reason: "say package, repository layout or interface", Example: "a door to the store"},
		{Name: "metaphor", Pattern: `guilds?|shelf|shelves|buri(?:es|ed|al|als)|bury|patience|hush|tombs?|doorkeepers?|worlds?|(?:an|one|the|planted) arrows?`, Except: `real[- ]worlds?|hello,? worlds?|world-readable|(?:outside|rest of the) worlds?|the arrow (?:keys?|heads?|of an edge)`, Reason: "use the technical term", Example: "the shelf of a user's keys"},
	}
	for i := range list {
		list[i].compile()
	}
	return list
}

func (m *Marker) compile() {
	m.pattern = phrase(m.Pattern)
	if m.Except != "" {
		m.except = phrase(m.Except)
	}
}

// phrase compiles a pattern between word boundaries, with white space of any
// length for a space.
func phrase(pattern string) *regexp.Regexp {
	pattern = strings.ReplaceAll(pattern, " ", `\s+`)
	return regexp.MustCompile(`(?i)(?:^|[^\w-])(` + pattern + `)(?:$|[^\w-])`)
}

// find returns the offsets in text where the marker is used.
func (m *Marker) find(text string) []int {
	var allowed [][2]int
	if m.except != nil {
		allowed = spans(m.except, text)
	}
	var found []int
next:
	for _, s := range spans(m.pattern, text) {
		for _, a := range allowed {
			if s[0] < a[1] && a[0] < s[1] {
				continue next
			}
		}
		found = append(found, s[0])
	}
	return found
}

// spans returns where the phrase itself is, without the boundaries around it.
// The search resumes at the end of a phrase, so that two uses may share one
// boundary.
func spans(re *regexp.Regexp, text string) [][2]int {
	var all [][2]int
	for at := 0; at < len(text); {
		m := re.FindStringSubmatchIndex(text[at:])
		if m == nil {
			break
		}
		all = append(all, [2]int{at + m[2], at + m[3]})
		at += m[3]
	}
	return all
}
