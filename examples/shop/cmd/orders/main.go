// Command orders is the service that takes orders. INVENTORY_URL is where the inventory is, KAFKA_BROKERS a Kafka with the
// topic orders.placed.
package main

import (
	"os"
	"strings"

	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/orders"
	"github.com/backend-platform/sdk/service"
)

func main() {
	service.Main(service.Config{}, orders.New(orders.Config{
		InventoryURL: os.Getenv("INVENTORY_URL"), Brokers: strings.Split(os.Getenv("KAFKA_BROKERS"), ","), Topics: event.NewTopics(""),
	}).Setup)
}
