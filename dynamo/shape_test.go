package dynamo

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/record"
)

func mustTables(t *testing.T, c Config) *tables.Tables {
	t.Helper()
	admin, err := tables.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

// tableOfShape returns the request for a table with other keys than ours and with
// some of our indexes. Every attribute is a string.
func tableOfShape(name string, keys []types.KeySchemaElement, indexes ...record.Index) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{TableName: &name, KeySchema: keys, BillingMode: types.BillingModePayPerRequest}
	define := func(keys []types.KeySchemaElement) {
		for _, k := range keys {
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: k.AttributeName, AttributeType: types.ScalarAttributeTypeS})
		}
	}
	define(keys)
	for _, index := range indexes {
		keys := []types.KeySchemaElement{
			{AttributeName: aws.String(string(index) + "PK"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String(string(index) + "SK"), KeyType: types.KeyTypeRange},
		}
		define(keys)
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(string(index)), KeySchema: keys, Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		})
	}
	return in
}

// TestWrongKeysInUse: the error of a store over tables of another shape.
func TestWrongKeysInUse(t *testing.T) {
	c := localConfig(t)
	admin := mustTables(t, c)
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		in := tableOfShape(c.Prefix+string(table), []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}})
		if _, err := admin.API.CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	cl := &client{admin.Conn}
	_, _, getErr := cl.get(t.Context(), record.Dialogues, someKey)
	_, _, pageErr := cl.page(t.Context(), record.Dialogues, "p", span{}, "", 0)
	_, snapshotErr := cl.snapshot(t.Context(), record.Dialogues, []record.Key{someKey})
	_, indexErr := cl.index(t.Context(), record.ByStatus, "status#open")
	for call, err := range map[string]error{
		"get": getErr, "page": pageErr, "snapshot": snapshotErr, "index": indexErr, "transact": cl.transact(t.Context(), "", twoActions()),
	} {
		if !errors.Is(err, record.ErrUnavailable) || errors.Is(err, errUnknown) || !strings.Contains(hintOf(err), "blue-store table status") {
			t.Errorf("%s: %v, hint %q", call, err, hintOf(err))
		}
	}
}

// TestEmptyIndexOfAnotherShape: a table of other keys can have our indexes, and
// what a writer puts there is in none of them. It is not an empty store.
func TestEmptyIndexOfAnotherShape(t *testing.T) {
	for name, keys := range map[string][]types.KeySchemaElement{
		"keys are pk (S), sk (S), not PK (S), SK (S)": {
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
		"keys are SK (S), PK (S), not PK (S), SK (S)": {
			{AttributeName: aws.String("SK"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("PK"), KeyType: types.KeyTypeRange},
		},
		"keys are PK (S), not PK (S), SK (S)": {{AttributeName: aws.String("PK"), KeyType: types.KeyTypeHash}},
	} {
		c := localConfig(t)
		admin := mustTables(t, c)
		in := tableOfShape(c.Prefix+string(record.Dialogues), keys, record.ByStatus, record.ByTensionStatus, record.ByExpert)
		if _, err := admin.API.CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range []record.Index{record.ByStatus, record.ByTensionStatus, record.ByExpert} {
			_, err := s.Index(t.Context(), i, "none")
			if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), *in.TableName+" does not have the keys") || !strings.Contains(fmt.Sprint(err), name) || !strings.Contains(hintOf(err), "table status") {
				t.Errorf("%s: %v, hint %q; want %q", i, err, hintOf(err), name)
			}
		}
	}
}

// TestEmptyIndexAsksOnce: only an empty index costs a request more, once.
func TestEmptyIndexAsksOnce(t *testing.T) {
	var described int
	var refusal string
	rows := []any{map[string]any{"PK": map[string]string{"S": "p"}, "SK": map[string]string{"S": "s"}}}
	f := newFake(t, answer{})
	f.handler = func(operation string, _ map[string]any) (int, any) {
		switch {
		case operation == "Query":
			return 200, map[string]any{"Items": rows}
		case refusal != "":
			return 400, map[string]string{"__type": "x#" + refusal, "message": "no"}
		}
		described++
		return 200, map[string]any{"Table": map[string]any{
			"AttributeDefinitions": []map[string]string{{"AttributeName": "PK", "AttributeType": "S"}, {"AttributeName": "SK", "AttributeType": "S"}},
			"KeySchema":            []map[string]string{{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}},
		}}
	}
	open := func() *Store {
		s, err := Open(t.Context(), Config{Endpoint: f.URL, EndpointFrom: "a test"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	store := open()
	list := func(want error) {
		t.Helper()
		if _, err := store.Index(t.Context(), record.ByStatus, "open"); !errors.Is(err, want) {
			t.Errorf("index: %v, want %v", err, want)
		}
	}
	list(nil)
	if described != 0 {
		t.Errorf("%d questions about the keys where the index has rows", described)
	}
	rows = nil
	list(nil)
	list(nil)
	if described != 1 {
		t.Errorf("%d questions about the keys, want 1", described)
	}
	store, refusal = open(), "AccessDeniedException"
	list(nil) // permission to read does not include permission to describe
	store, refusal = open(), "ExpiredTokenException"
	list(record.ErrUnavailable)
}
