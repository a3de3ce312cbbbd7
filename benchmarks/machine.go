package main

import (
	"encoding/xml"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// machine says where and with what a run was made: no name of the machine, and no path of it.
type machine struct {
	Date     string            `json:"date"`
	Commit   string            `json:"commit,omitempty"` // of this repository, with -dirty for what is not committed
	Go       string            `json:"go"`
	OS       string            `json:"os"`
	Arch     string            `json:"arch"`
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	Memory   float64           `json:"memory_gib"`
	Java     string            `json:"java,omitempty"`
	Kafka    string            `json:"kafka,omitempty"`
	Versions map[string]string `json:"versions"` // of the peers: what go.mod requires directly, the embedded broker, the jars
}

func thisMachine(k *realKafka) machine {
	m := machine{
		Date: time.Now().UTC().Format(time.DateOnly), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPU: cpuModel(), Cores: runtime.NumCPU(), Memory: memoryGiB(), Java: javaVersion(), Versions: map[string]string{},
	}
	if k != nil {
		m.Kafka = k.version
	}
	if commit, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude", "*").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(commit))
	}
	moduleVersions(m.Versions)
	if m.Java != "" {
		jarVersions(m.Versions)
	}
	return m
}

func (m machine) String() string {
	var s strings.Builder
	s.WriteString(m.Go + ", " + m.OS + "/" + m.Arch + ", " + m.CPU + ", " + strconv.Itoa(m.Cores) + " cores, " +
		strconv.FormatFloat(m.Memory, 'f', 0, 64) + " GiB")
	for _, more := range []string{m.Kafka, m.Java} {
		if more != "" {
			s.WriteString(", " + more)
		}
	}
	return s.String()
}

func cpuModel() string {
	return firstMatch("/proc/cpuinfo", `(?m)^model name\s*:\s*(.+)$`, "unknown processor")
}

func memoryGiB() float64 {
	kib, err := strconv.ParseFloat(firstMatch("/proc/meminfo", `(?m)^MemTotal:\s*(\d+) kB$`, ""), 64)
	if err != nil {
		return 0
	}
	return kib / (1 << 20)
}

func firstMatch(file, pattern, otherwise string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return otherwise
	}
	if found := regexp.MustCompile(pattern).FindSubmatch(text); found != nil {
		return string(found[1])
	}
	return otherwise
}

// embeddedBroker is no direct requirement: it comes with the SDK's kafkatest.
const embeddedBroker = "github.com/twmb/franz-go/pkg/kfake"

// moduleVersions are those that were linked, of what go.mod requires directly.
func moduleVersions(versions map[string]string) {
	text, err := os.ReadFile("go.mod")
	info, ok := debug.ReadBuildInfo()
	if err != nil || !ok {
		return
	}
	direct := map[string]bool{embeddedBroker: true}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 2 && strings.HasPrefix(words[1], "v") {
			direct[words[0]] = true
		}
	}
	for _, dep := range info.Deps {
		if direct[dep.Path] && !strings.HasPrefix(dep.Path, "github.com/backend-platform/") {
			versions[dep.Path] = dep.Version
		}
	}
}

// javaVersion is the first line that java says of itself, as: openjdk version "17.0.15" 2025-04-15.
func javaVersion() string {
	out, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, " version ") {
			return strings.ReplaceAll(strings.TrimSpace(line), `"`, "")
		}
	}
	return ""
}

// jarVersions are those that the peers in Java are built with.
func jarVersions(versions map[string]string) {
	text, err := os.ReadFile("java/pom.xml")
	if err != nil {
		return
	}
	var pom struct {
		Dependencies []struct {
			Group    string `xml:"groupId"`
			Artifact string `xml:"artifactId"`
			Version  string `xml:"version"`
		} `xml:"dependencies>dependency"`
	}
	if xml.Unmarshal(text, &pom) == nil {
		for _, d := range pom.Dependencies {
			versions[d.Group+":"+d.Artifact] = d.Version
		}
	}
}
