package awskms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// The reasons of an Error. badARN is found without a call of KMS.
const (
	denied          Reason = "access denied"
	credentials     Reason = "the credentials are missing, wrong or expired"
	disabled        Reason = "the key is disabled"
	pendingDeletion Reason = "the key is pending deletion"
	unusable        Reason = "the key is of a kind, or in a state, that cannot do this"
	notFound        Reason = "there is no such key in this region and account"
	badARN          Reason = "this is not the ARN of a key"
	wrongContext    Reason = "KMS does not open it under this encryption context, or it is damaged"
	wrongKey        Reason = "it was made under another KMS key"
	throttled       Reason = "KMS is throttling"
	unavailable     Reason = "KMS does not respond"
	malformed       Reason = "KMS returned an invalid response"
)

// An Error reports why KMS or its response cannot be used. It unwraps to
// blue.ErrSealed, and also to keys.ErrDenied for a refusal by a policy. It contains
// no key bytes.
type Error struct {
	Reason   Reason    // why the key cannot be used
	KeyARN   string    // the ARN of the key
	Action   string    // for example "kms:Decrypt", "" if KMS was not called
	Deletion time.Time // when a key that is pending deletion will be deleted, if KMS returns it
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
	if e.Reason == badARN { // the ARN can be any text
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
	if e.Reason == denied {
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
func (e *Error) IsTransient() bool { return e.Reason == throttled || e.Reason == unavailable }

// Hint returns what the user can do, for every reason.
func (e *Error) Hint() string {
	switch e.Reason {
	case denied:
		return "allow " + e.Action + " on this key to your role under your own encryption context (deploy/iam/user.json), with the tag blue-user that BLUE_USER names"
	case credentials:
		return "check AWS_PROFILE or the AWS_* variables, and this machine's clock"
	case disabled:
		return "ask the administrator of the key to enable it again (kms:EnableKey)"
	case pendingDeletion:
		return "until that day kms:CancelKeyDeletion and kms:EnableKey restore it; after that day no data under it can be opened"
	case unusable:
		return "BLUE_KMS_KEY_ARN must name a symmetric key for encryption (SYMMETRIC_DEFAULT) that is enabled"
	case notFound, badARN:
		return "set BLUE_KMS_KEY_ARN to the key's own ARN, arn:aws:kms:REGION:ACCOUNT:key/ID"
	case wrongContext:
		return "check that BLUE_USER and BLUE_TABLE_PREFIX or BLUE_KMS_TABLES are the same as when the key was made; if they are, the record in blue_keys is damaged: restore it"
	case wrongKey:
		return "set BLUE_KMS_KEY_ARN to the key that was used"
	case throttled, unavailable:
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
	"OptInRequired":                 credentials,
	"DisabledException":             disabled,
	"KMSInvalidStateException":      unusable,
	"InvalidKeyUsageException":      unusable,
	"UnsupportedOperationException": unusable,
	"NotFoundException":             notFound,
	"InvalidArnException":           notFound,
	"InvalidCiphertextException":    wrongContext,
	"IncorrectKeyException":         wrongKey,
	"KMSInternalException":          unavailable,
	"DependencyTimeoutException":    unavailable,
	"KeyUnavailableException":       unavailable,
}

// classReasons maps the classes of error codes that all services share.
var classReasons = map[awsclient.Class]Reason{
	awsclient.Denied:        denied,
	awsclient.UnknownKey:    credentials,
	awsclient.Expired:       credentials,
	awsclient.BadSignature:  credentials,
	awsclient.NoCredentials: credentials,
	awsclient.Skewed:        credentials,
	awsclient.Throttled:     throttled,
	awsclient.Internal:      unavailable,
}

// explain returns the Error for an error of the SDK.
func (p *Provider) explain(ctx context.Context, action string, err error) *Error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return p.explainResponse(ctx, action, api, err)
	}
	if e, ok := errors.AsType[*awsclient.CredentialsError](err); ok {
		if e.Short {
			return p.newError(action, credentials, e.Error(), nil)
		}
		return p.newError(action, credentials, "", err)
	}
	// The error of a response that the SDK cannot read can contain the response,
	// and that can contain a key. Such an error is not kept. A failed read of the
	// response has the same type.
	_, isUnreadable := errors.AsType[*smithy.DeserializationError](err)
	_, isNetwork := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return p.newError(action, unavailable, fmt.Sprintf("no response within %s", p.opts.Timeout/attempts), nil)
	case errors.Is(err, io.ErrUnexpectedEOF), isUnreadable && isNetwork:
		return p.newError(action, unavailable, "the response was cut off", nil)
	case isUnreadable && awsclient.Status(err) >= 500:
		return p.newError(action, unavailable, fmt.Sprintf("the response of status %d cannot be read", awsclient.Status(err)), nil)
	case isUnreadable:
		return p.newError(action, malformed, "the response cannot be read", nil)
	case awsclient.Status(err) == 429:
		return p.newError(action, throttled, "", err)
	}
	return p.newError(action, unavailable, awsclient.Cause(err), err)
}

// explainResponse returns the Error for an error code of the service.
func (p *Provider) explainResponse(ctx context.Context, action string, api smithy.APIError, err error) *Error {
	code, message := api.ErrorCode(), api.ErrorMessage()
	e := p.newError(action, malformed, strings.TrimSuffix(code+": "+message, ": "), err)
	reason, known := reasons[code]
	if !known {
		reason, known = classReasons[awsclient.ClassOf(code, message)]
	}
	switch {
	case code == "KMSInvalidStateException" && strings.Contains(strings.ToLower(message), "deletion"):
		e.Reason = pendingDeletion
		e.Deletion = p.deletionDate(ctx)
	case known:
		e.Reason = reason
	case awsclient.Status(err) == 429:
		e.Reason = throttled
	case awsclient.Status(err) >= 500:
		e.Reason = unavailable
	}
	return e
}

// deletionDate returns when the key will be deleted, or zero if KMS does not return
// it.
func (p *Provider) deletionDate(ctx context.Context) time.Time {
	out, err := sendKMSOnce(ctx, p.opts.Timeout/attempts, p.api.DescribeKey, &kms.DescribeKeyInput{KeyId: &p.arn})
	if err != nil || out == nil || out.KeyMetadata == nil || out.KeyMetadata.DeletionDate == nil {
		return time.Time{}
	}
	return *out.KeyMetadata.DeletionDate
}
