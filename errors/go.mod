module github.com/backend-platform/sdk/errors

go 1.26.0
