package kafkacluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// javaNeeded is the oldest major version of Java that brokers of Kafka 4 run on.
const javaNeeded = 17

// findJava returns the java of JAVA_HOME, or else that of the PATH, if it is new enough.
func findJava(ctx context.Context) (string, error) {
	java := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run Apache Kafka: Java %d or newer is missing (%w): apt-get install openjdk-17-jre-headless, or set JAVA_HOME", javaNeeded, err)
	}
	if major := javaMajor(string(out)); major < javaNeeded {
		return "", fmt.Errorf("run Apache Kafka: %s is Java %d, and Java %d or newer is needed: apt-get install openjdk-17-jre-headless, or set JAVA_HOME", java, major, javaNeeded)
	}
	return java, nil
}

var javaVersion = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// javaMajor reads what java -version prints: version "17.0.15", and "1.8.0_392" in the days of Java 8. 0: unreadable.
func javaMajor(out string) int {
	found := javaVersion.FindStringSubmatch(out)
	if found == nil {
		return 0
	}
	major, _ := strconv.Atoi(found[1])
	return major
}
