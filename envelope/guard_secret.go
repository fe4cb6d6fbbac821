//go:build goexperiment.runtimesecret && linux && (amd64 || arm64)

package envelope

import "runtime/secret"

const isGuarded = true

// guardSecrets calls f and erases the memory that f used.
func guardSecrets(f func()) { secret.Do(f) }
