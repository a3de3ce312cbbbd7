package service

import (
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
)

// machine is a file system as the kernel shows it.
func machine(files map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fs
}

const (
	mountV2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	mountV1 = "36 32 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" +
		"37 32 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:17 master:3 - cgroup cgroup rw,memory\n"
	none = "9223372036854771712\n"
)

func TestContainersMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64 // 0: none
	}{
		{"v2, in a namespace of its own", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2, "sys/fs/cgroup/memory.max": "536870912\n",
		}, 512 << 20},
		{"v2, a pod's limit above the container's group", map[string]string{
			"proc/self/cgroup": "0::/kubepods/pod7/c1\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/kubepods/pod7/c1/memory.max": "max\n",
			"sys/fs/cgroup/kubepods/pod7/memory.max":    "268435456\n",
			"sys/fs/cgroup/kubepods/memory.max":         "8589934592\n",
		}, 256 << 20},
		{"v2, the tightest is the own", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": mountV2,
			"sys/fs/cgroup/a/b/memory.max": "1000\n", "sys/fs/cgroup/a/memory.max": "2000\n",
		}, 1000},
		{"v2, the mount shows a part", map[string]string{
			"proc/self/cgroup":         "0::/docker/abc/app\n",
			"proc/self/mountinfo":      "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
			"sys/fs/cgroup/memory.max": "4000\n", "sys/fs/cgroup/app/memory.max": "3000\n",
		}, 3000},
		{"v2, the group is outside of what is mounted", map[string]string{
			"proc/self/cgroup": "0::/../other\n", "proc/self/mountinfo": mountV2, "sys/fs/cgroup/memory.max": "5000\n",
		}, 5000},
		{"v2, a name that only begins like the mount's", map[string]string{
			"proc/self/cgroup":         "0::/docker/abcd\n",
			"proc/self/mountinfo":      "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
			"sys/fs/cgroup/memory.max": "6000\n",
		}, 6000},
		{"v1", map[string]string{
			"proc/self/cgroup":    "12:cpu,cpuacct:/x\n5:memory:/docker/abc\n",
			"proc/self/mountinfo": mountV1,
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": none,
			"sys/fs/cgroup/memory/docker/memory.limit_in_bytes":     "700\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":            none,
		}, 700},
		{"hybrid: v2 without the controller", map[string]string{
			"proc/self/cgroup":    "5:memory:/docker/abc\n0::/docker/abc\n",
			"proc/self/mountinfo": mountV1 + "38 32 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "800\n",
		}, 800},
		{"a mount point with a space", map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"proc/self/mountinfo":      `30 24 0:26 / /sys/my\040groups rw - cgroup2 cgroup2 rw` + "\n",
			"sys/my groups/memory.max": "900\n",
		}, 900},
		{"no limit, v2", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2, "sys/fs/cgroup/memory.max": "max\n",
		}, 0},
		{"no limit, v1", map[string]string{
			"proc/self/cgroup": "5:memory:/\n", "proc/self/mountinfo": mountV1, "sys/fs/cgroup/memory/memory.limit_in_bytes": none,
		}, 0},
		{"no control groups", map[string]string{"proc/self/cgroup": "", "proc/self/mountinfo": ""}, 0},
		{"no Linux", nil, 0},
		{"nonsense", map[string]string{"proc/self/cgroup": "0::\n::\nx", "proc/self/mountinfo": "a - cgroup2\n- - -\n" + mountV2}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := containerLimit(machine(c.files))
			if ok != (c.want > 0) || ok && got != c.want {
				t.Errorf("limit = %d, %v, want %d", got, ok, c.want)
			}
		})
	}
}

func TestMemoryLimitIsSetUnlessSomebodyHas(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	limited := machine(map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountV2, "sys/fs/cgroup/memory.max": "1000000000\n",
	})
	for _, c := range []struct {
		name  string
		ratio float64
		env   map[string]string
		set   int64 // by code, before
		want  int64
	}{
		{"by default", 0.9, nil, math.MaxInt64, 900_000_000},
		{"another ratio", 0.5, nil, math.MaxInt64, 500_000_000},
		{"switched off", -1, nil, math.MaxInt64, math.MaxInt64},
		{"GOMEMLIMIT", 0.9, map[string]string{"GOMEMLIMIT": "1GiB"}, 1 << 30, 1 << 30},
		{"GOMEMLIMIT=off", 0.9, map[string]string{"GOMEMLIMIT": "off"}, math.MaxInt64, math.MaxInt64},
		{"set by code", 0.9, nil, 1 << 28, 1 << 28},
	} {
		t.Run(c.name, func(t *testing.T) {
			debug.SetMemoryLimit(c.set)
			setMemoryLimit(c.ratio, limited, environment(c.env))
			if got := debug.SetMemoryLimit(-1); got != c.want {
				t.Errorf("the limit is %d, want %d", got, c.want)
			}
		})
	}
}

// Whatever the kernel, or what takes its place, writes: no panic, no endless walk, and no limit that is no number of bytes.
func FuzzContainerLimit(f *testing.F) {
	f.Add("0::/a/b\n", mountV2, "100")
	f.Add("5:memory:/docker/../..\n", mountV1, none)
	f.Add("0::a", `1 2 0:1 /a /\040 rw - cgroup2 x y`, "-1")
	f.Fuzz(func(t *testing.T, cgroup, mountinfo, limit string) {
		fs := machine(map[string]string{
			"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo,
			"sys/fs/cgroup/memory.max": limit, "sys/fs/cgroup/a/memory.max": limit, "sys/fs/cgroup/memory/memory.limit_in_bytes": limit,
		})
		got, ok := containerLimit(fs)
		if ok && (got <= 0 || got >= noLimit || !strings.ContainsAny(limit, "123456789")) {
			t.Errorf("limit = %d of %q", got, limit)
		}
	})
}
