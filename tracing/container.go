package tracing

import (
	"bufio"
	"io"
	"os"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// downward are the names under which the SDK takes what the downward API of Kubernetes knows. The
// specification has none; these are the ones of Kubernetes' own examples.
var downward = []struct {
	variable string
	key      attribute.Key
}{
	{"POD_NAME", semconv.K8SPodNameKey},
	{"POD_NAMESPACE", semconv.K8SNamespaceNameKey},
	{"POD_UID", semconv.K8SPodUIDKey},
	{"NODE_NAME", semconv.K8SNodeNameKey},
	{"CONTAINER_NAME", semconv.K8SContainerNameKey},
}

// kubernetes returns what the deployment has put into variables, in a pod alone: elsewhere POD_NAME may
// mean anything.
func kubernetes(getenv func(string) string) []attribute.KeyValue {
	if getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil
	}
	var attrs []attribute.KeyValue
	for _, d := range downward {
		if value := strings.TrimSpace(getenv(d.variable)); value != "" {
			attrs = append(attrs, d.key.String(value))
		}
	}
	return attrs
}

// containerID returns the id of the container that the process runs in, or "". Version 1 of control
// groups names it in their paths; with version 2 it is in the paths of what is mounted into it.
func containerID(proc string) string {
	for _, place := range []struct {
		file string
		find func(line string) string
	}{{"/cgroup", idInCgroup}, {"/mountinfo", idInMount}} {
		file, err := os.Open(proc + place.file) // on Linux alone
		if err != nil {
			continue
		}
		id := firstID(file, place.find)
		_ = file.Close()
		if id != "" {
			return id
		}
	}
	return ""
}

// firstID returns what find finds in the first line where it finds anything.
func firstID(r io.Reader, find func(line string) string) string {
	const limit = 1 << 20
	for lines := bufio.NewScanner(io.LimitReader(r, limit)); lines.Scan(); {
		if id := find(lines.Text()); id != "" {
			return id
		}
	}
	return ""
}

// idInCgroup finds the id at the end of lines such as
//
//	4:memory:/kubepods/burstable/pod1f9b…/3e5ab…
//	0::/system.slice/cri-containerd-3e5ab….scope
func idInCgroup(line string) string {
	last := strings.TrimSuffix(line[strings.LastIndexByte(line, '/')+1:], ".scope")
	last = last[strings.LastIndexAny(last, "-:")+1:]
	if isContainerID(last) {
		return last
	}
	return ""
}

// idInMount finds the id in the path of a file that the container runtime has mounted, such as
// /var/lib/docker/containers/3e5ab…/hostname. That below /sandboxes/ is the pod's, not the container's.
func idInMount(line string) string {
	for _, before := range []string{"/containers/", "/overlay-containers/"} {
		_, rest, found := strings.Cut(line, before)
		if id, _, ends := strings.Cut(rest, "/"); found && ends && isContainerID(id) {
			return id
		}
	}
	return ""
}

// isContainerID knows the SHA-256 in hexadecimal that all runtimes use.
func isContainerID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
