// Package kafkacluster runs real Apache Kafka on this machine, for tests: one node or three, in KRaft mode, on free
// ports of the loopback interface, without a container.
//
//	cluster, err := kafkacluster.Start(ctx, kafkacluster.Config{Nodes: 3})
//	if err != nil {
//		return err
//	}
//	defer cluster.Stop()
//	…                                // cluster.Brokers()
//	err = cluster.Kill(2)            // SIGKILL, as by a crash
//	err = cluster.Restart(ctx, 2)    // with the data that it had
//
// Each node has a second listener, with TLS and a login by SCRAM or by tokens (OAUTHBEARER), and the jars have the command
// line tools of Kafka's distribution: [Cluster.Environment] tells a program where all of that is.
//
// It needs Java 17 or newer, and Maven the first time: the jars are fetched once into the user's cache folder. Where
// one is missing, the error says what to install.
//
// Nothing is left behind, neither a process nor a folder, also when the program that called Start is killed: a watchdog
// process that shares a pipe with it notices, kills the nodes and removes their folder.
//
// The nodes are for tests alone: anybody on the machine can connect to them, small internal topics and short session
// timeouts make them start, and notice a dead node, quickly, and what they wrote is gone when they are stopped.
// It works on Unix systems.
package kafkacluster

// Version is the version of Apache Kafka that is run.
const Version = "4.4.0"
