# One makefile for the whole repository; `make` prints the targets.

MODPROXY = GOWORK=off go -C tools run ./cmd/modproxy

.PHONY: tidy
tidy: ## complete go.mod and go.sum of every module (MODULE=kafka: of one) and go.work's replaces
	@$(MODPROXY) tidy $(ARGS) $(MODULE)

.PHONY: test-standalone
test-standalone: ## build, vet and test each module (MODULE=kafka: one) without the workspace, siblings at HEAD
	@$(MODPROXY) test $(MODULE)
