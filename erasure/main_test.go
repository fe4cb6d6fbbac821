package erasure_test

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }
