package importer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/wire"
)

// operationsFile is the recorded form of a dialogue's operations.
type operationsFile struct {
	Source   string         `json:"source"`
	Title    string         `json:"title"`
	Kind     string         `json:"kind"`
	Counts   map[string]int `json:"counts"`
	Unmapped []string       `json:"unmapped"`
	Ops      []operation    `json:"ops"`
}

type operation struct {
	Op    string          `json:"op"`
	Round *int            `json:"round"`
	Data  json.RawMessage `json:"data"`
}

// ReadOperations reads an operations file:
//
//	{"title", "counts": {what: n}, "unmapped": [text], "ops": [{"op", "round", "data"}]}
//
// The digest is that of the bytes. ErrInvalid with line and column for JSON
// that cannot be read, with the operation's index for a kind that is not
// known. An operation whose data cannot be read is an Op with Err.
func ReadOperations(data []byte) (*Source, error) {
	file, err := decodeOperations(data)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	src := &Source{Title: file.Title, Digest: hex.EncodeToString(sum[:])}
	for i, o := range file.Ops {
		op, warnings, err := readOperation(o)
		if err != nil {
			return nil, fmt.Errorf("%w: ops[%d]: %w", blue.ErrInvalid, i, err)
		}
		for _, w := range warnings {
			src.Notes = append(src.Notes, Note{Kind: noteUnplaced, Message: fmt.Sprintf("ops[%d]: %s", i, w.Message)})
		}
		src.add(op)
		if op.Dialogue != nil && src.Title == "" {
			src.Title = op.Dialogue.Title
		}
	}
	if len(src.Ops) == 0 || src.Ops[0].Kind != opCreate {
		return nil, fmt.Errorf("%w: ops[0] must be %q, which makes the dialogue", blue.ErrInvalid, opCreate)
	}
	src.count()
	for _, text := range file.Unmapped {
		src.Notes = append(src.Notes, Note{Kind: noteUnplaced, Message: text})
	}
	src.checkCounts(file.Counts)
	return src, nil
}

func decodeOperations(data []byte) (*operationsFile, error) {
	var file operationsFile
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("%w: the operations file: %s: %w", blue.ErrInvalid, sourcePosition(data, operationsOffset(err, int64(len(data)))), err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: the operations file: %s: text after the end of the object", blue.ErrInvalid, sourcePosition(data, dec.InputOffset()))
	}
	return &file, nil
}

// readOperation returns an error for a kind it does not know; what is wrong
// inside the data becomes the operation's own Err.
func readOperation(o operation) (op Op, warnings []blue.Warning, err error) {
	op.Kind = o.Op
	round, roundErr := o.round()
	switch o.Op {
	case opCreate:
		op.Dialogue, warnings, op.Err = parsedRequest(wire.ParseNewDialogue(o.Data))
	case opExpert, opExpertCreate:
		op.Expert, warnings, op.Err = parsedRequest(wire.ParseNewExpert(o.Data))
	case opRound:
		op.Round, warnings, err = parsedRequest(wire.ParseRoundBatch("", round, o.Data))
		op.Err = errors.Join(roundErr, err)
	case opSignal:
		op.Signal, err = parseSignal(round, o.Data)
		op.Err = errors.Join(roundErr, err)
	case opVerdict:
		op.Verdict, warnings, op.Err = parsedRequest(wire.ParseNewVerdict("", o.Data))
	default:
		return op, nil, fmt.Errorf("unknown operation %q; known are %s, %s, %s, %s, %s and %s",
			o.Op, opCreate, opExpert, opExpertCreate, opRound, opSignal, opVerdict)
	}
	if op.Err != nil {
		op = Op{Kind: o.Op, Err: op.Err}
	}
	return op, warnings, nil
}

func (o operation) round() (blue.Round, error) {
	switch {
	case o.Round == nil:
		return 0, fmt.Errorf("%w: the operation names no round", blue.ErrInvalid)
	case *o.Round < 0 || *o.Round > int(blue.MaxRound):
		return 0, fmt.Errorf("%w: round %d; rounds run from 0 to %d", blue.ErrInvalid, *o.Round, blue.MaxRound)
	}
	return blue.Round(*o.Round), nil
}

// parsedRequest returns a request by its address.
func parsedRequest[T any](request T, warnings []blue.Warning, err error) (*T, []blue.Warning, error) {
	return &request, warnings, err
}

func parseSignal(round blue.Round, data []byte) (*blue.Signal, error) {
	var in struct {
		Expert string `json:"expert_name"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("%w: signal: %w", blue.ErrInvalid, err)
	}
	slug, err := blue.ParseExpertSlug(in.Expert)
	return &blue.Signal{Round: round, Expert: slug}, err
}

// checkCounts compares what the file says it holds with what it holds.
func (s *Source) checkCounts(stated map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(stated)) {
		if n := s.Found[name]; n != stated[name] {
			s.Notes = append(s.Notes, Note{Kind: noteContradiction,
				Message: fmt.Sprintf("the file counts %d %s, its operations hold %d", stated[name], name, n)})
		}
	}
}

// operationsOffset returns where a JSON error was seen; at the end if it does not
// say.
func operationsOffset(err error, end int64) int64 {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return e.Offset - 1 // it counts the byte it stumbled over
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return e.Offset
	}
	return end
}

// sourcePosition turns a byte offset into "line 3, column 7".
func sourcePosition(data []byte, offset int64) string {
	before := data[:min(max(offset, 0), int64(len(data)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("line %d, column %d", line, column)
}
