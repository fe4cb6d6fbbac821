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

// A Reason is the reason why a KMS key cannot be used. Its text is part of the
// message of an Error.
type Reason string

// The reasons of an Error.
const (
	// Denied is a refusal by a policy.
	Denied Reason = "access denied"
	// Credentials is a request that is not signed correctly.
	Credentials Reason = "the credentials are missing, wrong or expired"
	// Disabled is a key that an administrator has disabled.
	Disabled Reason = "the key is disabled"
	// PendingDeletion is a key with a scheduled deletion.
	PendingDeletion Reason = "the key is pending deletion"
	// Unusable is, for example, an asymmetric key.
	Unusable Reason = "the key is of a kind, or in a state, that cannot do this"
	// NotFound is a key that does not exist.
	NotFound Reason = "there is no such key in this region and account"
	// BadARN is found without calling KMS.
	BadARN Reason = "this is not the ARN of a key"
	// WrongContext is a ciphertext that does not open.
	WrongContext Reason = "KMS does not open it under this encryption context, or it is damaged"
	// WrongKey is a ciphertext of another key.
	WrongKey Reason = "it was made under another KMS key"
	// Throttled is transient.
	Throttled Reason = "KMS is throttling"
	// Unavailable is transient.
	Unavailable Reason = "KMS does not respond"
	// Malformed is a response that cannot be used.
	Malformed Reason = "KMS returned an invalid response"
)

// An Error reports why KMS or its response cannot be used. It unwraps to
// keys.ErrDenied for Denied and to blue.ErrSealed for every reason. It contains no
// key bytes.
type Error struct {
	Reason   Reason
	KeyARN   string
	Action   string    // for example "kms:Decrypt", "" if KMS was not called
	Deletion time.Time // the deletion of a key with the reason PendingDeletion, if KMS returns it
	Tries    int       // the number of attempts

	detail string
	cause  error
}

// Error implements error.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%v: ", e.kind())
	if e.Action != "" {
		text.WriteString(e.Action + " with ")
	}
	if e.Reason == BadARN { // the ARN can be any text
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
		fmt.Fprintf(&text, " (%d attempts)", e.Tries)
	}
	return text.String()
}

func (e *Error) kind() error {
	if e.Reason == Denied {
		return keys.ErrDenied
	}
	return blue.ErrSealed
}

// Unwrap returns keys.ErrDenied or blue.ErrSealed, and the error of the SDK if it is
// kept.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind()}
	}
	return []error{e.kind(), e.cause}
}

// IsTransient reports whether the same call can succeed later.
func (e *Error) IsTransient() bool { return e.Reason == Throttled || e.Reason == Unavailable }

// Hint returns what the user can do, for every reason.
func (e *Error) Hint() string {
	switch e.Reason {
	case Denied:
		return "allow " + e.Action + " on this key to your role under your own encryption context (deploy/iam/user.json), with the tag blue-user that BLUE_USER names"
	case Credentials:
		return "check AWS_PROFILE or the AWS_* variables, and this machine's clock"
	case Disabled:
		return "ask the administrator of the key to enable it again (kms:EnableKey)"
	case PendingDeletion:
		return "until that day kms:CancelKeyDeletion and kms:EnableKey restore it; after that day no data under it can be opened"
	case Unusable:
		return "BLUE_KMS_KEY_ARN must name a symmetric key for encryption (SYMMETRIC_DEFAULT) that is enabled"
	case NotFound, BadARN:
		return "set BLUE_KMS_KEY_ARN to the key's own ARN, arn:aws:kms:REGION:ACCOUNT:key/ID"
	case WrongContext:
		return "check that BLUE_USER and BLUE_TABLE_PREFIX or BLUE_KMS_TABLES are the same as when the key was made; if they are, the record in blue_keys is damaged: restore it"
	case WrongKey:
		return "set BLUE_KMS_KEY_ARN to the key that was used"
	case Throttled, Unavailable:
		return "try again; no other key is used instead"
	}
	return "check AWS_ENDPOINT_URL_KMS: the server is not KMS, or it is broken"
}

// newError returns an Error of the provider's key.
func (p *Provider) newError(action string, reason Reason, detail string, cause error) *Error {
	return &Error{Reason: reason, KeyARN: p.arn, Action: action, detail: detail, cause: cause}
}

// reasons maps the error codes of KMS (AWS KMS API Reference, "Errors" of each
// action) to reasons.
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

// classReasons maps the classes of error codes that all services share.
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

// explain returns the Error for an error of the SDK.
func (p *Provider) explain(ctx context.Context, action string, err error) *Error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return p.explainResponse(ctx, action, api, err)
	}
	if e, ok := errors.AsType[*awsclient.CredentialsError](err); ok {
		if e.Short {
			return p.newError(action, Credentials, e.Error(), nil)
		}
		return p.newError(action, Credentials, "", err)
	}
	// The error of a response that the SDK cannot read can contain the response,
	// and that can contain a key. Such an error is not kept.
	_, isUnreadable := errors.AsType[*smithy.DeserializationError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return p.newError(action, Unavailable, fmt.Sprintf("no response within %s", p.opts.Timeout/attempts), nil)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return p.newError(action, Unavailable, "the response was cut off", nil)
	case isUnreadable && awsclient.Status(err) >= 500:
		return p.newError(action, Unavailable, fmt.Sprintf("the response of status %d cannot be read", awsclient.Status(err)), nil)
	case isUnreadable:
		return p.newError(action, Malformed, "the response cannot be read", nil)
	case awsclient.Status(err) == 429:
		return p.newError(action, Throttled, "", err)
	}
	return p.newError(action, Unavailable, awsclient.Cause(err), err)
}

// explainResponse returns the Error for an error code of the service.
func (p *Provider) explainResponse(ctx context.Context, action string, api smithy.APIError, err error) *Error {
	code, message := api.ErrorCode(), api.ErrorMessage()
	e := p.newError(action, Malformed, strings.TrimSuffix(code+": "+message, ": "), err)
	reason, known := reasons[code]
	if !known {
		reason, known = classReasons[awsclient.ClassOf(code, message)]
	}
	switch {
	case code == "KMSInvalidStateException" && strings.Contains(strings.ToLower(message), "deletion"):
		e.Reason = PendingDeletion
		e.Deletion = p.deletionDate(ctx)
	case known:
		e.Reason = reason
	case awsclient.Status(err) == 429:
		e.Reason = Throttled
	case awsclient.Status(err) >= 500:
		e.Reason = Unavailable
	}
	return e
}

// deletionDate returns when the key will be deleted, or zero if KMS does not return
// it.
func (p *Provider) deletionDate(ctx context.Context) time.Time {
	out, err := sendOnce(ctx, p.opts.Timeout/attempts, p.api.DescribeKey, &kms.DescribeKeyInput{KeyId: &p.arn})
	if err != nil || out == nil || out.KeyMetadata == nil || out.KeyMetadata.DeletionDate == nil {
		return time.Time{}
	}
	return *out.KeyMetadata.DeletionDate
}
