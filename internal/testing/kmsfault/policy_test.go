package kmsfault

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const testARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

var place = Place{KeyARN: testARN, Prefix: "team-", Tables: "blue"}

func shipped(t *testing.T, role string) Policy {
	t.Helper()
	p, err := Load(filepath.Join("..", "..", "..", "deploy", "iam", role+".json"), place)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func table(name string) string {
	return "arn:aws:dynamodb:eu-central-1:111122223333:table/team-" + name
}

// wish is a request of a user with the tag ada.
type wish struct {
	action   string
	resource string
	context  []string // pairs: purpose, kek, … of KMS; leading keys of DynamoDB
}

func (w wish) request() Request {
	r := Request{Action: w.action, Resource: w.resource, Context: map[string][]string{}}
	if strings.HasPrefix(w.action, "dynamodb:") {
		if len(w.context) > 0 {
			r.Context["dynamodb:LeadingKeys"] = w.context
		}
		return r
	}
	for i := 0; i+1 < len(w.context); i += 2 {
		r.Context["kms:EncryptionContext:blue:"+w.context[i]] = []string{w.context[i+1]}
	}
	return r
}

func kek(user string) []string {
	return []string{"purpose", "kek", "user", user, "tables", "blue"}
}

func grant(user string) []string {
	return []string{"purpose", "grant", "user", user, "dialogue", "tea", "version", "1"}
}

// of returns a wish for each action on a resource.
func of(resource string, context []string, actions ...string) []wish {
	var all []wish
	for _, a := range actions {
		all = append(all, wish{a, resource, context})
	}
	return all
}

var (
	dialogues = table("blue_dialogues")
	audit     = table("blue_audit")
	keyTable  = table("blue_keys")

	openers    = []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"}
	reads      = []string{"dynamodb:GetItem", "dynamodb:Query"}
	commits    = []string{"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"}
	erases     = []string{"dynamodb:PutItem", "dynamodb:DeleteItem"}
	appends    = []string{"dynamodb:PutItem", "dynamodb:ConditionCheckItem"}
	describes  = []string{"dynamodb:DescribeTable", "dynamodb:DescribeContinuousBackups"}
	rewrite    = []string{"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteTable", "dynamodb:UpdateTable", "dynamodb:PartiQLDelete"}
	administer = []string{"kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy", "kms:CreateGrant", "kms:CreateAlias", "kms:UpdateAlias"}
)

// roles lists the requests that each shipped policy must allow and must refuse.
var roles = map[string]struct{ need, never []wish }{
	"user": {
		need: slices.Concat(
			of(testARN, kek("ada"), "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:Encrypt"),
			of(testARN, grant("ada"), "kms:Decrypt", "kms:Encrypt"),
			of(testARN, grant("bob"), "kms:Encrypt"),
			of(testARN, nil, "kms:DescribeKey"),
			of(dialogues, []string{"dialogue#tea"}, append(reads, commits...)...),
			of(dialogues+"/index/GSI1", []string{"status#open"}, "dynamodb:Query"),
			of(keyTable, []string{"dialogue#tea"}, append(reads, commits...)...),
			of(keyTable, []string{"user#ada"}, append(appends, "dynamodb:GetItem")...),
			of(keyTable, []string{"dialogue#tea", "user#ada"}, appends...),
			of(keyTable, []string{"principals"}, "dynamodb:GetItem", "dynamodb:PutItem"),
			of(audit, []string{"audit#1"}, "dynamodb:GetItem", "dynamodb:PutItem"),
			of(audit, []string{"dialogue#tea"}, append(reads, "dynamodb:PutItem")...),
			of(audit, []string{"checkpoint#1"}, "dynamodb:PutItem"), of(audit, []string{"chains#0"}, "dynamodb:PutItem"),
			of(dialogues, nil, describes...), of(audit, nil, describes...), of(keyTable, nil, describes...),
		),
		never: slices.Concat(
			of(testARN, kek("bob"), openers...), // another user's key: opened, made, or planted
			of(testARN, kek("Ada"), openers...),
			of(testARN, kek(""), openers...),
			of(testARN, grant("bob"), "kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom"),
			of(testARN, kek("ada"), "kms:GenerateDataKey"),
			of(testARN, nil, openers...),
			of(testARN, []string{"purpose", "kek"}, openers...),
			of(testARN, []string{"user", "ada"}, openers...),
			of(testARN, []string{"purpose", "kek", "user", "ada", "tables", "green"}, openers...),
			of(testARN, []string{"purpose", "other", "user", "ada", "tables", "blue"}, openers...),
			of(testARN, []string{"purpose", "kek", "tables", "blue", "user", "${aws:PrincipalTag/blue-user}"}, openers...),
			of(testARN, []string{"purpose", "kek", "user", "bob", "dialogue", "tea", "version", "1", "tables", "blue"}, openers...),
			of(testARN, []string{"purpose", "grant", "dialogue", "tea", "version", "1"}, openers...), // a grant without a user
			of(testARN, []string{"purpose", "grant", "user", "bob", "version", "1"}, openers...),
			of(testARN, []string{"purpose", "grant", "user", "bob", "dialogue", "tea"}, openers...),
			of(testARN[:len(testARN)-1]+"c", kek("ada"), openers...),
			of(testARN, kek("ada"), administer...),
			of(keyTable, []string{"user#bob"}, append(reads, commits...)...),
			of(keyTable, []string{"dialogue#tea", "user#bob"}, append(reads, commits...)...),
			of(keyTable, []string{"user#ada"}, "dynamodb:Query", "dynamodb:DeleteItem"),
			of(keyTable, []string{"erased"}, append(reads, commits...)...),
			of(keyTable, nil, slices.Concat(reads, commits, []string{"dynamodb:Scan", "dynamodb:ExportTableToPointInTime"})...),
			of(audit, []string{"audit#1"}, append(rewrite, "dynamodb:Scan", "dynamodb:Query", "dynamodb:ConditionCheckItem")...),
			of(audit, []string{"chains#0"}, reads...),
			of(audit, []string{"checkpoint#1"}, reads...),
			of(audit, nil, reads...),
			of(keyTable, []string{"principals"}, "dynamodb:Query", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"),
			of(dialogues, []string{"dialogue#tea"}, "dynamodb:UpdateItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteTable"),
			of("arn:aws:dynamodb:eu-central-1:111122223333:table/blue_dialogues", []string{"dialogue#tea"}, reads...),
		),
	},
	"auditor": {
		need: slices.Concat(
			of(audit, []string{"audit#1"}, reads...), of(audit, []string{"chains#0"}, reads...),
			of(dialogues, []string{"dialogue#tea"}, "dynamodb:GetItem"),
			of(dialogues+"/index/GSI1", []string{"status#open"}, "dynamodb:Query"),
			of(keyTable, []string{"principals"}, "dynamodb:Query"),
			of(dialogues, nil, describes...), of(audit, nil, describes...), of(keyTable, nil, describes...),
		),
		never: slices.Concat(
			of(testARN, kek("ada"), openers...), of(testARN, grant("ada"), openers...), of(testARN, nil, openers...), of(testARN, nil, administer...),
			of(keyTable, []string{"dialogue#tea"}, append(append(reads, commits...), rewrite...)...),
			of(dialogues, []string{"dialogue#tea"}, append(append(commits, rewrite...), "dynamodb:Query", "dynamodb:Scan")...),
			of(dialogues+"/index/GSI2", []string{"tension_status#open"}, reads...),
			of(audit, []string{"audit#1"}, append(append(commits, rewrite...), "dynamodb:Scan")...),
			of(keyTable, []string{"principals"}, commits...),
			of(keyTable, nil, reads...),
		),
	},
	"eraser": {
		need: slices.Concat(
			of(keyTable, []string{"dialogue#tea"}, append(reads, erases...)...),
			of(keyTable, []string{"erased"}, append(reads, erases...)...),
			of(keyTable, []string{"user#ada"}, append(reads, erases...)...),
			of(dialogues, []string{"dialogue#tea"}, append(reads, commits...)...),
			of(dialogues+"/index/GSI1", []string{"status#open"}, "dynamodb:Query"),
			of(audit, []string{"audit#1"}, append(reads, "dynamodb:PutItem")...),
			of(audit, []string{"checkpoint#1"}, append(reads, "dynamodb:PutItem")...),
			of(audit, []string{"dialogue#tea"}, "dynamodb:GetItem"),
			of(audit, []string{"chains#0"}, "dynamodb:Query"),
			of(keyTable, nil, describes...), of(dialogues, nil, describes...),
			of("*", nil, "dynamodb:ListBackups"),
		),
		never: slices.Concat(
			of(testARN, kek("ada"), openers...), of(testARN, grant("ada"), openers...), of(testARN, nil, openers...), of(testARN, nil, administer...),
			of(audit, []string{"audit#1"}, rewrite...),
			of(audit, nil, "dynamodb:Scan"),
			of(dialogues, nil, "dynamodb:DeleteTable", "dynamodb:Scan"),
			of(keyTable, nil, "dynamodb:DeleteTable", "dynamodb:CreateBackup", "dynamodb:RestoreTableToPointInTime", "dynamodb:Scan"),
		),
	},
}

// wrong returns the first wish that the policy judges wrongly.
func wrong(p Policy, need, never []wish) string {
	ada := Principal{Tags: map[string]string{"blue-user": "ada"}, Policies: []Policy{p}}
	for _, w := range need {
		if !ada.Allowed(w.request()) {
			return "refused: " + w.action + " on " + w.resource + " " + strings.Join(w.context, " ")
		}
	}
	for _, w := range never {
		if ada.Allowed(w.request()) {
			return "allowed: " + w.action + " on " + w.resource + " " + strings.Join(w.context, " ")
		}
	}
	return ""
}

func TestRoles(t *testing.T) {
	for role, c := range roles {
		if got := wrong(shipped(t, role), c.need, c.never); got != "" {
			t.Errorf("%s: %s", role, got)
		}
	}
}

// TestEveryPartIsNeeded removes one part at a time: each statement, action,
// resource, condition, value of a condition, and pair of an action and a
// resource or value. Each time a wish must be judged wrongly. If no wish
// changes, the part is unnecessary or not tested. A Deny is tried together with
// an Allow for all requests, because the Deny has no effect without one. TestIAM
// of cmd/blue-store shows that the program needs these wishes.
func TestEveryPartIsNeeded(t *testing.T) {
	for role, c := range roles {
		p := shipped(t, role)
		for _, parts := range []map[string]Policy{p.Narrower(), p.Looser()} {
			for name, p := range parts {
				if wrong(p, c.need, c.never) == "" && !denies(t, role, p) {
					t.Errorf("%s without %s: no wish changes", role, name)
				}
			}
		}
		if got := wrong(p, c.need, c.never); got != "" {
			t.Errorf("%s: removing parts changed the whole: %s", role, got)
		}
	}
}

// denies reports whether a policy, added to a user's policy, allows an auditor
// to open something that the shipped one refuses.
func denies(t *testing.T, role string, p Policy) bool {
	t.Helper()
	both := func(p Policy) Principal {
		everything := Policy{Statement: []Statement{{Effect: "Allow", Action: Texts{"kms:*"}, Resource: Texts{"*"}}}}
		return Principal{Tags: map[string]string{"blue-user": "ada"}, Policies: []Policy{everything, p}}
	}
	for _, w := range of(testARN, kek("ada"), openers...) {
		if both(p).Allowed(w.request()) != both(shipped(t, role)).Allowed(w.request()) {
			return true
		}
	}
	return false
}

// TestShape lints the documents. Each statement has a unique name, and the table
// of its role in the README lists exactly these names. NotAction is not used. No
// statement is for every principal. A statement for every resource has only an
// action that has no resources. Only a Deny has an action with a star.
func TestShape(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "deploy", "iam")
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != len(roles) {
		t.Fatalf("%d documents, %v; the roles are %d", len(files), err, len(roles))
	}
	for role := range roles {
		listed, seen := tableOf(string(readme), role), map[string]bool{}
		for _, s := range shipped(t, role).Statement {
			if s.Sid == "" || seen[s.Sid] {
				t.Errorf("%s: statement %q has no name, or another one has it", role, s.Sid)
			}
			seen[s.Sid] = true
			for _, what := range lint(s) {
				t.Errorf("%s: %s %s", role, s.Sid, what)
			}
		}
		if !maps.Equal(listed, seen) {
			t.Errorf("%s: README.md lists %v, but the document has %v", role, listed, seen)
		}
	}
}

// tableOf returns the statements in the table of a role: below "## role.json",
// up to the next heading.
func tableOf(readme, role string) map[string]bool {
	_, section, _ := strings.Cut(readme, "\n## "+role+".json")
	section, _, _ = strings.Cut(section, "\n## ")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z][a-z]\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		listed[m[1]] = true
	}
	return listed
}

// lint returns the faults of a single statement.
func lint(s Statement) (wrong []string) {
	for _, a := range s.Action {
		if strings.Contains(a, "*") && s.Effect == "Allow" {
			wrong = append(wrong, "allows "+a)
		}
		if s.Effect == "Allow" && a != "kms:DescribeKey" && strings.HasPrefix(a, "kms:") && len(s.Condition["StringEquals"]) == 0 {
			wrong = append(wrong, "allows "+a+" without a context")
		}
	}
	if slices.Contains(s.Resource, "*") && !slices.Equal(s.Action, Texts{"dynamodb:ListBackups"}) {
		wrong = append(wrong, "is for every resource")
	}
	return wrong
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":          `{`,
		"NotAction":        `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"kms:*","Resource":"*"}]}`,
		"Principal":        `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}`,
		"another operator": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a","Resource":"*","Condition":{"StringNotEquals":{"a":"b"}}}]}`,
		"another version":  `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Action":"a","Resource":"*"}]}`,
		"no statement":     `{"Version":"2012-10-17","Statement":[]}`,
		"no effect":        `{"Version":"2012-10-17","Statement":[{"Action":"a","Resource":"*"}]}`,
		"no resource":      `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"a"}]}`,
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestAllowed checks the rules of IAM that Allowed depends on.
func TestAllowed(t *testing.T) {
	parse := func(statements string) Policy {
		p, err := Parse([]byte(`{"Version":"2012-10-17","Statement":[` + statements + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const all = `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`
	own := `{"Effect":"Allow","Action":"kms:D?crypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:u":"${aws:PrincipalTag/blue-user}"}}}`
	r := func(context ...string) Request {
		q := Request{Action: "kms:Decrypt", Resource: "k", Context: map[string][]string{}}
		if len(context) > 0 {
			q.Context["KMS:encryptioncontext:U"] = context
		}
		return q
	}
	for name, c := range map[string]struct {
		policies string
		tag      string
		request  Request
		want     bool
	}{
		"nothing":             {`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, "ada", r(), false},
		"all":                 {all, "", r(), true},
		"Deny wins":           {all + `,{"Effect":"Deny","Action":"kms:Dec*","Resource":"*"}`, "", r(), false},
		"a Deny of others":    {all + `,{"Effect":"Deny","Action":"kms:Enc*","Resource":"*"}`, "", r(), true},
		"own":                 {own, "ada", r("ada"), true},
		"another":             {own, "bob", r("ada"), false},
		"capitals":            {own, "ADA", r("ada"), false},
		"no tag":              {own, "", r(""), false},
		"no context":          {own, "ada", r(), false},
		"a star in a tag":     {own, "*", r("ada"), false},
		"an unknown variable": {strings.Replace(own, "aws:PrincipalTag/blue-user", "aws:username", 1), "ada", r("${aws:username}"), false},
		"another resource":    {`{"Effect":"Allow","Action":"kms:*","Resource":"j"}`, "", r(), false},
	} {
		p := Principal{Tags: map[string]string{"blue-user": c.tag}, Policies: []Policy{parse(c.policies)}}
		if got := p.Allowed(c.request); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for pattern, texts := range map[string]map[string]bool{
		"a*c?": {"abcd": true, "acd": true, "ac": false, "abcde": false, "xacd": false}, "*": {"": true, "é": true}, "?*": {"": false, "é": true}, "a**b": {"ab": true, "axb": true, "a": false},
	} {
		for text, want := range texts {
			if wild(pattern, text) != want {
				t.Errorf("%q matches %q: %v", pattern, text, !want)
			}
		}
	}
}
