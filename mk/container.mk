# visor in real containers.

CONTAINER_TARGET := x86_64-unknown-linux-musl
CONTAINER_BINS   := target/static/$(CONTAINER_TARGET)

.PHONY: test-container
test-container: ## run visor in containers built from container/*.Dockerfile
	@if grep -qs '^static:' $(MAKEFILE_LIST); then $(MAKE) --no-print-directory static TARGET=$(CONTAINER_TARGET); else \
	    $(CARGO) build --release --locked --target $(CONTAINER_TARGET) && \
	    $(INSTALL) -D -t $(CONTAINER_BINS) target/$(CONTAINER_TARGET)/release/visor target/$(CONTAINER_TARGET)/release/svc; fi
	@tools/test-container $(CONTAINER_BINS)
