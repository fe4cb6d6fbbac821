package cloudcampaign

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

var program = &campaigntest.Program{}

// TestMain runs the tests. As a process of TestProcesses, or as a burner, the
// binary runs no test.
func TestMain(m *testing.M) {
	if os.Getenv(burnerVariable) != "" {
		burn()
	}
	if text := os.Getenv(processVariable); text != "" {
		var p process
		err := json.Unmarshal([]byte(text), &p)
		if err == nil {
			err = p.run(context.Background())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	program.Main(m)
}
