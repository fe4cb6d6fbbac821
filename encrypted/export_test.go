package encrypted

import "github.com/superviber/blue-encrypted-store/record"

// Below returns the sealing store that lies under the engine.
func (e *EncryptedStore[S, K]) Below() record.Store { return e.sealing }
