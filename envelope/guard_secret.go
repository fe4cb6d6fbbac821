//go:build goexperiment.runtimesecret && linux && (amd64 || arm64)

package envelope

import "runtime/secret"

const isGuarded = true

// guard calls f and erases the memory that f used.
func guard(f func()) { secret.Do(f) }
