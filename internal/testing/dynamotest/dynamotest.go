// Package dynamotest gives each test a dynamo.Store over empty tables in
// DynamoDB Local.
//
// It does not find or start the server. That is done by
// internal/testing/dynamolocal/localtest.
package dynamotest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/record"
)

// Store returns an empty store, which is closed when the test ends.
func Store(t testing.TB) *dynamo.Store {
	t.Helper()
	return Open(t, Config(t))
}

// Open opens a store and closes it when the test ends.
func Open(t testing.TB, c dynamo.Config) *dynamo.Store {
	t.Helper()
	s, err := dynamo.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Config names empty tables that only this test uses. Afterwards they are
// emptied for the next test, because creating three tables takes a tenth of a
// second.
func Config(t testing.TB) dynamo.Config {
	t.Helper()
	c, ok := pool.take()
	if !ok {
		c = dynamo.Config{Endpoint: localtest.Endpoint(t), EndpointFrom: "a test", Prefix: prefix(), HTTPClient: client}
		create(t, c)
	}
	t.Cleanup(func() {
		if err := empty(context.Background(), c); err != nil { // the context of the test has ended
			t.Errorf("emptying the tables %s*: %v", c.Prefix, err)
			return
		}
		pool.put(c)
	})
	return c
}

// prefix is unique even if a test repeats a stream of randomness.
func prefix() string { return fmt.Sprintf("t-%s-%d-", rand.Text(), time.Now().UnixNano()) }

func create(t testing.TB, c dynamo.Config) {
	t.Helper()
	admin, err := tables.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	found, err := admin.Create(t.Context())
	if err == nil {
		err = admin.Check(found)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// client keeps the connections of all tests, because otherwise every store would
// open new ones.
var client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

var pool tableSets

// tableSets are the unused sets of tables.
type tableSets struct {
	mu   sync.Mutex
	free []dynamo.Config
}

func (s *tableSets) take() (c dynamo.Config, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 {
		return c, false
	}
	c, s.free = s.free[n-1], s.free[:n-1]
	return c, true
}

func (s *tableSets) put(c dynamo.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, c)
}

// empty deletes every item of three tables.
func empty(ctx context.Context, c dynamo.Config) error {
	api := dynamodb.New(dynamodb.Options{BaseEndpoint: &c.Endpoint, Region: "local", HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local-dummy-secret", "")})
	for _, table := range []record.Table{record.Dialogues, record.Audit, record.Keys} {
		name := c.Prefix + string(table)
		pages := dynamodb.NewScanPaginator(api, &dynamodb.ScanInput{TableName: &name, ProjectionExpression: aws.String("PK, SK")})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for items := range slices.Chunk(page.Items, maxBatch) {
				if err := remove(ctx, api, name, items); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

const maxBatch = 25 // of BatchWriteItem

func remove(ctx context.Context, api *dynamodb.Client, table string, items []map[string]types.AttributeValue) error {
	var requests []types.WriteRequest
	for _, key := range items {
		requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}})
	}
	out, err := api.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: requests}})
	if err == nil && len(out.UnprocessedItems) > 0 {
		err = fmt.Errorf("%d items are left in %s", len(out.UnprocessedItems[table]), table)
	}
	return err
}
