package awskms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
	"github.com/superviber/blue-encrypted-store/keys"
)

// Reason is why a key in KMS cannot be used, in words.
type Reason string

const (
	Denied          Reason = "access denied"
	Credentials     Reason = "the credentials are missing, wrong or expired"
	Disabled        Reason = "the key is disabled"
	PendingDeletion Reason = "the key is pending deletion"
	Unusable        Reason = "the key is of a kind, or in a state, that cannot do this"
	NotFound        Reason = "there is no such key in this region and account"
	BadARN          Reason = "this is not the ARN of a key"
	WrongContext    Reason = "KMS does not open it under this encryption context, or it is damaged"
	WrongKey        Reason = "it was made under another KMS key"
	Throttled       Reason = "KMS is throttling"
	Unavailable     Reason = "KMS does not answer"
	Malformed       Reason = "KMS answered something else than it should"
)

// Error says why KMS, or what came back from it, cannot be used. It is
// blue.ErrSealed whatever the reason, and keys.ErrDenied for Denied. It holds
// no key bytes.
type Error struct {
	Reason   Reason
	KeyARN   string
	Action   string    // e.g. "kms:Decrypt"; "" if KMS was not asked
	Deletion time.Time // for PendingDeletion: when the key will be gone, if KMS says so
	Tries    int       // how often KMS was asked

	detail string
	cause  error
}

func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%v: ", e.kind())
	if e.Action != "" {
		text.WriteString(e.Action + " with ")
	}
	if e.Reason == BadARN { // anything may stand in it
		fmt.Fprintf(&text, "KMS key %.120q: %s", e.KeyARN, e.Reason)
	} else {
		text.WriteString("KMS key " + e.KeyARN + ": " + string(e.Reason))
	}
	if !e.Deletion.IsZero() {
		text.WriteString(" on " + e.Deletion.UTC().Format("2006-01-02"))
	}
	if e.detail != "" {
		text.WriteString(": " + e.detail)
	}
	if e.Tries > 1 {
		fmt.Fprintf(&text, " (asked %d times)", e.Tries)
	}
	return text.String()
}

func (e *Error) kind() error {
	if e.Reason == Denied {
		return keys.ErrDenied
	}
	return blue.ErrSealed
}

// Unwrap gives the sentinel and the client's own error.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind()}
	}
	return []error{e.kind(), e.cause}
}

// Transient reports whether the same call may succeed later.
func (e *Error) Transient() bool { return e.Reason == Throttled || e.Reason == Unavailable }

// Hint says what to do.
func (e *Error) Hint() string {
	switch e.Reason {
	case Denied:
		return "allow " + e.Action + " on this key to your role under your own encryption context (deploy/iam/user.json), with the tag blue-user that BLUE_USER names"
	case Credentials:
		return "check AWS_PROFILE or the AWS_* variables, and this machine's clock"
	case Disabled:
		return "whoever administers the key may enable it again: kms:EnableKey"
	case PendingDeletion:
		return "until that day kms:CancelKeyDeletion and kms:EnableKey bring it back; afterwards nothing under it can ever be opened"
	case Unusable:
		return "BLUE_KMS_KEY_ARN must name a symmetric key for encryption (SYMMETRIC_DEFAULT) that is enabled"
	case NotFound, BadARN:
		return "set BLUE_KMS_KEY_ARN to the key's own ARN, arn:aws:kms:REGION:ACCOUNT:key/ID"
	case WrongContext:
		return "check BLUE_USER and BLUE_TABLE_PREFIX or BLUE_KMS_TABLES against those the key was made with; if they are the same, the record in blue_keys is damaged: restore it"
	case WrongKey:
		return "set BLUE_KMS_KEY_ARN to the key that was used"
	case Throttled, Unavailable:
		return "try again; no other key is used meanwhile"
	}
	return "something else than KMS answers, or it is broken; check AWS_ENDPOINT_URL_KMS"
}

// fail is an Error that is found here.
func (p *Provider) fail(action string, reason Reason, detail string, cause error) *Error {
	return &Error{Reason: reason, KeyARN: p.arn, Action: action, detail: detail, cause: cause}
}

// reasons maps KMS's own error codes ("AWS KMS API Reference", Errors of each
// action). classReasons has the codes that all services share.
var reasons = map[string]Reason{
	"OptInRequired":                 Credentials,
	"DisabledException":             Disabled,
	"KMSInvalidStateException":      Unusable,
	"InvalidKeyUsageException":      Unusable,
	"UnsupportedOperationException": Unusable,
	"NotFoundException":             NotFound,
	"InvalidArnException":           NotFound,
	"InvalidCiphertextException":    WrongContext,
	"IncorrectKeyException":         WrongKey,
	"KMSInternalException":          Unavailable,
	"DependencyTimeoutException":    Unavailable,
	"KeyUnavailableException":       Unavailable,
}

var classReasons = map[awsclient.Class]Reason{
	awsclient.Denied:        Denied,
	awsclient.UnknownKey:    Credentials,
	awsclient.Expired:       Credentials,
	awsclient.BadSignature:  Credentials,
	awsclient.NoCredentials: Credentials,
	awsclient.Skewed:        Credentials,
	awsclient.Throttled:     Throttled,
	awsclient.Internal:      Unavailable,
}

// explain turns the client's error into ours.
func (p *Provider) explain(ctx context.Context, action string, err error) *Error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return p.refusal(ctx, action, api, err)
	}
	if e, ok := errors.AsType[*awsclient.CredentialsError](err); ok {
		if e.Short {
			return p.fail(action, Credentials, e.Error(), nil)
		}
		return p.fail(action, Credentials, "", err)
	}
	// What the client says of an answer it cannot read may hold the answer,
	// and that a key: such a cause is not kept.
	_, unread := errors.AsType[*smithy.DeserializationError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return p.fail(action, Unavailable, fmt.Sprintf("no answer within %s", p.opts.Timeout/attempts), nil)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return p.fail(action, Unavailable, "its answer was cut off", nil)
	case unread && awsclient.Status(err) >= 500:
		return p.fail(action, Unavailable, fmt.Sprintf("its answer of status %d cannot be read", awsclient.Status(err)), nil)
	case unread:
		return p.fail(action, Malformed, "it cannot be read", nil)
	case awsclient.Status(err) == 429:
		return p.fail(action, Throttled, "", err)
	}
	return p.fail(action, Unavailable, awsclient.Cause(err), err)
}

// refusal explains an answer that is an error of the service.
func (p *Provider) refusal(ctx context.Context, action string, api smithy.APIError, err error) *Error {
	code, message := api.ErrorCode(), api.ErrorMessage()
	e := p.fail(action, Malformed, strings.TrimSuffix(code+": "+message, ": "), err)
	reason, known := reasons[code]
	if !known {
		reason, known = classReasons[awsclient.ClassOf(code, message)]
	}
	switch {
	case code == "KMSInvalidStateException" && strings.Contains(strings.ToLower(message), "deletion"):
		e.Reason = PendingDeletion
		e.Deletion = p.deletion(ctx)
	case known:
		e.Reason = reason
	case awsclient.Status(err) == 429:
		e.Reason = Throttled
	case awsclient.Status(err) >= 500:
		e.Reason = Unavailable
	}
	return e
}

// deletion asks when the key will be gone; zero if KMS does not say.
func (p *Provider) deletion(ctx context.Context) time.Time {
	out, err := once(ctx, p.opts.Timeout/attempts, p.api.DescribeKey, &kms.DescribeKeyInput{KeyId: &p.arn})
	if err != nil || out == nil || out.KeyMetadata == nil || out.KeyMetadata.DeletionDate == nil {
		return time.Time{}
	}
	return *out.KeyMetadata.DeletionDate
}
