package awskms

import (
	"regexp"
	"strings"
)

// keyARN is the ARN of a KMS key: arn:{partition}:kms:{region}:{account}:key/{id},
// the id a UUID, or mrk- and 32 hexadecimal digits for a multi-region key.
var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:([a-z0-9-]{1,32}):[0-9]{12}:key/[A-Za-z0-9-]{1,64}$`)

// parseARN returns the region of a key's ARN; *Error.
func parseARN(arn string) (region string, err error) {
	if found := keyARN.FindStringSubmatch(arn); found != nil {
		return found[1], nil
	}
	detail := "it is not of the form arn:aws:kms:REGION:ACCOUNT:key/ID"
	switch {
	case arn == "":
		detail = "it is empty"
	case strings.Contains(arn, "alias/"):
		detail = "it is an alias, which can be pointed at another key"
	case !strings.HasPrefix(arn, "arn:"):
		detail = "it is no ARN: region and account are missing"
	}
	return "", &Error{Reason: BadARN, KeyARN: arn, detail: detail}
}
