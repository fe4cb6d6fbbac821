package audit

import "context"

// Close ends the log: each chain gets a close event and, with a Signer, the
// checkpoint over all of it in the same commit, which is then published. A log
// that wrote nothing writes nothing. After Close no lease is given.
//
// End all operations first. A chain that one still holds is closed by calling
// Close again, which also does what failed; a chain that is never closed is
// reported as such, with how far it is proven. ErrAudit.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	if l.alarm != nil {
		l.alarm.Stop()
	}
	l.mu.Unlock()
	l.hush()
	l.ringing.Wait()
	return l.each(func(c *chain) error {
		if c.left || c.closed {
			return l.sign(ctx, c)
		}
		if err := retry(func() error { return l.end(ctx, c) }); err != nil {
			return err
		}
		return l.publish(ctx, c)
	})
}

// end commits the close event of a chain, and its last checkpoint.
func (l *Log) end(ctx context.Context, c *chain) error {
	s := l.hold(ctx, c)
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
		if note, err = l.note(c.id, tree); err != nil {
			return err
		}
		writes = append(writes, noteWrite(c.id, e.Seq, note))
	}
	err = l.commit(ctx, "audit.close", writes)
	c.left = !c.settle(err, e, void, l.now())
	if err != nil {
		return err
	}
	c.closed = true
	if l.signer != nil {
		l.stored(c, note)
	}
	return nil
}
