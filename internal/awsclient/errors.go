package awsclient

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A Class is the kind of failure that an error code of AWS stands for,
// independent of the service.
type Class int

// The classes. Other is every code that needs the service's own words.
const (
	Other         Class = iota // not listed here
	Denied                     // a policy refuses the request
	UnknownKey                 // the access key does not exist
	Expired                    // the credentials have expired
	BadSignature               // the secret access key is wrong
	NoCredentials              // the request was not signed
	Skewed                     // the clocks differ too much
	Throttled                  // the capacity is exhausted, a later request can succeed
	Internal                   // the service failed
	Unsupported                // the server does not know the operation
)

// classes maps error codes to classes ("Common Error Types" of the AWS API
// references of DynamoDB and KMS, and their query-protocol spellings).
var classes = map[string]Class{
	"AccessDeniedException": Denied, "AccessDenied": Denied, "NotAuthorized": Denied,

	"UnrecognizedClientException": UnknownKey, "InvalidClientTokenId": UnknownKey, "InvalidAccessKeyId": UnknownKey,

	"ExpiredTokenException": Expired, "ExpiredToken": Expired, "RequestExpired": Expired,

	"InvalidSignatureException": BadSignature, "SignatureDoesNotMatch": BadSignature,
	"IncompleteSignatureException": BadSignature, "IncompleteSignature": BadSignature,

	"MissingAuthenticationTokenException": NoCredentials, "MissingAuthenticationToken": NoCredentials,

	"RequestTimeTooSkewed": Skewed,

	"ThrottlingException": Throttled, "Throttling": Throttled, "ProvisionedThroughputExceededException": Throttled,
	"RequestLimitExceeded": Throttled, "LimitExceededException": Throttled, "TooManyRequestsException": Throttled,
	"RequestThrottledException": Throttled,

	"InternalFailure": Internal, "ServiceUnavailable": Internal,

	"UnknownOperationException": Unsupported,
}

// ClassOf returns the class of a service's error code and message. A signature
// that the service calls expired or not yet current is a clock that differs.
func ClassOf(code, message string) Class {
	if strings.Contains(message, "Signature expired") || strings.Contains(message, "Signature not yet current") {
		return Skewed
	}
	return classes[code]
}

// ClassOfError returns the class of an SDK error, Other if the service sent none.
func ClassOfError(err error) Class {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return ClassOf(api.ErrorCode(), api.ErrorMessage())
	}
	return Other
}

// Code returns the service's code of an SDK error, "" if the service sent none.
func Code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

// Status returns the HTTP status of the answer, 0 if there was no answer.
func Status(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}

// Cause returns the service's own words, or the text of the innermost error,
// because the text of an SDK error repeats the rest at each level.
func Cause(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Error()
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// IsNotSent reports whether the request certainly never left this machine: there
// were no credentials, no connection, or a certificate that is not trusted.
func IsNotSent(err error) bool {
	if _, ok := errors.AsType[*CredentialsError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}
