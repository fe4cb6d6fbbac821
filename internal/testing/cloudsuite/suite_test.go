package cloudsuite

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

func TestMain(m *testing.M) {
	localtest.Minutes()
	localtest.Main(m)
}

func dynamoDB(t *testing.T) record.Store { return dynamotest.Store(t) }

func TestSuiteDynamoDB(t *testing.T) {
	t.Parallel() // both run in parallel, because they mostly wait for the server
	storetest.Run(t, sealedtest.File(t, dynamoDB))
}

func TestSuiteDynamoDBWithKMS(t *testing.T) {
	t.Parallel()
	storetest.Run(t, sealedtest.KMS(t, dynamoDB))
}
