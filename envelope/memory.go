package envelope

// Guarded reports whether this build makes and opens keys inside
// runtime/secret.Do (GOEXPERIMENT=runtimesecret, Linux on amd64 or arm64): the
// stack and registers that were used are erased at once, heap memory when the
// collector finds it free. Without it keys that are destroyed are zeroed, and
// copies that the compiler made are not. What either leaves is measured, not
// promised.
func Guarded() bool { return guarded }
