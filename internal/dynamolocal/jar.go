package dynamolocal

import (
	"context"
	"errors"
	"fmt"
	"github.com/superviber/blue-encrypted-store/internal/localserver"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
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

// Jar returns the folder with the jar and all it needs, cache/dynamodb-local/
// VERSION, and fills it with Maven the first time (50 MB). The folder appears
// whole by one rename, so it is complete if it is there; processes that start
// at once wait for one download. A full folder needs neither Maven nor network.
func Jar(ctx context.Context, cache string) (string, error) {
	if cache == "" {
		return "", errors.New("no cache folder")
	}
	home := filepath.Join(cache, "dynamodb-local")
	lib := filepath.Join(home, Version)
	if complete(lib) {
		return lib, nil
	}
	if runtime.GOOS == "linux" && runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("the jar has no native SQLite for %s/%s; only a container works here", runtime.GOOS, runtime.GOARCH)
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", errors.New("maven (mvn) is not installed, and the jar is not in the cache")
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", err
	}
	unlock, err := localserver.Lock(ctx, filepath.Join(home, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if complete(lib) {
		return lib, nil
	}
	return lib, download(ctx, home, lib)
}

func download(ctx context.Context, home, lib string) error {
	temp, err := os.MkdirTemp(home, "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	more := ""
	if runtime.GOOS == "darwin" && runtime.GOARCH == "arm64" {
		more = darwinARM
	}
	project := filepath.Join(temp, "pom.xml")
	if err := os.WriteFile(project, fmt.Appendf(nil, pom, more), 0o600); err != nil {
		return err
	}
	// -C: a wrong checksum is an error.
	text, err := localserver.Output(ctx, 10*time.Minute, "mvn", "-B", "-q", "-C", "-f", project, copyDependencies,
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(temp, "lib"))
	if err != nil {
		return fmt.Errorf("fetching the jar with Maven: %w\n%s", err, localserver.LastLines(text, 20))
	}
	if !complete(filepath.Join(temp, "lib")) {
		return fmt.Errorf("maven ended well without %s\n%s", jarName, localserver.LastLines(text, 20))
	}
	// A folder without the jar was left by nobody here; make way.
	if err := os.RemoveAll(lib); err != nil {
		return err
	}
	return os.Rename(filepath.Join(temp, "lib"), lib)
}

const jarName = "DynamoDBLocal-" + Version + ".jar"

func complete(lib string) bool {
	_, err := os.Stat(filepath.Join(lib, jarName))
	return err == nil
}

// javaVersion finds 17 in `openjdk version "17.0.15" 2025-04-15` and 1 in
// `java version "1.8.0_402"`.
var javaVersion = regexp.MustCompile(`version "(\d+)`)

// CheckJar reports why the jar cannot be started here, nil if it can: Java and
// the jar are there, fetched if need be.
func CheckJar(ctx context.Context, cache string) error {
	_, _, err := javaAndJar(ctx, cache)
	return err
}

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
