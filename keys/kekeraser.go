package keys

import "context"

// KEKEraser is implemented by providers that store a KEK for each user.
type KEKEraser interface {
	// EraseKEK deletes the stored key of a user, so that nothing that was
	// wrapped under it can be opened any more. That there is none is no
	// error. It does not use the master key.
	EraseKEK(ctx context.Context, user string) error
}
