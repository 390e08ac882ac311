# Static binaries for musl, their sizes, and what else can be built or checked for other machines.

TARGET ?= x86_64-unknown-linux-musl

STATIC := target/static/$(TARGET)
TINY   := target/tiny/$(TARGET)

# What visor and svc may take together, and visor-http alone, in bytes; docs/size.md has the figures.
STATIC_LIMIT  := 1153433
GATEWAY_LIMIT := 2621440
TINY_LIMIT    := 860160

FOREIGN := aarch64-unknown-linux-musl armv7-unknown-linux-musleabihf riscv64gc-unknown-linux-musl

.PHONY: static tiny check-size check-reproducible check-static test-static smoke-cross check-portable

static: ## build static binaries, TARGET=… for another machine, into target/static/TARGET
	@tools/build-static prebuilt $(TARGET) $(STATIC)

tiny: ## the same with a standard library built for size, into target/tiny/TARGET
	@tools/build-static tiny $(TARGET) $(TINY)

check-size: static tiny ## check that the static binaries are within their limits
	@code=0; \
	tools/check-size static $(STATIC_LIMIT) $(STATIC)/visor $(STATIC)/svc || code=1; \
	tools/check-size gateway $(GATEWAY_LIMIT) $(STATIC)/visor-http || code=1; \
	tools/check-size tiny $(TINY_LIMIT) $(TINY)/visor $(TINY)/svc || code=1; \
	exit $$code

check-reproducible: static ## build the static binaries again elsewhere, and compare
	@tools/check-reproducible $(TARGET) $(STATIC)

check-static: static tiny ## run the static binaries in empty roots, with users and without
	@tools/check-static $(STATIC)
	@tools/check-static $(TINY)

test-static: static tiny ## run the black-box tests against the static binaries
	@tools/test-static $(STATIC)/visor-http $(STATIC) $(TINY)

smoke-cross: static ## build for the other processors, and run those binaries under qemu-user
	@tools/prepare-cross
	@code=0; for target in $(FOREIGN); do \
		GATEWAY=no tools/build-static prebuilt $$target target/static/$$target; built=$$?; \
		[ $$built = 3 ] && continue; \
		[ $$built = 0 ] && tools/smoke-cross $$target target/static/$$target $(STATIC)/visor || code=1; \
	done; exit $$code

check-portable: ## check that FreeBSD and macOS would compile
	@tools/check-portable
