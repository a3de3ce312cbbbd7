package kafkacluster_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backend-platform/sdk/tools/kafkacluster"
)

// startError starts a cluster and returns the text of the error that is expected.
func startError(t *testing.T) string {
	t.Helper()
	cluster, err := kafkacluster.Start(t.Context(), kafkacluster.Config{})
	if err == nil {
		_ = cluster.Stop()
		t.Fatal("it started")
	}
	return err.Error()
}

func TestMissingProgramsAreNamedWithTheirPackages(t *testing.T) {
	for name, test := range map[string]struct {
		install map[string]string // "": remove
		want    []string
	}{
		"no java":          {map[string]string{"java": "exit 127"}, []string{"Java 17 or newer is missing", "apt-get install openjdk-17-jre-headless"}},
		"Java 11":          {map[string]string{"java": `echo 'openjdk version "11.0.2" 2019-01-15' >&2`}, []string{"is Java 11", "17 or newer", "apt-get install"}},
		"Java 8":           {map[string]string{"java": `echo 'java version "1.8.0_392"' >&2`}, []string{"is Java 8", "17 or newer"}},
		"no maven":         {map[string]string{"mvn": ""}, []string{"Maven is missing", "apt-get install maven"}},
		"maven fails":      {map[string]string{"mvn": "echo connection refused; exit 1"}, []string{"mvn: exit status 1", "connection refused"}},
		"maven did little": {map[string]string{"mvn": "echo nothing to do"}, []string{"mvn ended well, but", "nothing to do"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			for program, script := range test.install {
				m.install(t, program, script)
				if script == "" {
					if err := os.Remove(filepath.Join(m.bin, program)); err != nil {
						t.Fatal(err)
					}
					t.Setenv("PATH", m.pathWithout(t))
				}
			}
			text := startError(t)
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("the error lacks %q: %s", want, text)
				}
			}
			if cached := m.cached(t); len(cached) > 0 {
				t.Errorf("in the cache folder: %v", cached)
			}
			if left := m.left(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// pathWithout returns a PATH on which there are only the machine's own programs and those that its scripts need.
func (m *machine) pathWithout(t *testing.T) string {
	t.Helper()
	if err := os.Symlink("/bin/sh", filepath.Join(m.bin, "sh")); err != nil {
		t.Fatal(err)
	}
	return m.bin
}

func TestJarsAreFetchedOnce(t *testing.T) {
	m := newMachine(t)
	for range 2 {
		if err := start(t, kafkacluster.Config{}).Stop(); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := os.ReadFile(filepath.Join(m.home, "maven"))
	if err != nil || string(runs) != "run\n" {
		t.Errorf("Maven ran: %q, %v", runs, err)
	}
	if cached := m.cached(t); len(cached) != 1 || !strings.HasPrefix(cached[0], "kafka-"+kafkacluster.Version+"-") {
		t.Errorf("in the cache folder: %v", cached)
	}
}

func TestFetchThatWasInterruptedCountsForNothing(t *testing.T) {
	m := newMachine(t)
	m.install(t, "mvn", goodMaven+"\nkill -9 $$") // All is there, but who knows.
	startError(t)
	if cached := m.cached(t); len(cached) > 0 {
		t.Errorf("in the cache folder: %v", cached)
	}
	m.install(t, "mvn", goodMaven)
	start(t, kafkacluster.Config{})
}

func TestManyFetchesAtATimeAreAllWhole(t *testing.T) {
	m := newMachine(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			cluster, err := kafkacluster.Start(t.Context(), kafkacluster.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			if err := cluster.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if cached := m.cached(t); len(cached) != 1 {
		t.Errorf("in the cache folder: %v", cached)
	}
}

func TestWhatKilledFetchesHaveLeftIsRemovedAfterAnHour(t *testing.T) {
	m := newMachine(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "backend-platform-sdk")
	for name, age := range map[string]time.Duration{"fetch-old": 61 * time.Minute, "fetch-running": time.Minute} {
		dir := filepath.Join(cache, name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	start(t, kafkacluster.Config{})
	if cached := m.cached(t); len(cached) != 2 || cached[0] != "fetch-running" {
		t.Errorf("in the cache folder: %v", cached)
	}
}
