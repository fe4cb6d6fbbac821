package cloudcampaign

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

var program = &campaigntest.Program{}

// TestMain lets the collector wait: writers, proxy and SDK make much garbage
// and keep little, and a quarter of their time went to collecting it. DynamoDB
// Local is two thirds of all that the histories cost.
//
// As a process of TestProcesses, or as a burner, the binary runs no test.
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
	debug.SetGCPercent(400)
	program.Main(m)
}
