package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// A count is the number of copies of a key that were found.
type count struct{ raw, masked int }

// run starts one child and searches its memory, first while its store is open and
// then after it was closed.
func run(ctx context.Context, folder string, leak bool, wanted []key) (open, closed []count, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childVariable+"="+folder)
	if leak {
		cmd.Env = append(cmd.Env, leakVariable+"=1")
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	search := func() ([]count, error) {
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			return nil, fmt.Errorf("waiting for the child: %w", err)
		}
		found, err := searchProcess(cmd.Process.Pid, wanted)
		if err != nil {
			return nil, err
		}
		_, err = in.Write([]byte{'.'})
		return found, err
	}
	if open, err = search(); err == nil {
		closed, err = search()
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, nil, err
	}
	return open, closed, cmd.Wait()
}

// searchProcess counts each key in all writable memory of a process. Memory that
// is not writable contains the program and mapped files.
func searchProcess(pid int, wanted []key) ([]count, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	found := make([]count, len(wanted))
	read := 0
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil {
			return nil, fmt.Errorf("parsing /proc/%d/maps: %q: %w", pid, lines.Text(), err)
		}
		if !strings.HasPrefix(mode, "rw") {
			continue
		}
		n, err := searchRegion(io.NewSectionReader(mem, int64(from), int64(to-from)), wanted, found)
		if err != nil {
			return nil, fmt.Errorf("reading /proc/%d/mem at %s: %w", pid, lines.Text(), err)
		}
		read += n
	}
	if read == 0 {
		return nil, fmt.Errorf("/proc/%d/mem has no readable memory", pid)
	}
	return found, lines.Err()
}

// page is the size in bytes of a page of memory. Pages of zeros are not searched.
const page = 4096

var zeroPage [page]byte

// searchRegion adds the copies in one region to found. It returns the number of
// bytes that it searched, without pages of zeros.
func searchRegion(r io.Reader, wanted []key, found []count) (searched int, err error) {
	var run []byte
	buf := make([]byte, 256*page)
	flush := func() {
		for i, k := range wanted {
			found[i].raw += bytes.Count(run, k.bytes)
			found[i].masked += bytes.Count(run, masked(k.bytes, 0x36)) + bytes.Count(run, masked(k.bytes, 0x5c))
		}
		searched += len(run)
		run = run[:0]
	}
	for {
		n, err := io.ReadFull(r, buf)
		for at := 0; at < n; at += page {
			p := buf[at:min(at+page, n)]
			if bytes.Equal(p, zeroPage[:len(p)]) {
				flush()
			} else {
				run = append(run, p...)
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			flush()
			return searched, nil
		}
		if err != nil {
			return searched, err
		}
	}
}

// masked returns a key in the form that HMAC keeps (RFC 2104, section 2).
func masked(k []byte, mask byte) []byte {
	out := make([]byte, len(k))
	for i := range k {
		out[i] = k[i] ^ mask
	}
	return out
}
