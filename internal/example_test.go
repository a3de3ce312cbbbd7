package internal_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/backend-platform/sdk/internal/logctx"
	"github.com/backend-platform/sdk/internal/redact"
)

func Example() {
	ctx := logctx.With(context.Background(), slog.String("http.route", "/orders/{id}"))
	fmt.Println(logctx.Append(ctx, nil))

	u, err := url.Parse("https://example.com/orders?page=2&access_token=abc")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(redact.URL(u))
	// Output:
	// [http.route=/orders/{id}]
	// https://example.com/orders?page=2&access_token=REDACTED
}
