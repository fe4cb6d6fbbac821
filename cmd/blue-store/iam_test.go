package main

import (
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmsfault"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
)

// guarded is an office whose tables also enforce deploy/iam. Each principal has
// exactly the permissions in the documents of its roles. The access key id of a
// principal is the name of the user.
type guarded struct {
	*office
	tables *kmsfault.Tables
	wanted map[string]int                // number of expected refusals of each user
	worked map[string][]kmsfault.Request // requests of the counted work of each user
	seen   map[string][2]int             // number of counted requests of each user, to tables and to keys
}

const administrator = "root"

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	server := localtest.Endpoint(t)
	prefix := "iam-" + uuid.Must(uuid.NewV4()).String() + "-"
	g := &guarded{office: newOffice(t, map[string]string{
		"BLUE_STORE": "dynamodb", "BLUE_TABLE_PREFIX": prefix, "BLUE_KMS_TABLES": prefix + "blue", // the same for the copy in a file
	}), wanted: map[string]int{}, worked: map[string][]kmsfault.Request{}, seen: map[string][2]int{}}
	var err error
	if g.tables, err = kmsfault.NewTables(server, g.arn); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(g.tables)
	t.Cleanup(front.Close)
	g.env["DYNAMODB_ENDPOINT"] = front.URL
	g.tables.Let(administrator, kmsfault.Principal{Policies: []kmsfault.Policy{{
		Statement: []kmsfault.Statement{{Effect: "Allow", Action: kmsfault.Texts{"dynamodb:*"}, Resource: kmsfault.Texts{"*"}}},
	}}})
	g.want(exitOK, administrator, nil, "table", "create")
	return g
}

// document returns a policy of deploy/iam for one key in KMS.
func (g *guarded) document(role, arn string) kmsfault.Policy {
	g.t.Helper()
	place := kmsfault.Place{KeyARN: arn, Prefix: g.env["BLUE_TABLE_PREFIX"], Tables: g.env["BLUE_KMS_TABLES"]}
	p, err := kmsfault.Load(filepath.Join("..", "..", "deploy", "iam", role+".json"), place)
	if err != nil {
		g.t.Fatal(err)
	}
	return p
}

// appoint gives a user roles for the given keys in KMS. The default is the
// current key.
func (g *guarded) appoint(user string, roles []string, arns ...string) {
	g.t.Helper()
	if len(arns) == 0 {
		arns = []string{g.arn}
	}
	p := kmsfault.Principal{Tags: map[string]string{"blue-user": user}}
	for _, role := range roles {
		for _, arn := range arns {
			p.Policies = append(p.Policies, g.document(role, arn))
		}
	}
	g.layer.Let(user, p)
	g.tables.Let(user, p)
}

// count records the requests of a user since the last count as work that the
// documents must allow. With work set to false, it ignores them.
func (g *guarded) count(who string, work bool) {
	seen := g.seen[who]
	for i, log := range []interface {
		Asked(accessKeyID string) []kmsfault.Request
	}{g.tables, g.layer} {
		all := log.Asked(who)
		if work {
			g.worked[who] = append(g.worked[who], all[seen[i]:]...)
		}
		seen[i] = len(all)
	}
	g.seen[who] = seen
}

// denied runs the program and expects a refusal by DynamoDB or KMS. The requests
// before the refusal do not count as work.
func (g *guarded) denied(code int, who string, args ...string) {
	g.t.Helper()
	g.count(who, true)
	g.stopped(code, who, args...)
	g.count(who, false)
}

// stopped runs the program and expects a refusal by DynamoDB or KMS after a part
// of the work.
func (g *guarded) stopped(code int, who string, args ...string) {
	g.t.Helper()
	tables, keys := len(g.tables.Refused(who)), g.layer.Refused()
	got := g.want(code, who, nil, args...)
	g.wanted[who] = len(g.tables.Refused(who))
	if len(g.tables.Refused(who)) == tables && g.layer.Refused() == keys {
		g.t.Errorf("%q as %s fails, and no policy refused anything: %s", args, who, got.stderr)
	}
}

// unrefused checks that no request of a user since the last denial was refused.
func (g *guarded) unrefused(who string) {
	g.t.Helper()
	for _, r := range g.tables.Refused(who)[g.wanted[who]:] {
		if r.Action == "dynamodb:Scan" {
			continue // doctor tries to read the key that sealed a table, but does not need it
		}
		g.t.Errorf("%s was refused %s on %s %v", who, r.Action, r.Resource, r.Context)
	}
}

// needed checks that some work needed every part of a role's document.
func (g *guarded) needed(role string, unseen map[string]string, arns []string, people ...string) {
	g.t.Helper()
	var asked []kmsfault.Request
	tags := map[string]string{"blue-user": people[0]}
	for _, who := range people {
		g.count(who, true)
		asked = append(asked, g.worked[who]...)
	}
	noticed := map[string]bool{}
	for _, arn := range arns {
		whole := kmsfault.Principal{Tags: tags, Policies: []kmsfault.Policy{g.document(role, arn)}}
		for name, p := range whole.Policies[0].Narrower() {
			name = strings.ReplaceAll(name, g.env["BLUE_TABLE_PREFIX"], "")
			less := kmsfault.Principal{Tags: tags, Policies: []kmsfault.Policy{p}}
			noticed[name] = noticed[name] || slices.ContainsFunc(asked, func(r kmsfault.Request) bool { return whole.Allowed(r) && !less.Allowed(r) })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(noticed)) {
		if _, excused := unseen[name]; noticed[name] == excused {
			g.t.Errorf("%s.json, %s: needed %v, excused %v", role, name, noticed[name], excused)
		}
	}
}

// TestIAM runs the program on tables and keys that enforce deploy/iam. Each role
// can do its work and is refused the work of other roles. Its document has no
// permission that its work does not need.
func TestIAM(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	dir := t.TempDir()
	for _, user := range []string{"ada", "bob"} {
		g.appoint(user, []string{"user"})
	}
	g.appoint("olga", []string{"auditor"})
	g.appoint("eva", []string{"eraser"})
	g.appoint("both", []string{"eraser", "user"})

	t.Log("users")
	g.want(exitOK, "ada", nil, "doctor")
	g.want(exitOK, "ada", nil, "table", "status")
	g.want(exitOK, "ada", nil, "import", filepath.Join("..", "..", "internal", "demo", "source"))
	g.want(exitOK, "ada", nil, "dialogue", "create", "Tea", "-q")
	g.want(exitOK, "ada", nil, "dialogue", "expert-create", "--dialogue-id", "tea", "--expert-slug", "Muffin", "--role", "Baker", "--tier", "Core", "--creation-reason", "to count", "--first-round", "0")
	g.want(exitOK, "ada", nil, "dialogue", "round-register", "--dialogue-id", "tea", "--round", "0",
		"--data", `{"score": 1, "tensions": [{"label": "a", "description": "b", "contributors": ["Muffin"]}]}`)
	many := strings.TrimSuffix(strings.Repeat(`{"label": "a", "description": "b", "contributors": ["Muffin"]},`, 90), ",") // more than fits into one transaction
	g.want(exitOK, "ada", nil, "dialogue", "round-register", "--dialogue-id", "tea", "--round", "1", "--data", `{"score": 1, "tensions": [`+many+`]}`)
	g.want(exitOK, "ada", nil, "show", "tea")
	for _, flags := range [][]string{nil, {"--tensions"}, {"--expert", "muffin"}} {
		g.want(exitOK, "ada", []string{`"tea"`}, append([]string{"list"}, flags...)...)
	}
	g.want(exitOK, "ada", nil, "verify")
	g.want(exitNotFound, "ada", nil, "show", "never")
	g.want(exitKey, "bob", nil, "show", "tea")
	g.want(exitOK, "ada", nil, "keys", "grant", "tea", "bob")
	g.want(exitOK, "bob", nil, "show", "tea")
	g.want(exitOK, "bob", nil, "dialogue", "create", "Milk", "-q")
	g.want(exitOK, "ada", nil, "keys", "rotate", "tea")
	g.want(exitOK, "ada", nil, "keys", "status")
	g.want(exitOK, "ada", nil, "keys", "revoke", "tea", "bob")
	g.want(exitOK, "ada", nil, "keys", "grant", "tea", "both")
	g.want(exitOK, "ada", nil, "keys", "grant", "tea", "bob")
	g.want(exitOK, "ada", nil, "keys", "grant", "tea", "eva")
	g.want(exitOK, "both", nil, "show", "tea")
	apart := "sqlite:" + filepath.Join(dir, "apart.db")
	g.want(exitOK, "ada", nil, "copy", "dynamodb", apart, "tea")
	g.want(exitOK, "ada", nil, "dialogue", "create", "Soup", "-q", "--store", apart)
	g.want(exitOK, "ada", nil, "copy", apart, "dynamodb", "soup")
	g.want(exitOK, "ada", nil, "keys", "grant", "soup", "bob", "--store", apart)
	g.want(exitOK, "ada", nil, "copy", apart, "dynamodb", "soup") // a wrapped key that was added later
	g.want(exitOK, "ada", nil, "keys", "grant", "soup", "both")
	for _, user := range []string{"ada", "bob", "both"} {
		g.unrefused(user)
	}

	t.Log("users who want more")
	g.denied(exitUnavailable, "ada", "audit", "verify")
	g.denied(exitUnavailable, "ada", "audit", "list")
	g.denied(exitUnavailable, "ada", "audit", "export")
	g.denied(exitKey, "bob", "erase", "milk", "--confirm", "milk")
	for _, args := range [][]string{{"show", demoDialogue}, {"dialogue", "create", "Bread"}, {"keys", "grant", demoDialogue, "bob"}, {"keys", "rotate", demoDialogue}} {
		before := len(g.tables.Refused("bob"))
		got := g.check(g.as("bob", "ada", args...), exitKey, []string{"cannot open the seal: denied: access to table ", "blue_keys is denied", "BLUE_USER must be what the tag"}, args)
		refused := g.tables.Refused("bob")[before:]
		if len(refused) == 0 || !strings.HasSuffix(refused[0].Resource, "blue_keys") || got.stdout != "" {
			g.t.Errorf("%q as ada: refused %v, says %s", args, refused, got.stdout)
		}
	}

	t.Log("the auditor")
	g.trust("ada", "bob", "both", "eva")
	g.homes["olga"] = t.TempDir() // with the checkpoints of a writer, because audit verify requires some
	if err := os.CopyFS(filepath.Join(g.homes["olga"], "anchors"), os.DirFS(filepath.Join(g.homes["ada"], "anchors"))); err != nil {
		t.Fatal(err)
	}
	exported := filepath.Join(dir, "log.jsonl")
	g.want(exitOK, "olga", []string{`"verdict": "ok"`}, "audit", "verify")
	g.want(exitOK, "olga", []string{`"user": "ada`}, "audit", "list")
	g.want(exitOK, "olga", nil, "audit", "report")
	g.want(exitOK, "olga", nil, "audit", "export", "--output", exported)
	g.want(exitOK, "olga", nil, "audit", "verify", "--file", exported)
	g.want(exitOK, "olga", nil, "table", "status")
	g.unrefused("olga")
	g.denied(exitKey, "olga", "dialogue", "create", "Bread")
	g.denied(exitUnavailable, "olga", "show", "tea")
	g.denied(exitKey, "olga", "erase", "tea", "--confirm", "tea")

	t.Log("the eraser")
	demo, user := filepath.Join(dir, "demo.cert"), filepath.Join(dir, "bob.cert")
	g.want(exitOK, "eva", nil, "erase", demoDialogue, "--confirm", demoDialogue, "--output", demo)
	g.want(exitOK, "eva", nil, "erase", "verify", demo)
	g.want(exitErased, "ada", nil, "show", demoDialogue)
	g.unrefused("eva")
	g.denied(exitKey, "eva", "show", "tea") // granted to her, but her role cannot decrypt
	g.denied(exitKey, "eva", "dialogue", "create", "Bread")
	g.denied(exitKey, "eva", "keys", "rotate", "tea")
	g.stopped(exitKey, "eva", "erase", "--user", "bob", "--confirm", "bob") // other users hold tea, so its key must be rotated
	if _, err := os.Stat(user); err == nil {
		t.Error("a certificate of an erasure that did not happen")
	}
	g.want(exitOK, "both", nil, "erase", "--user", "bob", "--confirm", "bob", "--output", user)
	g.want(exitOK, "eva", nil, "erase", "verify", user)
	g.want(exitErased, "bob", nil, "show", "milk")
	g.want(exitOK, "ada", nil, "show", "tea")
	g.want(exitOK, "olga", nil, "audit", "verify")
	g.unrefused("both")

	t.Log("another KMS key")
	old, next := g.arn, kmstest.Key(t)
	g.use(next)
	for _, who := range []string{"ada", "both"} {
		g.appoint(who, []string{"user"}, old, next)
		g.want(exitKey, who, nil, "show", "tea")
		g.want(exitOK, who, []string{"rewrapped: the key of " + who}, "keys", "rewrap", "--text")
		g.appoint(who, []string{"user"}, next)
		g.want(exitOK, who, nil, "show", "tea")
		g.unrefused(who)
	}

	arns := []string{old, next}
	g.needed("user", nil, arns, "ada")
	g.needed("auditor", nil, arns, "olga")
	g.needed("eraser", map[string]string{
		"EmptyDialogues dynamodb:ConditionCheckItem": "to finish a big commit that was stopped, before its dialogue goes (dynamo/log.go)",
	}, arns, "eva")
}
