package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// The test binary runs itself as the other processes of a test. The variable has the
// role. Its arguments follow the arguments of the test.
const roleVariable = "BLUE_SQLITE_TEST_ROLE"

var roles = map[string]func(path string) error{
	"commit until killed": commitUntilKilled,
	"open and commit":     openAndCommit,
}

func TestMain(m *testing.M) {
	role, ok := os.LookupEnv(roleVariable)
	if !ok {
		campaigntest.Prepare(8) // the tests wait for the disk most of the time
		os.Exit(m.Run())
	}
	if err := roles[role](os.Args[1]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, path)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// commitUntilKilled commits one generation after another, each with a record, an audit
// event and a wrap, and prints each acknowledged one.
func commitUntilKilled(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		return err
	}
	gen, err := nextGeneration(ctx, s)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for ; ; gen++ {
		head := put(record.Meta, generation(gen))
		if gen > 0 {
			head.Prev = generation(gen - 1)
		}
		item := record.Attrs{"gen": record.N(int64(gen)), "b": record.B(make([]byte, 5000))}
		err := s.Commit(ctx, []record.Write{put(numbered("item", gen), item), head, in(record.Audit, put(numbered("event", gen), item))})
		if err != nil {
			return err
		}
		if err := s.Commit(ctx, []record.Write{in(record.Keys, put(numbered("wrap", gen), item))}); err != nil {
			return err
		}
		fmt.Fprintln(out, gen)
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

func numbered(kind string, n int) string { return fmt.Sprintf("%s#%06d", kind, n) }

// nextGeneration returns the generation after the one in meta. It repeats the commit of
// the wrap if the process was killed before it.
func nextGeneration(ctx context.Context, s *sqlite.Store) (int, error) {
	records, err := s.Query(ctx, record.Query{Table: record.Dialogues, Partition: pk})
	if err != nil || len(records) == 0 {
		return 0, err
	}
	gen := len(records) - 2 // without meta
	_, err = s.Get(ctx, record.Keys, record.Key{Partition: pk, Item: numbered("wrap", gen)})
	if err != nil {
		err = s.Commit(ctx, []record.Write{in(record.Keys, put(numbered("wrap", gen), generation(gen)))})
	}
	return gen + 1, err
}

// openAndCommit waits for the end of its input, so that many processes start at once.
// Then it creates the store or opens the existing one.
func openAndCommit(path string) error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, &sqlite.Options{
		BusyTimeout: busyForMany,
		Views:       []record.View{{Name: "claims", Prefix: "claim#", Columns: []string{"status"}}},
	})
	if err != nil {
		return err
	}
	w := put(record.Meta, generation(0))
	w.Record.Key.Partition = record.Partition(fmt.Sprintf("dialogue#%d", os.Getpid()))
	if err := s.Commit(ctx, []record.Write{w}); err != nil {
		return err
	}
	w = in(record.Keys, w)
	if err := s.Commit(ctx, []record.Write{w}); err != nil {
		return err
	}
	return s.Close()
}
