module github.com/backend-platform/sdk/examples

go 1.26.0
