// Command fulfilment is the service that ships what was ordered. INVENTORY_URL is where the inventory is, KAFKA_BROKERS a
// Kafka with the topics orders.placed and orders.shipped.
package main

import (
	"os"
	"strings"

	"github.com/backend-platform/sdk/examples/shop/event"
	"github.com/backend-platform/sdk/examples/shop/fulfilment"
	"github.com/backend-platform/sdk/service"
)

func main() {
	service.Main(service.Config{}, fulfilment.New(fulfilment.Config{
		InventoryURL: os.Getenv("INVENTORY_URL"), Brokers: strings.Split(os.Getenv("KAFKA_BROKERS"), ","),
		Group: "fulfilment", Topics: event.NewTopics(""),
	}).Setup)
}
