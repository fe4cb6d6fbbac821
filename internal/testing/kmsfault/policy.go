package kmsfault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A Policy is an IAM policy document in the form of deploy/iam.
type Policy struct {
	Version   string
	Statement []Statement
}

// A Statement is one statement of a policy.
type Statement struct {
	Sid       string
	Effect    string // Allow or Deny
	Action    Texts
	Resource  Texts
	Condition map[string]map[string]Texts `json:",omitempty"` // operator → condition key → values
}

// Texts is one text or a list of texts, as in IAM.
type Texts []string

// UnmarshalJSON reads a text or a list of texts.
func (t *Texts) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		*t = Texts{""}
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// operators are the supported condition operators. Parse refuses a policy with
// another operator, so that it is never judged wrongly.
var operators = []string{"StringEquals", "StringLike", "ForAllValues:StringLike", "Null"}

// A Place has the values that an administrator puts into the files of
// deploy/iam.
type Place struct {
	KeyARN string // gives REGION, ACCOUNT and KEY_ID
	Prefix string // PREFIX, of the tables
	Tables string // TABLES, of the encryption context
}

// Load reads a policy of deploy/iam and inserts the values of the place.
func Load(path string, p Place) (Policy, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Policy{}, err
	}
	arn := strings.Split(p.KeyARN, ":")
	if len(arn) != 6 {
		return Policy{}, fmt.Errorf("%q is not an ARN", p.KeyARN)
	}
	placed := strings.NewReplacer("REGION", arn[3], "ACCOUNT", arn[4], "KEY_ID", strings.TrimPrefix(arn[5], "key/"), "PREFIX", p.Prefix, "TABLES", p.Tables).Replace(string(text))
	policy, err := Parse([]byte(placed))
	if err != nil {
		return Policy{}, fmt.Errorf("%s: %w", path, err)
	}
	return policy, nil
}

// Parse reads a policy document. It returns an error if it does not support a
// part.
func Parse(text []byte) (Policy, error) {
	var p Policy
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, err
	}
	if p.Version != "2012-10-17" || len(p.Statement) == 0 {
		return p, fmt.Errorf("version %q with %d statements", p.Version, len(p.Statement))
	}
	for _, s := range p.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 || len(s.Resource) == 0 {
			return p, fmt.Errorf("statement %s: effect, action or resource", s.Sid)
		}
		for operator := range s.Condition {
			if !slices.Contains(operators, operator) {
				return p, fmt.Errorf("statement %s: operator %s is not understood", s.Sid, operator)
			}
		}
	}
	return p, nil
}

// A Principal is a user whose requests are judged.
type Principal struct {
	Tags     map[string]string
	Policies []Policy
}

// A Request is the input of a policy.
type Request struct {
	Action   string
	Resource string
	Context  map[string][]string // condition key → values, e.g. kms:EncryptionContext:blue:user
}

// Allowed reports whether the principal's policies allow a request. A matching
// Deny decides. Without one, some Allow must match.
func (p Principal) Allowed(r Request) bool {
	allowed := false
	for _, policy := range p.Policies {
		for _, s := range policy.Statement {
			if !p.matches(s, r) {
				continue
			}
			if s.Effect == "Deny" {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

func (p Principal) matches(s Statement, r Request) bool {
	like := func(patterns Texts, text string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool { return wild(pattern, text) })
	}
	if !like(s.Action, r.Action) || !like(s.Resource, r.Resource) {
		return false
	}
	for operator, keys := range s.Condition {
		for key, wanted := range keys {
			if !p.holds(operator, wanted, values(r.Context, key)) {
				return false
			}
		}
	}
	return true
}

// values returns the values of a condition key. The case of the key does not
// matter ("IAM JSON policy elements: Condition").
func values(context map[string][]string, key string) []string {
	for name, found := range context {
		if strings.EqualFold(name, key) {
			return found
		}
	}
	return nil
}

// holds judges one condition. If the key has no value, ForAllValues holds and
// the plain operators do not.
func (p Principal) holds(operator string, wanted Texts, found []string) bool {
	if operator == "Null" {
		return slices.Contains(wanted, "true") == (len(found) == 0)
	}
	any := func(value string) bool {
		return slices.ContainsFunc(wanted, func(pattern string) bool {
			pattern, resolved := p.resolve(pattern)
			if operator == "StringEquals" {
				return resolved && pattern == value
			}
			return resolved && wild(pattern, value)
		})
	}
	if operator == "ForAllValues:StringLike" {
		return !slices.ContainsFunc(found, func(value string) bool { return !any(value) })
	}
	return len(found) > 0 && slices.ContainsFunc(found, any)
}

// resolve replaces ${aws:PrincipalTag/NAME}. A variable without a value matches
// nothing.
func (p Principal) resolve(pattern string) (string, bool) {
	before, rest, found := strings.Cut(pattern, "${aws:PrincipalTag/")
	if !found {
		return pattern, !strings.Contains(pattern, "${")
	}
	name, after, _ := strings.Cut(rest, "}")
	value, tagged := p.Tags[name]
	return before + value + after, tagged && value != ""
}

// wild matches * (any run of characters) and ? (one character).
func wild(pattern, text string) bool {
	p, s := []rune(pattern), []rune(text)
	star, back := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, back = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			back++
			i, j = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}
