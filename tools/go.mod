module github.com/backend-platform/sdk/tools

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	golang.org/x/mod v0.42.0
)

require go.yaml.in/yaml/v3 v3.0.5
