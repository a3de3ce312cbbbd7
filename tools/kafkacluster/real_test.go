//go:build realkafka

package kafkacluster_test

import (
	"os"
	"slices"
	"testing"

	"github.com/backend-platform/sdk/tools/kafkacluster"
)

// TestRealNodesSurviveBeingKilled needs Java and Maven, so that it is not a part of make test, but of make test-kafka.
func TestRealNodesSurviveBeingKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	cluster := start(t, kafkacluster.Config{Nodes: 3, Log: t.Output()})
	for _, nodes := range [][]int{{2}, {1, 2, 3}} {
		if err := cluster.Kill(nodes...); err != nil {
			t.Fatal(err)
		}
		want := []bool{!slices.Contains(nodes, 1), !slices.Contains(nodes, 2), !slices.Contains(nodes, 3)}
		if got := listening(cluster.Brokers()); !slices.Equal(got, want) {
			t.Errorf("nodes %v were killed, and they listen: %v", nodes, got)
		}
		if err := cluster.Restart(t.Context(), nodes...); err != nil {
			t.Fatal(err)
		}
	}
	if err := cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
