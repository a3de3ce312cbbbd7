package httpserver_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/httpserver"
)

type Order struct {
	ID    string `json:"id"`
	Items []Item `json:"items"`
}

type Item struct {
	SKU string `json:"sku"`
	Qty int    `json:"qty"`
}

// Validate is called by DecodeJSON. It finds everything at once, and says where.
func (o Order) Validate() error {
	fault := errors.InvalidArgument.New("The order is not valid.")
	if len(o.Items) == 0 {
		fault = fault.WithViolation("#/items", "must not be empty", "MIN_ITEMS")
	}
	for i, item := range o.Items {
		if item.Qty < 1 {
			fault = fault.WithViolation(fmt.Sprintf("#/items/%d/qty", i), "must be at least 1", "MIN")
		}
	}
	if len(fault.Violations()) == 0 {
		return nil
	}
	return fault
}

func getOrder(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("id") != "17" {
		return errors.NotFound.New("There is no such order.")
	}
	return httpserver.WriteJSON(w, http.StatusOK, Order{ID: "17", Items: []Item{{"hammer", 2}}})
}

func placeOrder(w http.ResponseWriter, r *http.Request) error {
	order, err := httpserver.DecodeJSON[Order](r)
	if err != nil {
		return err
	}
	return httpserver.WriteJSON(w, http.StatusCreated, order)
}

func Example() {
	mux := http.NewServeMux()
	mux.Handle("GET /orders/{id}", httpserver.HandlerFunc(getOrder))
	mux.Handle("POST /orders", httpserver.HandlerFunc(placeOrder))

	server, err := httpserver.New(mux, httpserver.Config{
		Addr:       "127.0.0.1:0", // a free port
		DrainDelay: -1,            // no load balancer here
	})
	if err != nil {
		log.Fatal(err)
	}
	// A service has signal.NotifyContext here; this one stops after its first caller.
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		defer stop()
		call(http.MethodGet, server.URL()+"/orders/18", "")
	}()
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 404 application/problem+json
	// {"title":"Not Found","status":404,"detail":"There is no such order.","code":"not_found","retryable":false}
}

func ExampleDecodeJSON() {
	server := httptest.NewServer(httpserver.HandlerFunc(placeOrder))
	defer server.Close()
	call(http.MethodPost, server.URL, `{"items":[{"sku":"hammer","qty":0}],"colour":"red"}`)
	call(http.MethodPost, server.URL, `{"items":[{"sku":17,"qty":"two"}]}`)
	// Output:
	// 400 application/problem+json
	// {"title":"Bad Request","status":400,"detail":"The order is not valid.","code":"invalid_argument","retryable":false,"errors":[{"pointer":"#/items/0/qty","detail":"must be at least 1","reason":"MIN"},{"pointer":"#/colour","detail":"is not a known member","reason":"UNKNOWN"}]}
	// 400 application/problem+json
	// {"title":"Bad Request","status":400,"detail":"The request body is not valid.","code":"invalid_argument","reason":"INVALID_BODY","domain":"httpserver","retryable":false,"errors":[{"pointer":"#/items/0/sku","detail":"must be a string","reason":"TYPE"},{"pointer":"#/items/0/qty","detail":"must be a whole number from -9223372036854775808 to 9223372036854775807","reason":"TYPE"}]}
}

// WriteError is for what is not a HandlerFunc, such as middleware.
func ExampleWriteError() {
	authenticated := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.Header().Set("WWW-Authenticate", "Bearer")
				httpserver.WriteError(w, r, errors.Unauthenticated.New("Send a bearer token."))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	server := httptest.NewServer(authenticated(httpserver.HandlerFunc(getOrder)))
	defer server.Close()
	call(http.MethodGet, server.URL, "")
	// Output:
	// 401 application/problem+json
	// {"title":"Unauthorized","status":401,"detail":"Send a bearer token.","code":"unauthenticated","retryable":false}
}

// A test needs no address: NewHandler is what a server serves.
func ExampleNewHandler() {
	mux := http.NewServeMux()
	mux.Handle("GET /orders/{id}", httpserver.HandlerFunc(getOrder))
	handler, err := httpserver.NewHandler(mux, httpserver.Config{})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/orders/17", nil))
	fmt.Println(w.Code, w.Header().Get("Allow"))
	fmt.Print(w.Body)
	// Output:
	// 405 GET, HEAD
	// {"title":"Method Not Allowed","status":405,"detail":"This path does not have the method of the request. See the header Allow.","code":"invalid_argument","reason":"METHOD_NOT_ALLOWED","domain":"httpserver","retryable":false}
}

var catalogue = errors.NewCatalogue("orders", "https://errors.example.com/orders/")

var errOutOfStock = catalogue.Define(errors.Definition{
	Code:   errors.FailedPrecondition,
	Reason: "OUT_OF_STOCK",
	Title:  "Item is out of stock",
	Doc:    "There are fewer than you ask for. Ask for less, or later.",
})

// mountDocumentation serves https://errors.example.com/orders/OUT_OF_STOCK and the list of all errors.
func mountDocumentation(mux *http.ServeMux) {
	mux.Handle("GET /orders/", httpserver.CatalogueHandler(catalogue))
}

// The type URI of an error is where the service that defines it serves its documentation.
func ExampleCatalogueHandler() {
	mux := http.NewServeMux()
	mountDocumentation(mux)
	mux.Handle("POST /buy", httpserver.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		return errOutOfStock.New("Only 3 left.")
	}))
	server := httptest.NewServer(mux)
	defer server.Close()
	call(http.MethodPost, server.URL+"/buy", "")
	call(http.MethodGet, server.URL+"/orders/OUT_OF_STOCK", "")
	// Output:
	// 400 application/problem+json
	// {"type":"https://errors.example.com/orders/OUT_OF_STOCK","title":"Item is out of stock","status":400,"detail":"Only 3 left.","code":"failed_precondition","reason":"OUT_OF_STOCK","domain":"orders","retryable":false}
	// 200 application/json
	// {"type":"https://errors.example.com/orders/OUT_OF_STOCK","title":"Item is out of stock","status":400,"code":"failed_precondition","reason":"OUT_OF_STOCK","domain":"orders","retry":"never","doc":"There are fewer than you ask for. Ask for less, or later."}
}

func ExampleServer_Health() {
	server, err := httpserver.New(http.NewServeMux(), httpserver.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	warm := false
	server.Health().Check("cache", func(context.Context) error {
		if !warm {
			return errors.Unavailable.New("The cache is not warm yet.")
		}
		return nil
	})
	server.Health().SetReady(true) // Run does this
	fmt.Println(server.Health().Ready(context.Background()))
	// Output: failing checks: cache
}

// call prints what a caller sees.
func call(method, url, body string) {
	if err := tryCall(method, url, body); err != nil {
		log.Fatal(err)
	}
}

func tryCall(method, url, body string) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	fmt.Printf("%d %s\n%s", res.StatusCode, res.Header.Get("Content-Type"), answer)
	return err
}
