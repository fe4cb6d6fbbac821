package dynamo

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run at once than there are cores: a server is mostly
// waited for. -parallel decides if it is given.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic("dynamo: " + err.Error())
	}
	os.Exit(m.Run())
}
