package awskms

// The reasons, for the tests.
const (
	Denied          = denied
	Credentials     = credentials
	Disabled        = disabled
	PendingDeletion = pendingDeletion
	Unusable        = unusable
	NotFound        = notFound
	BadARN          = badARN
	WrongContext    = wrongContext
	WrongKey        = wrongKey
	Throttled       = throttled
	Unavailable     = unavailable
	Malformed       = malformed
)
