// Package event holds what the shop's services tell each other through Kafka.
package event

// An Item is a number of pieces of one article.
type Item struct {
	SKU string `json:"sku"`
	Qty int    `json:"qty"`
}

// OrderPlaced says that an order was accepted and its items are reserved.
type OrderPlaced struct {
	OrderID string `json:"order_id"`
	Items   []Item `json:"items"`
}

// OrderShipped says that an order left the warehouse.
type OrderShipped struct {
	OrderID string `json:"order_id"`
}

// Topics are the names of the shop's topics.
type Topics struct {
	Placed  string // of OrderPlaced, keyed by the order's id
	Shipped string // of OrderShipped, keyed by the order's id
}

// NewTopics returns the names, with a suffix for whoever shares a cluster.
func NewTopics(suffix string) Topics {
	return Topics{Placed: "orders.placed" + suffix, Shipped: "orders.shipped" + suffix}
}
