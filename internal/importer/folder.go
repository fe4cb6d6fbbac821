package importer

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// maxFile is the greatest file of a folder in bytes; a dialogue's text is a
// few kilobytes, and a round of it must fit one commit.
const maxFile = 16 << 20

// writer is an expert's file of one round.
type writer struct {
	round  blue.Round
	expert string // slug in lower case
}

// reader is what is known while a folder is read.
type reader struct {
	src        *Source
	files      map[string]*document
	raw        map[string]string // the bytes as found, for the digest
	rounds     []blue.Round      // ascending
	expertPath map[writer]string
	pool       poolFile
	experts    map[string]*blue.NewExpert // by slug in lower case
	boardRoles map[string]string
	boards     map[blue.Round]*board
	tracked    trackedTotals
	names      *names
	status     map[blue.EntityID]blue.Status // tensions
	said       map[blue.EntityID]string      // the last word of a status table: ACCEPTED, DEFERRED
	later      map[blue.Round][]stated       // updates that tensions.md dates
	signals    []Op                          // of the round at hand
	batches    []*blue.RoundBatch
}

// ReadFolder reads a dialogue's Markdown folder; see the package doc for its
// layout. The digest is SHA-256 over the files that are read, in the order of
// their paths, each as 8-byte length and path, 8-byte length and content.
//
// ErrInvalid for a folder without rounds, ErrTooLarge for a file over 16 MiB;
// errors of the file system are passed on.
func ReadFolder(fsys fs.FS) (*Source, error) {
	r := &reader{
		src: &Source{}, files: map[string]*document{}, raw: map[string]string{}, expertPath: map[writer]string{},
		experts: map[string]*blue.NewExpert{}, boardRoles: map[string]string{}, boards: map[blue.Round]*board{},
		names: newNames(), status: map[blue.EntityID]blue.Status{}, said: map[blue.EntityID]string{}, later: map[blue.Round][]stated{},
	}
	if err := r.load(fsys); err != nil {
		return nil, err
	}
	if len(r.rounds) == 0 {
		return nil, fmt.Errorf("%w: no dialogue here: expected folders round-0, round-1, … with the experts' files (round-0/muffin.md) or a scoreboard.md, and beside them expert-pool.json, scoreboard.md, tensions.md, verdict.md", blue.ErrInvalid)
	}
	r.readDialogue()
	r.readBoards()
	for _, round := range r.rounds {
		r.readRound(round)
	}
	r.readVerdict()
	r.src.count()
	r.checkTotals()
	slices.SortStableFunc(r.src.Notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Message, b.Message))
	})
	return r.src, nil
}

// note remembers what the person who imports should know.
func (r *reader) note(kind, file string, line int, format string, args ...any) {
	r.src.Notes = append(r.src.Notes, Note{Kind: kind, File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

var (
	roundFolder  = regexp.MustCompile(`^round-(0|[1-9]\d*)$`)
	roundSummary = regexp.MustCompile(`^round-(0|[1-9]\d*)\.summary\.md$`)
)

// The files of a folder that are read, beside round-N.summary.md and experts.
var (
	rootFiles  = []string{"background.md", "expert-pool.json", "scoreboard.md", "tensions.md", "verdict.md", "CONVERGENCE.md"}
	roundFiles = []string{"panel.json", "scoreboard.md", "context-brief.md", "summary.md"}
)

// load reads the files that belong to a dialogue and digests them.
func (r *reader) load(fsys fs.FS) error {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return fmt.Errorf("reading the dialogue's folder: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		info, err := fs.Stat(fsys, name) // follows a symlink
		switch m := roundFolder.FindStringSubmatch(name); {
		case err != nil:
			r.note(noteMissing, name, 0, "cannot be read")
		case m != nil && info.IsDir():
			if err := r.loadRound(fsys, name, m[1]); err != nil {
				return err
			}
		default:
			err := r.loadFile(fsys, name, info, slices.Contains(rootFiles, name) || roundSummary.MatchString(name))
			if err != nil {
				return err
			}
		}
	}
	slices.Sort(r.rounds)
	r.digest()
	return nil
}

func (r *reader) loadRound(fsys fs.FS, dir, number string) error {
	n, ok := parseStatedInt(number)
	if !ok || n > int(blue.MaxRound) {
		r.note(noteUnplaced, dir, 0, "rounds run from 0 to %d", blue.MaxRound)
		return nil
	}
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	before := len(r.files)
	for _, e := range entries {
		path := dir + "/" + e.Name()
		info, err := fs.Stat(fsys, path)
		if err != nil {
			r.note(noteMissing, path, 0, "cannot be read")
			continue
		}
		expert := r.expertFile(e.Name())
		if err := r.loadFile(fsys, path, info, expert != "" || slices.Contains(roundFiles, e.Name())); err != nil {
			return err
		}
		if r.files[path] == nil || expert == "" {
			continue
		}
		w := writer{blue.Round(n), expert}
		if other, ok := r.expertPath[w]; ok {
			r.note(noteUnplaced, path, 0, "is the file of the same expert as %s, which is read", other)
			continue
		}
		r.expertPath[w] = path
	}
	if len(r.files) == before {
		r.note(noteMissing, dir, 0, "the folder holds nothing of a round")
		return nil
	}
	r.rounds = append(r.rounds, blue.Round(n))
	return nil
}

// expertFile returns the expert whose file has the name, in lower case, or "".
func (r *reader) expertFile(name string) string {
	stem, ok := strings.CutSuffix(name, ".md")
	if !ok || slices.Contains(roundFiles, name) {
		return ""
	}
	slug, _ := blue.ParseExpertSlug(stem) // "" for a name that is no slug
	return slug.Key()
}

// loadFile reads one file if it belongs to a dialogue, and notes why not.
func (r *reader) loadFile(fsys fs.FS, path string, info fs.FileInfo, wanted bool) error {
	base := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case strings.HasPrefix(base, "."):
		return nil
	case strings.HasSuffix(base, ".prompt.md"):
		r.note(noteSkipped, path, 0, "prompt files are left out")
		return nil
	case !wanted || info.IsDir():
		r.note(noteUnplaced, path, 0, "is no part of a dialogue's folder")
		return nil
	}
	data, err := readAtMost(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		r.note(noteMissing, path, 0, "cannot be read")
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	text := string(data)
	r.raw[path] = text
	if !utf8.ValidString(text) {
		r.note(noteContradiction, path, 0, "is not UTF-8; each bad byte sequence is stored as U+FFFD")
		text = strings.ToValidUTF8(text, string(unicode.ReplacementChar))
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	r.files[path] = newDocument(path, text)
	return nil
}

func readAtMost(fsys fs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%w: more than %d MiB", blue.ErrTooLarge, maxFile>>20)
	}
	return data, err
}

func (r *reader) digest() {
	h := sha256.New()
	part := func(s string) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		io.WriteString(h, s)
	}
	for _, path := range slices.Sorted(maps.Keys(r.files)) {
		part(path)
		part(r.raw[path])
	}
	r.src.Digest = hex.EncodeToString(h.Sum(nil))
}

// writers returns who wrote in the round, by file name, as displayed.
func (r *reader) writers(round blue.Round) []string {
	var names []string
	for w := range r.expertPath {
		if w.round == round {
			names = append(names, w.expert)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = r.display(name)
	}
	return names
}

// display returns a slug as it is displayed: as first registered, else with a
// capital.
func (r *reader) display(key string) string {
	if e, ok := r.experts[key]; ok {
		return string(e.Slug)
	}
	first, size := utf8.DecodeRuneInString(key)
	shown := string(unicode.ToUpper(first)) + key[size:]
	if blue.ExpertSlug(shown).Key() != key {
		return key
	}
	return shown
}
