# visor in real containers.

CONTAINER_TARGET := x86_64-unknown-linux-musl

.PHONY: test-container
test-container: ## run visor in containers built from container/*.Dockerfile
	@$(MAKE) --no-print-directory static TARGET=$(CONTAINER_TARGET)
	@tools/test-container target/static/$(CONTAINER_TARGET)
