package auditor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/plainjson"
	"github.com/superviber/blue-encrypted-store/record"
)

// The first line of an exported log, and the sort key of a dialogue's root.
const (
	fileFormat = "blue/1/audit-log"
	rootSK     = "root"
)

// maxLine bounds a line in bytes: a record in base64, with names.
const maxLine = 4 * record.MaxRecord

// A File is an exported log (docs/format.md §7) as a Source. It keeps the offset
// of each chain and dialogue in memory, and not their records.
type File struct {
	r         io.ReaderAt
	parts     map[record.Partition]part // by partition key
	names     []string                  // of chains, ascending
	dialogues []string
	copied    map[record.Key]int64 // events that came with a copy
}

// part is where the lines of a partition lie, in bytes.
type part struct{ from, to int64 }

// NewFile reads an exported log once and records the offsets. It returns an
// ErrInvalid that names the first malformed line, and errors of r.
func NewFile(r io.ReaderAt) (*File, error) {
	f := &File{r: r, parts: make(map[record.Partition]part), copied: make(map[record.Key]int64)}
	p := placer{file: f}
	n := 0
	for l, err := range f.lines(0, -1) {
		n++
		if err == nil {
			err = p.place(n, l)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d of the exported log: %w", n, err)
		}
	}
	if n == 0 {
		return nil, fmt.Errorf("%w: the exported log is empty", blue.ErrInvalid)
	}
	return f, nil
}

// placer follows the order of lines.
type placer struct {
	file            *File
	chain, dialogue string
	last            record.Key
}

// place records the offset of a line. It returns an error if the line must not
// follow the lines before it.
func (p *placer) place(n int, l line) error {
	f, key := p.file, l.record.Key
	kind, name, ok := strings.Cut(string(key.Partition), "#")
	if ok {
		kind += "#"
	}
	before := p.last
	p.last = key
	refuse := func() error {
		return fmt.Errorf("%w: %.60s %.60s does not belong here", blue.ErrInvalid, key.Partition, key.Item)
	}
	switch {
	case n == 1:
		if key != (record.Key{Partition: "format", Item: fileFormat}) {
			return fmt.Errorf("%w: it does not begin with %s", blue.ErrInvalid, fileFormat)
		}
		return nil
	case kind == indexPartition && p.dialogue == "":
		if key.Item <= p.chain || name != key.Item[:1] {
			return refuse()
		}
		p.chain = key.Item
		f.names = append(f.names, key.Item)
		return nil
	case kind == pointerPartition && key.Item == rootSK:
		if name <= p.dialogue || !isRootLine(l.record.Attrs) {
			return refuse()
		}
		p.dialogue = name
		f.dialogues = append(f.dialogues, name)
		f.parts[key.Partition] = part{l.at, l.end}
		return nil
	case kind == eventPartition && p.dialogue != "":
		if _, twice := f.copied[key]; twice {
			return refuse()
		}
		f.copied[key] = l.at
		p.last = before
		return p.extend(record.DialoguePartition(p.dialogue), l)
	case kind == pointerPartition && name == p.dialogue && (key.Item > before.Item || before.Item == rootSK):
		return p.extend(key.Partition, l)
	case (kind == eventPartition || kind == checkpointPartition) && p.dialogue == "" && p.chain != "" && name == p.chain:
		if key.Partition == before.Partition && key.Item > before.Item {
			return p.extend(key.Partition, l)
		}
		if _, twice := f.parts[key.Partition]; twice || key.Partition == before.Partition || kind == eventPartition && before.Partition.IsCheckpoint() {
			return refuse()
		}
		f.parts[key.Partition] = part{l.at, l.end}
		return nil
	}
	return refuse()
}

// isRootLine reports whether a dialogue's root is of the form.
func isRootLine(a record.Attrs) bool {
	version, ok := a["root_version"]
	return slices.Contains([]State{Stored, Gone, Copying, Moving, Erased}, State(a["state"].Str())) &&
		(!ok || version.Type() == record.Number && version.Int() >= 0)
}

func (p *placer) extend(pk record.Partition, l line) error {
	p.file.parts[pk] = part{p.file.parts[pk].from, l.end}
	return nil
}

// Chains implements Source.
func (f *File) Chains(ctx context.Context) iter.Seq2[string, error] { return each(ctx, f.names) }

// Dialogues implements Source.
func (f *File) Dialogues(ctx context.Context) iter.Seq2[string, error] { return each(ctx, f.dialogues) }

func each(ctx context.Context, names []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, name := range names {
			if err := ctx.Err(); !yield(name, err) || err != nil {
				return
			}
		}
	}
}

// Indexed implements Source.
func (f *File) Indexed(_ context.Context, chain string) (bool, error) {
	_, found := slices.BinarySearch(f.names, chain)
	return found, nil
}

// Records implements Source.
func (f *File) Records(ctx context.Context, pk record.Partition, after string) iter.Seq2[record.Record, error] {
	return func(yield func(record.Record, error) bool) {
		p, ok := f.parts[pk]
		if !ok {
			return
		}
		for l, err := range f.lines(p.from, p.to) {
			if err = errors.Join(err, ctx.Err()); err != nil {
				yield(record.Record{}, err)
				return
			}
			key := l.record.Key
			_, ofDialogue := pk.Dialogue()
			if key.Partition != pk || key.Item <= after || key.Item == rootSK && ofDialogue {
				continue
			}
			if !yield(l.record, nil) {
				return
			}
		}
	}
}

// Record implements Source.
func (f *File) Record(ctx context.Context, key record.Key) (record.Record, error) {
	if at, ok := f.copied[key]; ok {
		for l, err := range f.lines(at, -1) {
			return l.record, err
		}
	}
	for r, err := range f.Records(ctx, key.Partition, "") {
		if err != nil || r.Key.Item >= key.Item {
			if err == nil && r.Key != key {
				break
			}
			return r, err
		}
	}
	return record.Record{}, fmt.Errorf("%w: record %s %s", blue.ErrNotFound, key.Partition, key.Item)
}

// Root implements Source.
func (f *File) Root(_ context.Context, dialogue string) (Root, error) {
	p, ok := f.parts[record.DialoguePartition(dialogue)]
	if !ok {
		return Root{State: Gone}, nil
	}
	for l, err := range f.lines(p.from, p.to) {
		a := l.record.Attrs
		return Root{State(a["state"].Str()), uint64(a["root_version"].Int()), a["root_hash"].Str()}, err
	}
	return Root{}, io.ErrUnexpectedEOF
}

// line is one line of the file.
type line struct {
	at, end int64
	record  record.Record
}

// lines yields the lines from a place up to another, -1 for the end.
func (f *File) lines(from, to int64) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		length := int64(1<<63 - 1 - from)
		if to >= 0 {
			length = to - from
		}
		b := bufio.NewReaderSize(io.NewSectionReader(f.r, from, length), 64<<10)
		for at := from; ; {
			text, err := readLine(b)
			if errors.Is(err, io.EOF) {
				return
			}
			l := line{at: at, end: at + int64(len(text))}
			if err == nil {
				l.record, err = decodeLine(text)
			}
			if !yield(l, err) || err != nil {
				return
			}
			at = l.end
		}
	}
}

// readLine returns a line with its '\n'; io.EOF after the last.
func readLine(b *bufio.Reader) ([]byte, error) {
	var text []byte
	for {
		part, err := b.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > maxLine:
			return nil, fmt.Errorf("%w: a line of more than %d bytes", blue.ErrInvalid, maxLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(text) > 0:
			return nil, fmt.Errorf("%w: the last line is cut", blue.ErrInvalid)
		default:
			return text, err
		}
	}
}

// value is a record.Value as DynamoDB writes it in JSON.
type value struct {
	S    *string `json:"S,omitempty"`
	N    *string `json:"N,omitempty"`
	B    *string `json:"B,omitempty"` // base64
	BOOL *bool   `json:"BOOL,omitempty"`
}

// encodeLine writes a record as one line, with its '\n'. Equal records give
// equal bytes.
func encodeLine(r record.Record) ([]byte, error) {
	pk, sk := validLogText(string(r.Key.Partition)), validLogText(r.Key.Item)
	item := map[string]value{"PK": {S: &pk}, "SK": {S: &sk}}
	for name, v := range r.Attrs {
		name, text := validLogText(name), validLogText(string(v.Canonical()))
		switch v.Type() {
		case record.String:
			item[name] = value{S: &text}
		case record.Number:
			item[name] = value{N: &text}
		case record.Bytes:
			text = base64.StdEncoding.EncodeToString(v.Bin())
			item[name] = value{B: &text}
		case record.Bool:
			truth := v.True()
			item[name] = value{BOOL: &truth}
		}
	}
	text, err := plainjson.Marshal(item) // keys ascending
	return append(text, '\n'), err
}

// validLogText takes out of a damaged text what JSON cannot say.
func validLogText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// decodeLine reads a line, which has one spelling: what another reader would
// see otherwise, such as a name twice or in capitals, is refused.
func decodeLine(text []byte) (record.Record, error) {
	malformed := func(why string) (record.Record, error) {
		return record.Record{}, fmt.Errorf("%w: %s", blue.ErrInvalid, why)
	}
	var item map[string]value
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&item); err != nil {
		return malformed("it is not a record in JSON")
	}
	r := record.Record{Attrs: make(record.Attrs, len(item))}
	for name, v := range item {
		value, ok := v.decode()
		if !ok {
			return malformed(fmt.Sprintf("attribute %.40q", name))
		}
		r.Attrs[name] = value
	}
	r.Key = record.Key{Partition: record.Partition(r.Attrs["PK"].Str()), Item: r.Attrs["SK"].Str()}
	if r.Key.Partition == "" || r.Key.Item == "" {
		return malformed("it has no key")
	}
	delete(r.Attrs, "PK")
	delete(r.Attrs, "SK")
	if again, err := encodeLine(r); err != nil || !bytes.Equal(again, text) {
		return malformed("it is not in its one spelling")
	}
	return r, nil
}

func (v value) decode() (record.Value, bool) {
	switch {
	case v.S != nil && v.N == nil && v.B == nil && v.BOOL == nil:
		return record.S(*v.S), true
	case v.N != nil && v.S == nil && v.B == nil && v.BOOL == nil:
		n, err := strconv.ParseInt(*v.N, 10, 64)
		return record.N(n), err == nil && strconv.FormatInt(n, 10) == *v.N
	case v.B != nil && v.S == nil && v.N == nil && v.BOOL == nil:
		b, err := base64.StdEncoding.Strict().DecodeString(*v.B)
		return record.B(b), err == nil
	case v.BOOL != nil && v.S == nil && v.N == nil && v.B == nil:
		return record.T(*v.BOOL), true
	}
	return record.Value{}, false
}
