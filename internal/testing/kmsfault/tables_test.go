package kmsfault

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTables checks how a request is judged, and that a transaction is forwarded
// only if all of its actions are allowed.
func TestTables(t *testing.T) {
	reached := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer server.Close()
	gate, err := NewTables(server.URL, testARN)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(gate)
	defer front.Close()
	gate.Let("ada", Principal{Tags: map[string]string{"blue-user": "ada"}, Policies: []Policy{shipped(t, "user")}})

	const keys, log, data = `"TableName": "team-blue_keys"`, `"TableName": "team-blue_audit"`, `"TableName": "team-blue_dialogues"`
	key := func(pk string) string { return `"Key": {"PK": {"S": "` + pk + `"}, "SK": {"S": "x"}}` }
	query := func(condition, pk string) string {
		return fmt.Sprintf(`"KeyConditionExpression": %q, "ExpressionAttributeNames": {"#a0": "PK", "#a1": "SK"}, "ExpressionAttributeValues": {":v0": {"S": %q}, ":v1": {"S": "user#ada"}}`, condition, pk)
	}
	puts := func(pks ...string) string {
		var all []string
		for _, pk := range pks {
			all = append(all, `{"Put": {`+keys+`, "Item": {"PK": {"S": "`+pk+`"}}}}`)
		}
		return `"TransactItems": [` + strings.Join(all, ", ") + `]`
	}
	for _, c := range []struct {
		who, target, body string
		want              string // the last request that was judged
		allowed           bool
	}{
		{"ada", "GetItem", keys + "," + key("user#ada"), "GetItem blue_keys user#ada", true},
		{"ada", "GetItem", keys + "," + key("user#bob"), "GetItem blue_keys user#bob", false},
		{"bob", "GetItem", keys + "," + key("user#bob"), "GetItem blue_keys user#bob", false}, // bob has no policy
		{"ada", "GetItem", keys, "GetItem blue_keys -", false},
		{"ada", "GetItem", keys + `, "Key": {"PK": {"N": "1"}}`, "GetItem blue_keys -", false},
		{"ada", "PutItem", log + `, "Item": {"PK": {"S": "audit#1"}, "n": {"N": "1"}}`, "PutItem blue_audit audit#1", true},
		{"ada", "Query", log + "," + query("#a0 = :v0 AND #a1 >= :v1", "dialogue#tea"), "Query blue_audit dialogue#tea", true},
		{"ada", "Query", log + "," + query("#a0 = :v0", "chains#0"), "Query blue_audit chains#0", false},
		{"ada", "Query", keys + "," + query("#a1 = :v1 AND #a0 = :v0", "user#bob"), "Query blue_keys user#bob", false}, // the sort key is not taken for the partition key
		{"ada", "Query", keys + "," + query("begins_with(#a0, :v0)", "user#ada"), "Query blue_keys -", false},
		{"ada", "Query", data + `, "IndexName": "GSI1", "KeyConditionExpression": "GSI1PK=:v", "ExpressionAttributeValues": {":v": {"S": "status#open"}}`, "Query blue_dialogues/index/GSI1 status#open", true},
		{"ada", "Scan", data, "Scan blue_dialogues -", false},
		{"ada", "ExecuteStatement", `"Statement": "SELECT * FROM x"`, "ExecuteStatement  -", false},
		{"ada", "BatchGetItem", `"RequestItems": {}`, "BatchGetItem  -", false},
		{"ada", "TransactWriteItems", `"TransactItems": [{"Put": {` + data + `, "Item": {"PK": {"S": "dialogue#tea"}}}}, {"ConditionCheck": {` + keys + "," + key("dialogue#tea") + `}}]`, "ConditionCheckItem blue_keys dialogue#tea", true},
		{"ada", "TransactWriteItems", `"TransactItems": [{"Put": {` + data + `, "Item": {"PK": {"S": "dialogue#tea"}}}}, {"Delete": {` + keys + "," + key("user#ada") + `}}]`, "DeleteItem blue_keys user#ada", false},
		{"ada", "TransactWriteItems", puts("dialogue#tea", "user#ada"), "PutItem blue_keys dialogue#tea+user#ada", true},
		{"ada", "TransactWriteItems", puts("dialogue#tea", "principals"), "PutItem blue_keys dialogue#tea+principals", false}, // each alone is allowed
		{"ada", "TransactGetItems", `"TransactItems": [{"Get": {` + keys + "," + key("user#ada") + `}}, {"Get": {` + keys + "," + key("erased") + `}}]`, "GetItem blue_keys erased", false},
		{"ada", "TransactWriteItems", `"TransactItems": []`, "", false},
		{"ada", "TransactWriteItems", `"TransactItems": [{"Steal": {}}]`, "", false},
	} {
		before, asked, refused := reached, len(gate.Asked(c.who)), len(gate.Refused(c.who))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, strings.NewReader("{"+c.body+"}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+c.target)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.who+"/20260101/local/dynamodb/aws4_request")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if passed := reached > before; passed != c.allowed || (answer.StatusCode == http.StatusOK) != c.allowed {
			t.Errorf("%s %s: passed %v, status %d %s", c.target, c.body, passed, answer.StatusCode, text)
		}
		if !c.allowed && c.want != "" && !strings.Contains(string(text), "AccessDeniedException") {
			t.Errorf("%s %s: %s", c.target, c.body, text)
		}
		judged := gate.Refused(c.who)[refused:]
		if c.allowed {
			judged = gate.Asked(c.who)[asked:]
		}
		got := ""
		if n := len(judged); n > 0 {
			last := judged[n-1]
			_, table, _ := strings.Cut(last.Resource, "table/team-")
			leading := cmp.Or(strings.Join(last.Context["dynamodb:LeadingKeys"], "+"), "-")
			got = strings.TrimPrefix(last.Action, "dynamodb:") + " " + table + " " + leading
		}
		if got != c.want {
			t.Errorf("%s %s: judged as %q, want %q", c.target, c.body, got, c.want)
		}
	}
}
