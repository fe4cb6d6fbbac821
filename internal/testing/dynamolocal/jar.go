package dynamolocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// copyDependencies is the Maven goal that collects the jar and what it needs.
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

// pom requests the jar; %s is replaced by further dependencies.
const pom = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>blue</groupId>
  <artifactId>dynamodb-local</artifactId>
  <version>` + Version + `</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>com.amazonaws</groupId>
      <artifactId>DynamoDBLocal</artifactId>
      <version>` + Version + `</version>
    </dependency>%s
  </dependencies>
</project>
`

// darwinARM is the native SQLite for Apple's processors. The jar's own list of
// dependencies lacks it.
const darwinARM = `
    <dependency>
      <groupId>io.github.ganadist.sqlite4java</groupId>
      <artifactId>libsqlite4java-osx-aarch64</artifactId>
      <version>1.0.392</version>
      <type>dylib</type>
    </dependency>`

const jarName = "DynamoDBLocal-" + Version + ".jar"

// CheckJar returns nil if Java and the jar are here. It downloads the jar if
// it is missing.
func CheckJar(ctx context.Context, cache string) error {
	_, err := Options{Cache: cache}.program(ctx, 0, "")
	return err
}

// program returns the server at a port, 0 for a free one. Java will listen
// there on all interfaces. With data "" tables are in memory.
//
// The answer is recognized by a header. Its status is 400 because the request
// has no signature. (GET /shell/, which the RFC's health check requests with
// curl -f, is a 400 since version 2, so that check can never pass.)
//
// One garbage collection thread saves a tenth of the time of a long suite. A
// server with data on disk starts often and runs for a short time, so it does
// without Java's second compiler.
func (o Options) program(ctx context.Context, port int, data string) (*localserver.Program, error) {
	program, major, err := java(ctx)
	if err != nil {
		return nil, err
	}
	lib, err := jar(ctx, o.Cache)
	if err != nil {
		return nil, err
	}
	tables, compilers := []string{"-inMemory"}, "-XX:TieredStopAtLevel=4"
	if data != "" {
		tables, compilers = []string{"-dbPath", data}, "-XX:TieredStopAtLevel=1"
		if err := os.MkdirAll(data, 0o700); err != nil {
			return nil, err
		}
	}
	return &localserver.Program{
		Name:    "DynamoDB Local",
		How:     fmt.Sprintf("jar %s by Java %d", Version, major),
		Address: ":" + strconv.Itoa(port),
		Command: append([]string{program, compilers, "-XX:+UseSerialGC", "-Djava.library.path=" + lib, "-cp", filepath.Join(lib, "*"),
			"com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-sharedDb", "-disableTelemetry", "-port", "{port}"}, tables...),
		Dir:    lib,
		Page:   "/",
		Header: "X-Amzn-Requestid",
		Within: o.ready(),
	}, nil
}

// jar returns the folder with the jar and its dependencies, cache/dynamodb-local/
// VERSION. The first call fills it with Maven (50 MB).
func jar(ctx context.Context, cache string) (string, error) {
	lib := filepath.Join(cache, "dynamodb-local", Version)
	err := localserver.FillOnce(ctx, lib, "complete", "", func() error { return download(ctx, lib) })
	return lib, err
}

func download(ctx context.Context, lib string) error {
	if runtime.GOOS == "linux" && runtime.GOARCH != "amd64" {
		return fmt.Errorf("the jar has no native SQLite for %s/%s; only a container works here", runtime.GOOS, runtime.GOARCH)
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return errors.New("maven (mvn) is not installed, and the jar is not in the cache")
	}
	more := ""
	if runtime.GOOS == "darwin" && runtime.GOARCH == "arm64" {
		more = darwinARM
	}
	project, err := os.MkdirTemp("", "dynamodb-local-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(project)
	file := filepath.Join(project, "pom.xml")
	if err := os.WriteFile(file, fmt.Appendf(nil, pom, more), 0o600); err != nil {
		return err
	}
	// -C: a wrong checksum is an error.
	text, err := localserver.Output(ctx, 10*time.Minute, "mvn", "-B", "-q", "-C", "-f", file, copyDependencies,
		"-DincludeScope=runtime", "-DoutputDirectory="+lib)
	if err != nil {
		return fmt.Errorf("fetching the jar with Maven: %w\n%s", err, localserver.LastLines(text, 20))
	}
	if _, err := os.Stat(filepath.Join(lib, jarName)); err != nil {
		return fmt.Errorf("maven ended without an error and without %s\n%s", jarName, localserver.LastLines(text, 20))
	}
	return nil
}

// javaVersion matches 17 in `openjdk version "17.0.15" 2025-04-15` and 1 in
// `java version "1.8.0_402"`.
var javaVersion = regexp.MustCompile(`version "(\d+)`)

// java returns the path of Java and its major version. It returns an error if
// Java is too old for the jar.
func java(ctx context.Context) (path string, major int, err error) {
	path, err = exec.LookPath("java")
	if err != nil {
		return "", 0, errors.New("java is not installed")
	}
	text, err := localserver.Output(ctx, time.Minute, path, "-version")
	if err != nil {
		return "", 0, fmt.Errorf("java -version: %w: %s", err, strings.TrimSpace(text))
	}
	found := javaVersion.FindStringSubmatch(text)
	if found == nil {
		return "", 0, fmt.Errorf("java -version says %q, no version", text)
	}
	major, err = strconv.Atoi(found[1])
	if err != nil || major < 17 {
		return "", 0, fmt.Errorf("java is %s; the jar needs 17 or later", found[1])
	}
	return path, major, nil
}
