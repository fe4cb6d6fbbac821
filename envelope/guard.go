package envelope

// IsGuarded reports whether this build generates and derives keys inside
// runtime/secret.Do (GOEXPERIMENT=runtimesecret, Linux on amd64 or arm64). Such a
// build erases stack and registers at once, and heap memory when the garbage
// collector frees it. Other builds overwrite a key with zeros when it is
// destroyed, but not the copies that the compiler made. Neither is a guarantee.
func IsGuarded() bool { return isGuarded }

// guarded returns the results of f, which it calls inside guard.
func guarded[T any](f func() (T, error)) (v T, err error) {
	guard(func() { v, err = f() })
	return v, err
}
