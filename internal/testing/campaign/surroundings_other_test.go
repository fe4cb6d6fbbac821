//go:build unix && !linux

package campaign

import "errors"

func mountSmall(string, string, bool) error { return errors.ErrUnsupported }
func unmount(string) error                  { return nil }
