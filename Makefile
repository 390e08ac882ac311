# Everything that is done with this project: `make help`.

CARGO   ?= cargo
INSTALL ?= install
DESTDIR ?=
prefix  ?= /usr/local
bindir  ?= $(prefix)/bin
docdir  ?= $(prefix)/share/doc/visor

RELEASE := target/release

.DEFAULT_GOAL := help
.PHONY: help build run test test-load lint install clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

build: ## build visor, svc and visor-http, small, into target/release
	$(CARGO) build --release --locked

run: build ## start visor as PID 1 of a new namespace on examples/demo.conf
	@tools/demo $(RELEASE)/visor $(RELEASE)/svc examples/demo.conf

test: ## run every test; what they need is installed first where that is possible
	@tools/prepare-tests
	@# Some press Ctrl-C, which is ignored by what a shell without job control starts in the background.
	env --default-signal=INT,QUIT $(CARGO) test --locked --no-fail-fast

test-load: build ## 10,000 events a second through the release binary, alone, with the figures
	VISOR_BIN=$(CURDIR)/$(RELEASE)/visor SVC_BIN=$(CURDIR)/$(RELEASE)/svc \
		$(CARGO) test --locked --test events load::ten_thousand -- --nocapture

lint: ## check format, clippy with warnings denied, and the house rules
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@tools/check-house

# Names under which visor, and then svc, stand in for Supervisor's programs.
ALIASES       ?=
VISOR_ALIASES := supervisord pidproxy echo_supervisord_conf
SVC_ALIASES   := supervisorctl

install: build ## install under $(DESTDIR)$(prefix); ALIASES=1 links Supervisor's names, too
	$(INSTALL) -d "$(DESTDIR)$(bindir)" "$(DESTDIR)$(docdir)/examples"
	$(INSTALL) -m 755 $(RELEASE)/visor $(RELEASE)/svc $(RELEASE)/visor-http "$(DESTDIR)$(bindir)"
ifeq ($(ALIASES),1)
	for name in $(VISOR_ALIASES); do ln -sf visor "$(DESTDIR)$(bindir)/$$name"; done
	for name in $(SVC_ALIASES); do ln -sf svc "$(DESTDIR)$(bindir)/$$name"; done
endif
	$(INSTALL) -m 644 README.md CHANGELOG.md LICENSE "$(DESTDIR)$(docdir)"
	$(INSTALL) -m 644 examples/*.conf "$(DESTDIR)$(docdir)/examples"

include mk/machine.mk

clean: ## delete everything that was built
	$(CARGO) clean

include mk/static.mk
include mk/container.mk
