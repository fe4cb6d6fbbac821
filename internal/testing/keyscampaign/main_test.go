package keyscampaign

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// program is the build with failpoints, which the campaign on SQLite needs.
var program = &campaigntest.Program{Tags: "failpoint"}

func TestMain(m *testing.M) {
	program.Main(m)
}
