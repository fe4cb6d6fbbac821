package audit_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
)

// distant is a store whose commits take as long as a request to a server.
type distant struct{ record.Store }

func (d distant) Commit(ctx context.Context, writes []record.Write) error {
	time.Sleep(2 * time.Millisecond)
	return d.Store.Commit(ctx, writes)
}

// BenchmarkAtOnce measures the throughput of 1, 4 and 16 concurrent operations,
// relative to one. The operations of a process must not wait for the events of
// each other.
func BenchmarkAtOnce(b *testing.B) {
	const each = 50
	var one time.Duration
	for _, lanes := range []int{1, 4, 16} {
		b.Run(map[int]string{1: "1", 4: "4", 16: "16"}[lanes], func(b *testing.B) {
			var took time.Duration
			for range b.N {
				log := audit.NewLog(distant{memory.New()}, "muffin", nil)
				start := time.Now()
				var all sync.WaitGroup
				for range lanes {
					all.Go(func() {
						for range each {
							if err := log.Append(b.Context(), func(*audit.Event) {}, audit.Decrypt, "d", "dek#d#1", audit.Success); err != nil {
								b.Error(err)
							}
						}
					})
				}
				all.Wait()
				took += time.Since(start)
			}
			took /= time.Duration(b.N)
			if lanes == 1 {
				one = took
			}
			b.ReportMetric(float64(lanes)*float64(one)/float64(took), "x-one-at-a-time")
		})
	}
}
