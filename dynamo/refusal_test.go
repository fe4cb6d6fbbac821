package dynamo_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// A commit that is sent once can be delivered twice. These tests check that the
// store never calls a commit refused that one of its copies has written.

// TestSecondAnswer checks each kind of commit when the first copy is applied and
// the answer is the refusal of the second copy.
func TestSecondAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		operation string // that carries the audit event
		commit    func(w *fixture) error
	}{
		{"a dialogue", "TransactWriteItems", func(w *fixture) error {
			_, err := w.store.Create(w.Context(), "another", blue.NewDialogue{Title: "T"})
			return err
		}},
		{"a round", "TransactWriteItems", func(w *fixture) error {
			_, err := w.store.RegisterRound(w.Context(), id, moves(1, 3, 50))
			return err
		}},
		{"a round through the log", "TransactWriteItems", func(w *fixture) error {
			_, err := w.store.RegisterRound(w.Context(), id, moves(1, 120, 50))
			return err
		}},
		{"the first event of a chain", "TransactWriteItems", func(w *fixture) error {
			_, err := w.open(w.records).Load(w.Context(), id)
			return err
		}},
		{"the event of a read", "PutItem", func(w *fixture) error {
			_, err := w.store.Load(w.Context(), id)
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newFixture(t)
			w.T = t
			w.round(moves(0, 3, 50))
			w.proxy.Play(func(r faultproxy.Request) faultproxy.Fault {
				if r.Operation == c.operation {
					return faultproxy.AnswerSecond()
				}
				return faultproxy.Fault{}
			})
			err := c.commit(w)
			w.proxy.Play(nil)
			if err != nil {
				t.Errorf("the commit was written and answered with: %v", err)
			}
			w.checkSound()
		})
	}
}

// TestRefusedThenWritten checks a commit whose first copy is refused because a
// lease is on meta, and whose second copy is written as soon as the lease is
// off, before the store reads meta.
func TestRefusedThenWritten(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.round(moves(0, 3, 50))
	leased, freed := false, false
	w.proxy.Play(func(r faultproxy.Request) faultproxy.Fault {
		switch {
		case !leased && r.Operation == "TransactWriteItems":
			leased = true
			w.editMeta("SET #lease = :lease", map[string]types.AttributeValue{":lease": &types.AttributeValueMemberS{Value: "another/1"}})
			return faultproxy.Double(1)
		case leased && !freed:
			freed = true
			w.editMeta("REMOVE #lease", nil)
		}
		return faultproxy.Fault{}
	})
	registered, err := w.store.RegisterRound(t.Context(), id, moves(1, 3, 50))
	log := w.proxy.Log()
	w.proxy.Play(nil)
	if err != nil || registered.Value.Repeated {
		t.Errorf("the commit was written and answered with: repeated %v, %v", registered.Value.Repeated, err)
	}
	if log[1].Fault != faultproxy.DoubledRequest || log[1].Delivered != 2 || log[1].Status != 200 {
		t.Errorf("the commit was not refused first and written afterwards: %v", log)
	}
	w.checkVoid(w.checkSound(), 0)
}

// TestOrdinaryRefusal checks what the proof costs a commit that another writer
// has overtaken: one serialized read of the event, and no void event.
func TestOrdinaryRefusal(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	other := w.open(dynamotest.Open(t, w.config))
	w.round(moves(0, 3, 50))
	if _, err := other.RegisterRound(t.Context(), id, moves(1, 3, 50)); err != nil {
		t.Fatal(err)
	}
	overtaken := false
	w.proxy.Play(func(r faultproxy.Request) faultproxy.Fault {
		if !overtaken && r.Operation == "TransactWriteItems" {
			overtaken = true
			if _, err := other.RegisterRound(t.Context(), id, moves(2, 3, 50)); err != nil {
				t.Error(err)
			}
		}
		return faultproxy.Fault{}
	})
	w.round(moves(3, 3, 50))
	want := map[string]int{"Query": 2, "TransactWriteItems": 2, "TransactGetItems": 1}
	if diff := cmp.Diff(want, w.proxy.Counts()); diff != "" {
		t.Errorf("requests of a round that was overtaken (-want +got):\n%s", diff)
	}
	w.proxy.Play(nil)
	w.checkVoid(w.checkSound(), 0)
}

// checkSound verifies the dialogue in a process of its own and returns its
// version.
func (w *fixture) checkSound() uint64 {
	w.Helper()
	snapshot, err := w.open(w.records).Verify(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return snapshot.Version
}

// editMeta changes the lease on meta without the proxy, as another process
// does.
func (w *fixture) editMeta(update string, values map[string]types.AttributeValue) {
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &w.config.Endpoint, Region: "local", Credentials: credentials.NewStaticCredentialsProvider("local", "local-dummy-secret", ""),
	})
	_, err := client.UpdateItem(context.Background(), &dynamodb.UpdateItemInput{
		TableName: aws.String(w.config.Prefix + "blue_dialogues"), UpdateExpression: &update,
		Key: map[string]types.AttributeValue{
			"PK": &types.AttributeValueMemberS{Value: "dialogue#" + string(id)}, "SK": &types.AttributeValueMemberS{Value: "meta"},
		},
		ExpressionAttributeNames: map[string]string{"#lease": "_lease"}, ExpressionAttributeValues: values,
	})
	if err != nil {
		w.Error(err)
	}
}
