package audit

import "context"

// Close ends the log. It stores a close event for each chain and, if the log has
// a signer, the checkpoint over the whole chain in the same commit, and then
// publishes it. If the log wrote nothing, Close writes nothing. After Close,
// Lease and Append return ErrAudit.
//
// The caller must end all operations first. A chain that an operation still
// holds is closed by another call of Close, which also retries what failed. A
// chain that is never closed is reported as unclosed, with the number of events
// that its checkpoints prove. Close returns ErrAudit if any chain fails, and
// closes the others.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.mu.Unlock()
	l.cancel()
	l.alarmWG.Wait()
	return l.forEachIdle(func(c *chain) error {
		if c.abandoned || c.closed {
			return l.signAndPublish(ctx, c)
		}
		if err := retryVoided(func() error { return l.closeChain(ctx, c) }); err != nil {
			return err
		}
		return l.publish(ctx, c)
	})
}

// closeChain commits the close event of a chain and its last checkpoint.
func (l *Log) closeChain(ctx context.Context, c *chain) error {
	s := l.newLease(ctx, c)
	e, err := s.Draft(Close, "", "", Success)
	if err != nil {
		return err
	}
	e.Close("")
	void, err := s.Void(e)
	if err != nil {
		return err
	}
	writes := e.Writes(&void)
	note := ""
	if l.signer != nil {
		tree := c.tree.Clone()
		tree.Append(e.leaf())
		if note, err = l.signTree(c.id, tree); err != nil {
			return err
		}
		writes = append(writes, checkpointWrite(c.id, e.Seq, note))
	}
	err = l.commit(ctx, "audit.close", writes)
	c.abandoned = !c.settle(err, e, void, l.opts.Now())
	if err != nil {
		return err
	}
	c.closed = true
	if l.signer != nil {
		l.setSigned(c, note)
	}
	return nil
}
