package audit

import (
	"context"
	"time"
)

// arm sets the alarm for a chain that owes a checkpoint, so that an idle log
// is signed too. A chain whose checkpoint failed is tried again an interval
// later, or by its next operation. The caller holds mu.
func (l *Log) arm(c *chain) {
	if l.closed || !l.owes(c) {
		return
	}
	now, in := l.now(), l.interval
	if !c.failed {
		in = min(in, max(0, l.interval-now.Sub(c.since)))
	}
	at := now.Add(in)
	if l.alarm != nil {
		if !at.Before(l.rings) {
			return
		}
		l.alarm.Stop()
	}
	l.alarm, l.rings = time.AfterFunc(in, l.ring), at
}

// ring makes the checkpoints that are owed. It has no caller who could be told
// of an error: what failed is still owed, and the next operation of the chain
// is told.
func (l *Log) ring() {
	l.mu.Lock()
	l.alarm = nil
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.ringing.Add(1)
	l.mu.Unlock()
	defer l.ringing.Done()
	ctx, cancel := context.WithTimeout(l.life, l.interval)
	defer cancel()
	_ = l.Checkpoint(ctx)
}
