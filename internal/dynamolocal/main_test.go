package dynamolocal_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/dynamolocal"
)

// TestMain lets a test start this binary again as a process that finds a
// server, says where, and waits to be killed.
func TestMain(m *testing.M) {
	cache := os.Getenv("DYNAMOLOCAL_TEST_HOLD")
	if cache == "" {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := dynamolocal.Find(ctx, dynamolocal.Options{Cache: cache})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.Endpoint)
	select {}
}
