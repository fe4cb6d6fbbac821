package faultproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	. "github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// code returns the service's name for an error, or "" for an error of the
// connection.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// TestWhatAClientSees plays each fault against one put by a client that does not
// retry.
func TestWhatAClientSees(t *testing.T) {
	w := newFixture(t)
	const applied, absent = true, false
	for _, c := range []struct {
		name    string
		fault   Fault
		code    string // of the service's error; "" with wire: any error of the connection; "ok": none
		wire    error  // the error of the connection, if it is always the same
		applied bool
		entry   string
	}{
		{"none", Fault{}, "ok", nil, applied, "delivered 1 status 200"},
		{"lose", Lose(), "", io.EOF, absent, "delivered 0: request lost"},
		{"lose answer", LoseAnswer(), "", io.EOF, applied, "delivered 1 status 200: answer lost"},
		{"late", Late(0), "", io.EOF, absent, "delivered 0: late"},
		{"double", Double(0), "ok", nil, applied, "delivered 2 status 200: doubled"},
		{"second answer", AnswerSecond(), "ok", nil, applied, "delivered 2 status 200: second answer"},
		{"hold", Hold(), "", context.DeadlineExceeded, applied, "delivered 1 status 200: held"},
		{"hold answer", HoldAnswer(), "", context.DeadlineExceeded, applied, "delivered 1 status 200: answer held"},
		{"500", InternalError(), "InternalServerError", nil, absent, "delivered 0: refused"},
		{"500 afterwards", InternalError().Afterwards(), "InternalServerError", nil, applied, "delivered 1 status 200: refused afterwards"},
		{"503", Unavailable(), "ServiceUnavailableException", nil, absent, "delivered 0: refused"},
		{"throttle", Throttle(), "ProvisionedThroughputExceededException", nil, absent, "delivered 0: refused"},
		{"throttle requests", ThrottleRequests(), "ThrottlingException", nil, absent, "delivered 0: refused"},
		{"conflict", Conflict(), "TransactionConflictException", nil, absent, "delivered 0: refused"},
		{"in progress", InProgress(), "TransactionInProgressException", nil, absent, "delivered 0: refused"},
		{"expired", Expired(), "ExpiredTokenException", nil, absent, "delivered 0: refused"},
		{"skewed", Skewed(), "InvalidSignatureException", nil, absent, "delivered 0: refused"},
		{"own", Refuse(400, "ItemCollectionSizeLimitExceededException", "too large"), "ItemCollectionSizeLimitExceededException", nil, absent, "delivered 0: refused"},
		{"truncate", Truncate(), "", io.ErrUnexpectedEOF, applied, "delivered 1 status 200: answer truncated"},
		{"reset", Reset(), "", nil, applied, "delivered 1 status 200: answer reset"},
		{"wrong checksum", WrongCRC(), "ok", nil, applied, "delivered 1 status 200: wrong checksum"},
		{"no record", Replay("never"), "ValidationException", nil, absent, "delivered 0: answer replayed"},
		{"cancel without transaction", Cancel("TransactionConflict"), "ValidationException", nil, absent, "delivered 0: refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.play(Rule{Operation: "PutItem", Nth: 1, Fault: c.fault})
			ctx := t.Context()
			if c.wire == context.DeadlineExceeded {
				ctx = w.deadline(100 * time.Millisecond)
			}
			err := w.put(ctx, w.client, c.name, "x")
			w.proxy.Settle()
			switch {
			case c.code == "ok" && err != nil:
				t.Errorf("the client sees %v", err)
			case c.code == "" && (err == nil || code(err) != "" || c.wire != nil && !errors.Is(err, c.wire)):
				t.Errorf("the client sees %v, want an error of the connection: %v", err, c.wire)
			case c.code != "ok" && code(err) != c.code:
				t.Errorf("the client sees %v, want %s", err, c.code)
			}
			if got := strings.Contains(w.stored(), c.name+"=x "); got != c.applied {
				t.Errorf("the item exists: %v, want %v", got, c.applied)
			}
			if got := fmt.Sprint(w.proxy.Log()); got != "[1 PutItem#1 "+c.entry+"]" {
				t.Errorf("log %s", got)
			}
			w.proxy.Release()
		})
	}
}

// TestErrorsOfTheSDK checks that the answers become the SDK's own types, with
// messages.
func TestErrorsOfTheSDK(t *testing.T) {
	w := newFixture(t)
	w.play(Rule{Fault: Throttle()})
	if e, ok := errors.AsType[*types.ProvisionedThroughputExceededException](w.put(t.Context(), w.client, "a", "x")); !ok || !strings.Contains(e.ErrorMessage(), "throughput") {
		t.Errorf("throttle: %v", e)
	}
	w.play(Rule{Fault: Conflict()})
	if e, ok := errors.AsType[*types.TransactionConflictException](w.put(t.Context(), w.client, "a", "x")); !ok || e.ErrorMessage() == "" {
		t.Errorf("conflict: %v", e)
	}
	w.play(Rule{Fault: InProgress()})
	if e, ok := errors.AsType[*types.TransactionInProgressException](w.transact(t.Context(), w.client, "t", "a")); !ok {
		t.Errorf("in progress: %v", e)
	}
	w.play(Rule{Fault: InternalError()})
	if e, ok := errors.AsType[*types.InternalServerError](w.put(t.Context(), w.client, "a", "x")); !ok {
		t.Errorf("500: %v", e)
	}
}

// TestCancel checks that there are as many reasons as actions, as in DynamoDB.
func TestCancel(t *testing.T) {
	w := newFixture(t)
	reasons := func(err error) []string {
		canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
		if !ok {
			t.Fatalf("not a cancellation: %v", err)
		}
		var codes []string
		for _, r := range canceled.CancellationReasons {
			codes = append(codes, *r.Code)
		}
		if !strings.Contains(canceled.ErrorMessage(), "["+strings.Join(codes, ", ")+"]") {
			t.Errorf("message %q for %v", canceled.ErrorMessage(), codes)
		}
		return codes
	}
	if err := w.put(t.Context(), w.straight, "taken", "x"); err != nil {
		t.Fatal(err)
	}
	// The server's own error is the expected form.
	real := reasons(w.transact(t.Context(), w.straight, "t0", "new", "taken", "newer"))
	w.play(Rule{Nth: 1, Fault: Cancel("ConditionalCheckFailed", 1)})
	if got := reasons(w.transact(t.Context(), w.client, "t1", "new", "taken", "newer")); !slices.Equal(got, real) {
		t.Errorf("reasons %v, DynamoDB Local's %v", got, real)
	}
	w.play(Rule{Nth: 1, Fault: Cancel("TransactionConflict", 0, 2)})
	if got := reasons(w.transact(t.Context(), w.client, "t2", "a", "b", "c")); fmt.Sprint(got) != "[TransactionConflict None TransactionConflict]" {
		t.Errorf("reasons %v", got)
	}
	w.play(Rule{Nth: 1, Fault: Cancel("ThrottlingError").Afterwards()})
	if got := reasons(w.transact(t.Context(), w.client, "t3", "a", "b")); fmt.Sprint(got) != "[ThrottlingError None]" {
		t.Errorf("reasons %v", got)
	}
	if got := w.stored(); got != "a=new b=new taken=x " {
		t.Errorf("stored %s", got)
	}
	w.play(Rule{Nth: 1, Fault: Cancel("TransactionConflict", 2)})
	if err := w.transact(t.Context(), w.client, "t4", "d", "e"); code(err) != "ValidationException" {
		t.Errorf("a place that does not exist: %v", err)
	}
}

// TestWrongChecksum checks that the SDK only logs a wrong checksum
// (service/dynamodb v1.73.2, which checks when it closes the body). A client
// that needs an error must check itself.
func TestWrongChecksum(t *testing.T) {
	w := newFixture(t)
	for fault, want := range map[*Fault]bool{{}: false, new(WrongCRC()): true} {
		var logged strings.Builder
		logger := logging.LoggerFunc(func(_ logging.Classification, format string, args ...any) {
			fmt.Fprintf(&logged, format, args...)
		})
		w.play(Rule{Fault: *fault})
		_, err := w.client.ListTables(t.Context(), nil, func(o *dynamodb.Options) { o.Logger = logger })
		if got := strings.Contains(logged.String(), "did not match expected checksum"); err != nil || got != want {
			t.Errorf("%q: %v, logged %q", fault.Kind, err, &logged)
		}
	}
}

// TestReset checks that the client receives a reset and not only the end of the
// connection.
func TestReset(t *testing.T) {
	w := newFixture(t)
	w.play(Rule{Fault: Reset()})
	err := w.put(t.Context(), w.client, "a", "x")
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the client sees %v", err)
	}
}

// TestSDKRetries checks that an SDK with several attempts handles a lost answer
// like a lost request, and executes the operation again.
func TestSDKRetries(t *testing.T) {
	w := newFixture(t)
	w.play(Rule{Nth: 1, Fault: LoseAnswer()}, Rule{Nth: 2, Fault: Throttle()})
	if err := w.put(t.Context(), client(w.proxy.URL, 3), "a", "x"); err != nil {
		t.Fatal(err)
	}
	if got := w.proxy.Counts(); len(got) != 1 || got["PutItem"] != 3 {
		t.Errorf("counts %v", got)
	}
	want := "[1 PutItem#1 delivered 1 status 200: answer lost 2 PutItem#2 delivered 0: refused 3 PutItem#3 delivered 1 status 200]"
	if got := fmt.Sprint(w.proxy.Log()); got != want {
		t.Errorf("log %s", got)
	}
}
