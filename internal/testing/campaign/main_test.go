package campaign

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// program is the build with failpoints.
var program = &campaigntest.Program{Tags: "failpoint"}

func TestMain(m *testing.M) { program.Main(m) }
