package kafkacluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// probe asks a broker which versions of the protocol it speaks (ApiVersions, version 0, which every broker answers). A
// broker begins to answer when it has caught up with the cluster's metadata and the controller counts on it.
func probe(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	const correlation = 1
	request := []byte{0, 0, 0, 10, 0, apiVersions, 0, 0, 0, 0, 0, correlation, 0xff, 0xff} // its size, and no client id
	if _, err := conn.Write(request); err != nil {
		return err
	}
	var answer [10]byte // the size, the correlation, an error code
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if got := binary.BigEndian.Uint32(answer[4:]); got != correlation {
		return fmt.Errorf("%s does not speak Kafka's protocol", addr)
	}
	if code := binary.BigEndian.Uint16(answer[8:]); code != 0 {
		return fmt.Errorf("%s answers with the error code %d", addr, code)
	}
	return nil
}

const apiVersions = 18
