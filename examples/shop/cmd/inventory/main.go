// Command inventory is the service that knows what is in stock.
package main

import (
	"github.com/backend-platform/sdk/examples/shop/inventory"
	"github.com/backend-platform/sdk/service"
)

func main() {
	service.Main(service.Config{}, inventory.New(map[string]int{"teapot": 3, "mug": 100_000}).Setup)
}
