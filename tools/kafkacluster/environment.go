package kafkacluster

import "strings"

// Environment returns variables, as name=value, that tell a program how to use the cluster:
//
//	KAFKA_BROKERS                 [Cluster.Brokers], with commas
//	KAFKA_SECURE_BROKERS          [Cluster.SecureBrokers], with commas
//	KAFKA_SECURE_CA_FILE          [Cluster.AuthorityFile]
//	KAFKA_SECURE_TOKEN_KEY_FILE   [Cluster.TokenKeyFile]
//	KAFKA_JAVA                    the program java that runs the nodes
//	KAFKA_CLASSPATH               Java's class path with the tools of Kafka's distribution, such as
//	                              org.apache.kafka.tools.consumer.ConsoleConsumer
func (c *Cluster) Environment() []string {
	return []string{
		"KAFKA_BROKERS=" + strings.Join(c.Brokers(), ","),
		"KAFKA_SECURE_BROKERS=" + strings.Join(c.SecureBrokers(), ","),
		"KAFKA_SECURE_CA_FILE=" + c.AuthorityFile(),
		"KAFKA_SECURE_TOKEN_KEY_FILE=" + c.TokenKeyFile(),
		"KAFKA_JAVA=" + c.java,
		"KAFKA_CLASSPATH=" + classPath(c.jars),
	}
}
