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

// pom asks for the jar; %s are further dependencies.
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

// darwinARM is the native SQLite of Apple's processors, which the jar's own
// list of dependencies lacks.
const darwinARM = `
    <dependency>
      <groupId>io.github.ganadist.sqlite4java</groupId>
      <artifactId>libsqlite4java-osx-aarch64</artifactId>
      <version>1.0.392</version>
      <type>dylib</type>
    </dependency>`

const jarName = "DynamoDBLocal-" + Version + ".jar"

// jar returns the folder with the jar and all it needs, cache/dynamodb-local/
// VERSION, and fills it with Maven the first time (50 MB).
func jar(ctx context.Context, cache string) (string, error) {
	if cache == "" {
		return "", errors.New("no cache folder")
	}
	lib := filepath.Join(cache, "dynamodb-local", Version)
	err := localserver.FillOnce(ctx, lib, jarName, func(made string) error { return download(ctx, made) })
	return lib, err
}

func download(ctx context.Context, made string) error {
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
	project := filepath.Join(filepath.Dir(made), "pom.xml")
	if err := os.WriteFile(project, fmt.Appendf(nil, pom, more), 0o600); err != nil {
		return err
	}
	// -C: a wrong checksum is an error.
	text, err := localserver.Output(ctx, 10*time.Minute, "mvn", "-B", "-q", "-C", "-f", project, copyDependencies,
		"-DincludeScope=runtime", "-DoutputDirectory="+made)
	if err != nil {
		return fmt.Errorf("fetching the jar with Maven: %w\n%s", err, localserver.LastLines(text, 20))
	}
	if _, err := os.Stat(filepath.Join(made, jarName)); err != nil {
		return fmt.Errorf("maven ended well without %s\n%s", jarName, localserver.LastLines(text, 20))
	}
	return nil
}

// javaVersion finds 17 in `openjdk version "17.0.15" 2025-04-15` and 1 in
// `java version "1.8.0_402"`.
var javaVersion = regexp.MustCompile(`version "(\d+)`)

// java returns Java's major version, or an error if it is too old for the jar.
func java(ctx context.Context) (int, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return 0, errors.New("java is not installed")
	}
	text, err := localserver.Output(ctx, 10*time.Second, "java", "-version")
	if err != nil {
		return 0, fmt.Errorf("java -version: %w: %s", err, strings.TrimSpace(text))
	}
	found := javaVersion.FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("java -version says %q, no version", text)
	}
	major, err := strconv.Atoi(found[1])
	if err != nil || major < 17 {
		return 0, fmt.Errorf("java is %s; the jar needs 17 or later", found[1])
	}
	return major, nil
}
