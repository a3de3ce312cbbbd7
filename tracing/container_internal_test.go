package tracing

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const id = "3e5ab7a1c7f04a3e9d2b8c6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b9a8f7e6d"

func TestContainerIDIsFoundInWhatRuntimesWrite(t *testing.T) {
	for name, c := range map[string]struct{ cgroup, mountinfo, want string }{
		"docker, version 1": {"12:pids:/docker/" + id + "\n11:cpu:/docker/" + id, "", id},
		"kubepods":          {"4:memory:/kubepods/burstable/pod1f9b1f6e-0000-4000-8000-000000000000/" + id, "", id},
		"systemd scope":     {"0::/system.slice/docker-" + id + ".scope", "", id},
		"containerd scope":  {"1:name=systemd:/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope", "", id},
		"containerd colon":  {"9:cpu:/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + id, "", id},
		"docker, version 2": {"0::/", "473 456 254:1 /docker/volumes/x /data rw\n474 456 254:1 /docker/containers/" + id + "/hostname /etc/hostname rw", id},
		"podman":            {"0::/", "1 2 0:3 /containers/overlay-containers/" + id + "/userdata/hostname /etc/hostname rw", id},
		"pod's sandbox":     {"0::/", "1 2 0:3 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/" + id + "/hostname /etc/hostname rw", ""},
		"no container":      {"0::/user.slice/user-1000.slice/session-2.scope", "1 2 0:3 / / rw", ""},
		"too short":         {"0::/docker/" + id[1:], "", ""},
		"upper case":        {"0::/docker/" + strings.ToUpper(id), "", ""},
	} {
		dir := t.TempDir()
		for file, content := range map[string]string{"cgroup": c.cgroup, "mountinfo": c.mountinfo} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := containerID(dir); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
	if got := containerID(t.TempDir()); got != "" {
		t.Errorf("without files: got %q", got)
	}
}

func TestDownwardAPICountsInKubernetesAlone(t *testing.T) {
	env := map[string]string{"POD_NAME": "orders-5d4", "POD_NAMESPACE": "shop", "POD_UID": " 1f9b ", "NODE_NAME": "n1", "CONTAINER_NAME": ""}
	getenv := func(name string) string { return env[name] }
	if got := kubernetes(getenv); got != nil {
		t.Errorf("outside of Kubernetes: %v", got)
	}
	env["KUBERNETES_SERVICE_HOST"] = "10.0.0.1"
	got := map[string]string{}
	for _, a := range kubernetes(getenv) {
		got[string(a.Key)] = a.Value.AsString()
	}
	want := map[string]string{"k8s.pod.name": "orders-5d4", "k8s.namespace.name": "shop", "k8s.pod.uid": "1f9b", "k8s.node.name": "n1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzContainerID(f *testing.F) {
	f.Add("0::/system.slice/docker-" + id + ".scope")
	f.Add("474 456 254:1 /docker/containers/" + id + "/hostname /etc/hostname rw")
	f.Fuzz(func(t *testing.T, text string) {
		for _, find := range []func(string) string{idInCgroup, idInMount} {
			if found := firstID(strings.NewReader(text), find); found != "" && !isContainerID(found) {
				t.Fatalf("%q gives %q", text, found)
			}
		}
	})
}
