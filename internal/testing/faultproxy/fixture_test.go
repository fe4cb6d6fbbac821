package faultproxy_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// fixture contains a table, a client that uses a proxy, and a client that does
// not.
type fixture struct {
	t        *testing.T
	proxy    *faultproxy.Proxy
	client   *dynamodb.Client // one attempt for each call
	straight *dynamodb.Client
	table    string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	endpoint := localtest.Endpoint(t)
	proxy := faultproxy.New(endpoint)
	t.Cleanup(proxy.Close)
	w := &fixture{t: t, proxy: proxy, client: client(proxy.URL, 1), straight: client(endpoint, 1), table: "faultproxy-" + rand.Text()}
	str := types.ScalarAttributeTypeS
	_, err := w.straight.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:   &w.table,
		BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("PK"), AttributeType: str}, {AttributeName: aws.String("SK"), AttributeType: str}},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("PK"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("SK"), KeyType: types.KeyTypeRange}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.straight.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &w.table})
	})
	return w
}

func client(endpoint string, attempts int) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint:     &endpoint,
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider("local", "local-dummy-secret", ""),
		RetryMaxAttempts: attempts,
	})
}

func (w *fixture) play(rules ...faultproxy.Rule) { w.proxy.Play(faultproxy.Script(rules).Decide) }

func item(sk, text string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"PK": &types.AttributeValueMemberS{Value: "p"}, "SK": &types.AttributeValueMemberS{Value: sk},
		"text": &types.AttributeValueMemberS{Value: text}}
}

// put writes an item unconditionally.
func (w *fixture) put(ctx context.Context, c *dynamodb.Client, sk, text string) error {
	_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: &w.table, Item: item(sk, text)})
	return err
}

// transact writes items that must not exist. The server stores a token for ten
// minutes, which is longer than the table exists.
func (w *fixture) transact(ctx context.Context, c *dynamodb.Client, token string, sks ...string) error {
	token += strings.TrimPrefix(w.table, "faultproxy-")
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: &token}
	for _, sk := range sks {
		in.TransactItems = append(in.TransactItems, types.TransactWriteItem{Put: &types.Put{
			TableName: &w.table, Item: item(sk, "new"), ConditionExpression: aws.String("attribute_not_exists(PK)")}})
	}
	_, err := c.TransactWriteItems(ctx, in)
	return err
}

// query returns sk=text of the partition, in order.
func (w *fixture) query(c *dynamodb.Client) ([]string, error) {
	out, err := c.Query(w.t.Context(), &dynamodb.QueryInput{TableName: &w.table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("PK = :p"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: "p"}}})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, i := range out.Items {
		all = append(all, i["SK"].(*types.AttributeValueMemberS).Value+"="+i["text"].(*types.AttributeValueMemberS).Value)
	}
	if int(out.Count) != len(all) {
		w.t.Errorf("Count is %d for %d items", out.Count, len(all))
	}
	return all, nil
}

// stored returns the content of the table, read without the proxy.
func (w *fixture) stored() string {
	w.t.Helper()
	all, err := w.query(w.straight)
	if err != nil {
		w.t.Fatal(err)
	}
	text := ""
	for _, s := range all {
		text += s + " "
	}
	return text
}

func (w *fixture) deadline(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	w.t.Cleanup(cancel)
	return ctx
}
