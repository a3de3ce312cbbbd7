package kafkacluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pom names what Maven fetches: the broker, and the command line tools, with which tests look at a cluster as its
// users do. Kafka binds slf4j 1.7, so its logger is log4j-slf4j-impl, not log4j-slf4j2-impl.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>` + Version + `</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka-tools</artifactId>
      <version>` + Version + `</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.5</version>
    </dependency>
  </dependencies>
</project>
`

// copyJars is Maven's goal, with a version, so that every machine runs the same.
const copyJars = "org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies"

// fetchJars returns the folder with the jars of Kafka and all that it needs, and fetches them if they are not there.
//
// They are fetched into a folder of their own, which gets its name when it is whole. So a fetch that was interrupted
// counts for nothing, and of two at the same time one is thrown away.
func fetchJars(ctx context.Context, log io.Writer) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("fetch Apache Kafka: %w", err)
	}
	cache = filepath.Join(cache, "backend-platform-sdk")
	// With a sum of the pom, so that a change of it is fetched as well.
	jars := filepath.Join(cache, fmt.Sprintf("kafka-%s-%.4x", Version, sha256.Sum256([]byte(pom))))
	if _, err := os.Stat(jars); err == nil {
		return jars, nil
	}
	if err := os.MkdirAll(cache, 0o777); err != nil {
		return "", fmt.Errorf("fetch Apache Kafka: %w", err)
	}
	removeAbandoned(cache)
	temp, err := os.MkdirTemp(cache, fetchPrefix)
	if err != nil {
		return "", fmt.Errorf("fetch Apache Kafka: %w", err)
	}
	defer os.RemoveAll(temp)
	fmt.Fprintf(log, "fetching Apache Kafka %s into %s\n", Version, jars)
	fetched, err := runMaven(ctx, temp)
	if err != nil {
		return "", err
	}
	if err := os.Rename(fetched, jars); err != nil {
		if _, other := os.Stat(jars); other != nil {
			return "", fmt.Errorf("fetch Apache Kafka: %w", err)
		} // Somebody else was faster.
	}
	return jars, nil
}

// runMaven fetches the jars into a folder below dir and returns it.
func runMaven(ctx context.Context, dir string) (string, error) {
	file, jars := filepath.Join(dir, "pom.xml"), filepath.Join(dir, "jars")
	if err := os.WriteFile(file, []byte(pom), 0o666); err != nil {
		return "", fmt.Errorf("fetch Apache Kafka: %w", err)
	}
	// Batch mode, and a wrong checksum is an error.
	maven := exec.CommandContext(ctx, "mvn", "-q", "-B", "-C", "-f", file, copyJars, "-DincludeScope=runtime", "-DoutputDirectory="+jars)
	out, err := maven.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("fetch Apache Kafka: Maven is missing (%w): apt-get install maven", err)
	}
	if err != nil {
		return "", fmt.Errorf("fetch Apache Kafka: mvn: %w\n%s", err, lastLines(out))
	}
	if _, err := os.Stat(filepath.Join(jars, "kafka_2.13-"+Version+".jar")); err != nil {
		return "", fmt.Errorf("fetch Apache Kafka: mvn ended well, but: %w\n%s", err, lastLines(out))
	}
	return jars, nil
}

const fetchPrefix = "fetch-"

// removeAbandoned removes what fetches have left that were killed. None takes an hour.
func removeAbandoned(cache string) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return // The fetch will say so.
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), fetchPrefix) && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(filepath.Join(cache, entry.Name()))
		}
	}
}

// classPath is Java's class path with all the jars.
func classPath(jars string) string { return filepath.Join(jars, "*") }

// lastLines returns the end of a program's output: that is where it says why it gave up.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
