# visor as the init of a virtual machine.

MUSL         := x86_64-unknown-linux-musl
MACHINE_DIR  := target/machine
MACHINE_BINS := $(MACHINE_DIR)/bin

.PHONY: test-machine
test-machine: ## boot a virtual machine with visor as its init, many times
	@tools/test-machine prepare
	@if tools/test-machine possible; then \
	    GATEWAY=no FEATURES=fault-injection tools/build-static prebuilt $(MUSL) $(MACHINE_BINS) && \
	    tools/test-machine run $(MACHINE_BINS)/visor $(MACHINE_BINS)/svc; \
	fi
