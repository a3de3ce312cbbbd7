package kafkacluster

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
)

// serverProperties is the configuration of a node, which is broker and controller in one process.
func serverProperties(n *node, all []*node) string {
	voters := make([]string, len(all))
	for i, other := range all {
		voters[i] = fmt.Sprintf("%d@%s", other.id, other.controller)
	}
	replicas, inSync := len(all), min(len(all), 2)
	return fmt.Sprintf(`process.roles=broker,controller
node.id=%d
controller.quorum.voters=%s
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL
listeners=PLAINTEXT://%s,CONTROLLER://%s,SECURE://%[7]s
advertised.listeners=PLAINTEXT://%[3]s,SECURE://%[7]s
log.dirs=data

# A topic that a test misspelt must not come to life.
auto.create.topics.enable=false
default.replication.factor=%[5]d
min.insync.replicas=%[6]d
unclean.leader.election.enable=false

# Few partitions of internal topics: each costs files and time at every start.
offsets.topic.num.partitions=4
offsets.topic.replication.factor=%[5]d
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=%[5]d
transaction.state.log.min.isr=%[6]d
share.coordinator.state.topic.num.partitions=4
share.coordinator.state.topic.replication.factor=%[5]d
share.coordinator.state.topic.min.isr=%[6]d

# With the default of 9 s a broker that was killed needs 14 s to come back.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Lets a test make a group's sessions as short as those of the classic protocol may be.
group.consumer.min.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=1000
group.initial.rebalance.delay.ms=0
# Of the 128 MiB of the default, which the heap would have to hold.
log.cleaner.dedupe.buffer.size=16777216
`, n.id, strings.Join(voters, ","), n.broker, n.controller, replicas, inSync, n.secure) + secureProperties(filepath.Dir(n.dir))
}

// logging lets a node say what went wrong, and nothing else.
const logging = `status=error
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1}: %m%n
`

// clusterID returns a new id in the form that Kafka wants: 22 characters for 16 random bytes, not beginning with a
// dash, which its command line would take for an option.
func clusterID() string {
	var id [16]byte
	for {
		_, _ = rand.Read(id[:]) // It never fails.
		if text := base64.RawURLEncoding.EncodeToString(id[:]); text[0] != '-' {
			return text
		}
	}
}
