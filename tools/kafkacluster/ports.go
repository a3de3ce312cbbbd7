package kafkacluster

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range that systems give to outgoing connections (from 32768 on Linux, from 49152
// elsewhere). In that range a port could be lost to a connection while its node is dead, and a client that dials the
// port of a dead node again and again would at some time connect to itself.
const (
	firstPort = 20_000
	lastPort  = 32_767
)

// freePorts returns n different ports of the loopback interface that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range 100 * n {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		listener, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		defer listener.Close() // After all are chosen, so that they are different.
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no %d free ports from %d to %d", n, firstPort, lastPort)
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
