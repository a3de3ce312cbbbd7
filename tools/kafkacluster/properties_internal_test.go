package kafkacluster

import (
	"strings"
	"testing"
)

func TestPropertiesOfANode(t *testing.T) {
	nodes := []*node{
		{id: 1, broker: "127.0.0.1:20001", controller: "127.0.0.1:20002"},
		{id: 2, broker: "127.0.0.1:20003", controller: "127.0.0.1:20004", secure: "127.0.0.1:20007", dir: "/tmp/cluster/2"},
		{id: 3, broker: "127.0.0.1:20005", controller: "127.0.0.1:20006"},
	}
	for name, test := range map[string]struct {
		properties string
		want       []string
	}{
		"one": {serverProperties(nodes[0], nodes[:1]), []string{
			"node.id=1", "controller.quorum.voters=1@127.0.0.1:20002",
			"default.replication.factor=1", "min.insync.replicas=1", "offsets.topic.replication.factor=1",
			"transaction.state.log.min.isr=1", "share.coordinator.state.topic.min.isr=1",
		}},
		"the second of three": {serverProperties(nodes[1], nodes), []string{
			"node.id=2", "controller.quorum.voters=1@127.0.0.1:20002,2@127.0.0.1:20004,3@127.0.0.1:20006",
			"listeners=PLAINTEXT://127.0.0.1:20003,CONTROLLER://127.0.0.1:20004,SECURE://127.0.0.1:20007",
			"advertised.listeners=PLAINTEXT://127.0.0.1:20003,SECURE://127.0.0.1:20007", "listener.name.secure.ssl.keystore.location=/tmp/cluster/keystore.pem",
			"listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
			"listener.name.secure.sasl.oauthbearer.jwks.endpoint.url=file:///tmp/cluster/jwks.json", "listener.name.secure.oauthbearer.connections.max.reauth.ms=2000",
			"default.replication.factor=3", "min.insync.replicas=2", "offsets.topic.replication.factor=3",
			"transaction.state.log.min.isr=2", "share.coordinator.state.topic.min.isr=2", "unclean.leader.election.enable=false",
		}},
	} {
		for _, line := range test.want {
			if !strings.Contains(test.properties, "\n"+line+"\n") {
				t.Errorf("%s: no line %q in:\n%s", name, line, test.properties)
			}
		}
	}
}

func TestPortsAreDifferentAndBelowThoseOfOutgoingConnections(t *testing.T) {
	ports, err := freePorts(200)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if seen[port] || port < 20_000 || port > 32_767 {
			t.Errorf("port %d, again: %v", port, seen[port])
		}
		seen[port] = true
	}
}

func TestClusterIDsHaveKafkasForm(t *testing.T) {
	for range 1000 { // One in 64 begins with a dash before that is looked at.
		if id := clusterID(); len(id) != 22 || id[0] == '-' {
			t.Fatalf("cluster id %q", id)
		}
	}
}
