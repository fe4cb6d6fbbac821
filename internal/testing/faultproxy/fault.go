package faultproxy

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Kind is the name of a fault in scripts and in the log.
type Kind string

// The faults. "Took effect" refers to the server, and does not depend on what
// the client received.
const (
	None             Kind = ""                    // forwarded and answered
	LostRequest      Kind = "request lost"        // connection closed; no effect
	LostAnswer       Kind = "answer lost"         // took effect; connection closed
	LateRequest      Kind = "late"                // connection closed; takes effect later
	DoubledRequest   Kind = "doubled"             // takes effect, answered; arrives again later
	SecondAnswer     Kind = "second answer"       // arrives twice; answered as the second copy
	HeldRequest      Kind = "held"                // takes effect once the client has hung up
	HeldAnswer       Kind = "answer held"         // took effect; answer held until the client has hung up
	Refused          Kind = "refused"             // an error of the service, without effect
	RefusedAfterward Kind = "refused afterwards"  // took effect, and yet an error of the service
	TruncatedAnswer  Kind = "answer truncated"    // took effect; half of the body, then the end
	ResetAnswer      Kind = "answer reset"        // took effect; half of the body, then a reset
	WrongChecksum    Kind = "wrong checksum"      // took effect; X-Amz-Crc32 does not fit the body
	RewrittenAnswer  Kind = "answer rewritten"    // took effect; another body, with its checksum
	RecordedAnswer   Kind = "answer recorded"     // forwarded and answered; the answer kept
	ReplayedAnswer   Kind = "answer replayed"     // no effect; a kept answer
	MixedAnswer      Kind = "answer half applied" // forwarded; some items as in a kept answer
)

// A Fault is the treatment of one request. The zero Fault forwards it. The
// functions below return the others.
type Fault struct {
	Kind Kind

	after   int                      // LateRequest, DoubledRequest
	name    string                   // of a record
	refuse  func(Request) answer     // Refused, RefusedAfterward
	rewrite func([]byte) []byte      // RewrittenAnswer
	old     func(pk, sk string) bool // MixedAnswer
}

// Lose closes the connection. The server does not receive the request.
func Lose() Fault { return Fault{Kind: LostRequest} }

// LoseAnswer closes the connection after the server has answered.
func LoseAnswer() Fault { return Fault{Kind: LostAnswer} }

// Late closes the connection now. It delivers the request just before the proxy
// serves the after-th later one, or at Release if after is 0.
func Late(after int) Fault { return Fault{Kind: LateRequest, after: after} }

// Double delivers and answers the request. It delivers it again just before the
// proxy serves the after-th later one, or immediately if after is 0.
func Double(after int) Fault { return Fault{Kind: DoubledRequest, after: after} }

// AnswerSecond delivers the request twice and returns the answer to the second
// copy. The second copy carries no client token, so the server does not
// recognize it, as after the token has expired.
func AnswerSecond() Fault { return Fault{Kind: SecondAnswer} }

// Hold keeps the request until the client has closed its connection, and then
// delivers it. The client must have a deadline.
func Hold() Fault { return Fault{Kind: HeldRequest} }

// HoldAnswer delivers the request and keeps the answer until the client has
// closed its connection. The client must have a deadline.
func HoldAnswer() Fault { return Fault{Kind: HeldAnswer} }

// Truncate ends the answer after half of its body.
func Truncate() Fault { return Fault{Kind: TruncatedAnswer} }

// Reset resets the connection after half of the body of the answer.
func Reset() Fault { return Fault{Kind: ResetAnswer} }

// WrongCRC answers with the checksum of another body. The SDK for Go logs the
// mismatch and continues.
func WrongCRC() Fault { return Fault{Kind: WrongChecksum} }

// Rewrite answers with the result of change on the body.
func Rewrite(change func(body []byte) []byte) Fault {
	return Fault{Kind: RewrittenAnswer, rewrite: change}
}

// Record stores the answer under a name.
func Record(name string) Fault { return Fault{Kind: RecordedAnswer, name: name} }

// Replay answers with the recorded answer of that name, as a stale read would.
func Replay(name string) Fault { return Fault{Kind: ReplayedAnswer, name: name} }

// Mix answers a Query as if a transaction were half visible. Items whose key is
// old are as in the recorded answer of that name, or absent if they are absent
// there. The other items are current.
func Mix(name string, old func(pk, sk string) bool) Fault {
	return Fault{Kind: MixedAnswer, name: name, old: old}
}

// Afterwards lets the request take effect before the service refuses it, which
// can happen with status 500.
func (f Fault) Afterwards() Fault {
	f.Kind = RefusedAfterward
	return f
}

// The namespaces of DynamoDB's error types.
const (
	dynamoDB = "com.amazonaws.dynamodb.v20120810#"
	coral    = "com.amazon.coral.availability#"
	service  = "com.amazon.coral.service#"
)

// Refuse answers with an error of the service. A type without a namespace
// belongs to DynamoDB itself.
func Refuse(status int, errorType, message string) Fault {
	if !strings.Contains(errorType, "#") {
		errorType = dynamoDB + errorType
	}
	a := failure(status, map[string]any{"__type": errorType, "message": message})
	return Fault{Kind: Refused, refuse: func(Request) answer { return a }}
}

// InternalError is status 500, which does not specify the effect.
func InternalError() Fault {
	return Refuse(http.StatusInternalServerError, "InternalServerError", "The request processing has failed because of an unknown error, exception or failure.")
}

// Unavailable is status 503.
func Unavailable() Fault {
	return Refuse(http.StatusServiceUnavailable, coral+"ServiceUnavailableException", "Service is unavailable.")
}

// Throttle reports that a table's throughput is exceeded.
func Throttle() Fault {
	return Refuse(http.StatusBadRequest, "ProvisionedThroughputExceededException",
		"The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.")
}

// ThrottleRequests reports that the account or an on-demand table has too many
// requests.
func ThrottleRequests() Fault {
	return Refuse(http.StatusBadRequest, coral+"ThrottlingException",
		"Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or index so please try again shortly.")
}

// Conflict refuses a single read or write because of a transaction on its item.
func Conflict() Fault {
	return Refuse(http.StatusBadRequest, "TransactionConflictException", "Transaction is ongoing for the item")
}

// InProgress reports that a transaction with the same token is in progress.
func InProgress() Fault {
	return Refuse(http.StatusBadRequest, "TransactionInProgressException",
		"Transaction is in progress for the specified client request token")
}

// Expired reports that the credentials are too old.
func Expired() Fault {
	return Refuse(http.StatusBadRequest, service+"ExpiredTokenException", "The security token included in the request is expired")
}

// Skewed reports that the client's clock is wrong.
func Skewed() Fault {
	return Refuse(http.StatusBadRequest, service+"InvalidSignatureException",
		"Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)")
}

// messages are the texts of cancellation reasons, by code.
var messages = map[string]string{
	"TransactionConflict":           "Transaction is ongoing for the item",
	"ConditionalCheckFailed":        "The conditional request failed",
	"ProvisionedThroughputExceeded": "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.",
	"ThrottlingError":               "Throughput exceeds the current capacity for one or more global secondary indexes.",
	"ValidationError":               "Provided expression evaluates to an item that exceeds the item size limit",
}

// Cancel refuses a transaction. The actions at these places, or the first one
// without any, have the reason code. The others have the reason None. There are
// as many reasons as the request has actions.
func Cancel(code string, at ...int) Fault {
	if len(at) == 0 {
		at = []int{0}
	}
	return Fault{Kind: Refused, refuse: func(r Request) answer { return cancellation(r, code, at) }}
}

func cancellation(r Request, code string, at []int) answer {
	var transaction struct{ TransactItems []json.RawMessage }
	if err := json.Unmarshal(r.Body, &transaction); err != nil || len(transaction.TransactItems) == 0 {
		return broken("Cancel on " + r.Operation + ", which is not a transaction")
	}
	codes := make([]string, len(transaction.TransactItems))
	reasons := make([]map[string]string, len(codes))
	for i := range codes {
		codes[i], reasons[i] = "None", map[string]string{"Code": "None"}
	}
	for _, i := range at {
		if i >= len(codes) {
			return broken("Cancel at a place that the transaction does not have")
		}
		codes[i], reasons[i] = code, map[string]string{"Code": code, "Message": messages[code]}
	}
	return failure(http.StatusBadRequest, map[string]any{
		"__type":              dynamoDB + "TransactionCanceledException",
		"CancellationReasons": reasons,
		"Message":             "Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]",
	})
}

// broken is the answer to an invalid script. No client retries it, and its
// message describes the problem.
func broken(what string) answer {
	return failure(http.StatusBadRequest, map[string]any{"__type": "com.amazon.coral.validate#ValidationException", "message": "faultproxy: " + what})
}

func failure(status int, body map[string]any) answer {
	text, err := json.Marshal(body)
	if err != nil {
		panic("faultproxy: " + err.Error())
	}
	header := http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"FAULTPROXY0000000000000000000000000000000000000000000"}}
	return answer{status: status, header: header, body: text}
}
