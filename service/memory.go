package service

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

// memoryLimit is what was found and set, in bytes; 0: nothing.
type memoryLimit struct{ container, runtime int64 }

func (m memoryLimit) log(l *zap.Logger) {
	if m.runtime > 0 {
		l.Info("memory limit set", zap.Int64("container_bytes", m.container), zap.Int64("go_bytes", m.runtime))
	}
}

// setMemoryLimit tells the Go runtime how much memory there is, which it does not find out by itself (golang/go#75164):
// the garbage collector then works harder near the limit instead of being killed at it.
func setMemoryLimit(ratio float64, root fs.FS, getenv func(string) string) memoryLimit {
	if ratio < 0 || getenv("GOMEMLIMIT") != "" || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return memoryLimit{} // switched off, or somebody has decided
	}
	limit, ok := containerLimit(root)
	if !ok {
		return memoryLimit{}
	}
	m := memoryLimit{limit, int64(float64(limit) * ratio)}
	debug.SetMemoryLimit(m.runtime)
	return m
}

// containerLimit returns the tightest memory limit of the process's own control group and those above it, of either
// version: a group inside a pod often has none of its own.
func containerLimit(root fs.FS) (int64, bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return 0, false
	}
	limit := int64(noLimit)
	for _, m := range memoryMounts(mounts) {
		group, ok := groupOf(groups, m.v2)
		if !ok {
			continue
		}
		limit = min(limit, m.tightest(root, group))
	}
	return limit, limit < noLimit
}

// noLimit is what cgroup v1 writes, rounded to pages, where there is none; anything near it is none either.
const noLimit = 1 << 60

// mount is a place where control groups of memory are.
type mount struct {
	v2    bool
	root  string // which group it shows
	point string
}

// memoryMounts reads /proc/self/mountinfo (proc_pid_mountinfo(5)).
func memoryMounts(mountinfo []byte) (mounts []mount) {
	for line := range bytes.Lines(mountinfo) {
		before, after, ok := strings.Cut(string(line), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) < 3 {
			continue
		}
		m := mount{v2: kind[0] == "cgroup2", root: unescape(fields[3]), point: unescape(fields[4])}
		if m.v2 || kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), "memory") {
			mounts = append(mounts, m)
		}
	}
	return mounts
}

// unescape undoes the octal numbers that the kernel writes for spaces and their like.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// groupOf reads /proc/self/cgroup (cgroups(7)): lines of hierarchy:controllers:path.
func groupOf(cgroup []byte, v2 bool) (string, bool) {
	lines := bufio.NewScanner(bytes.NewReader(cgroup))
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if v2 && parts[0] == "0" && parts[1] == "" || !v2 && slices.Contains(strings.Split(parts[1], ","), "memory") {
			return parts[2], true
		}
	}
	return "", false
}

// tightest walks from the group up to what the mount shows.
func (m mount) tightest(root fs.FS, group string) int64 {
	rest, inside := strings.CutPrefix(path.Clean("/"+group), strings.TrimSuffix(path.Clean("/"+m.root), "/"))
	if !inside || rest != "" && rest[0] != '/' {
		rest = "" // of another namespace: what is mounted is what there is
	}
	limit := int64(noLimit)
	for {
		limit = min(limit, m.limit(root, rest))
		if rest == "" || rest == "/" {
			return limit
		}
		rest = path.Dir(rest)
	}
}

// limit reads one group's. Whatever is no number, such as "max", is none.
func (m mount) limit(root fs.FS, group string) int64 {
	file := "memory.max"
	if !m.v2 {
		file = "memory.limit_in_bytes"
	}
	text, err := fs.ReadFile(root, strings.TrimPrefix(path.Join(m.point, group, file), "/"))
	if err != nil {
		return noLimit
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n <= 0 {
		return noLimit
	}
	return n
}
