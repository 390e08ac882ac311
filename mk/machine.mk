# visor as the init of a virtual machine.

MUSL         := x86_64-unknown-linux-musl
MACHINE_DIR  := target/machine
MACHINE_BINS := $(MACHINE_DIR)/build/$(MUSL)/release

.PHONY: test-machine
test-machine: ## boot a virtual machine with visor as its init, many times
	@tools/test-machine prepare
	@if tools/test-machine possible; then \
	    $(CARGO) build --locked --release --target $(MUSL) --features fault-injection \
	        --target-dir $(MACHINE_DIR)/build && \
	    tools/test-machine run $(MACHINE_BINS)/visor $(MACHINE_BINS)/svc; \
	fi
