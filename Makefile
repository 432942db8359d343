# SPDX-License-Identifier: BSD-2-Clause
#
# Builds redmem. Everything made goes to build/ (build-san/ with SAN=1, build-arm64/
# with ARCH=arm64), so `make clean` is rm. Files are found by wildcard: a new source,
# BPF program or test needs no line here.
#
#	V=1		print the commands
#	SAN=1		build with ASan and UBSan; SAN=thread: with TSan, in build-tsan/
#	ARCH=arm64	build for that machine on another, against the libraries in SYSROOT
#			(tools/deps arm64 puts both there); no native build needs it
#	FUZZ=1		the same by clang, with libFuzzer: the targets of tests/fuzz
#	WERROR=		do not stop at warnings
#	PREFIX, DESTDIR	where `make install` puts things
#	SYSCONFDIR	where the configuration is (/etc)
#	ZSH_FUNCTIONS	where completion for zsh is looked for
#	DYGRAPHS	where that library is, which draws charts in pages (libjs-dygraphs); a
#			tarball of `make dist` brings it

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.DEFAULT_GOAL := all

ifndef VERSION
VERSION := $(shell tools/version)
endif
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
ZSH_FUNCTIONS ?= $(PREFIX)/share/zsh/site-functions
DYGRAPHS ?= $(firstword $(wildcard dygraphs) /usr/share/javascript/dygraphs)
SYSROOT ?= $(if $(ARCH),/var/cache/redmem-$(ARCH))
compiler := $(if $(FUZZ),clang,$(if $(ARCH),aarch64-linux-gnu-gcc --sysroot=$(SYSROOT),gcc))
CC := $(if $(filter default,$(origin CC)),$(compiler),$(CC))
AR := $(if $(ARCH),aarch64-linux-gnu-ar,$(AR))
CLANG ?= clang
# Ubuntu's /usr/sbin/bpftool is a script that wants the tools of the very kernel
# that runs; those of any other kernel do as well.
BPFTOOL ?= $(firstword $(foreach tool,bpftool $(wildcard /usr/sbin/bpftool \
	/usr/lib/linux-tools/*/bpftool),$(shell $(tool) version >/dev/null 2>&1 && echo $(tool))) \
	bpftool)

plain := build$(ARCH:%=-%)
B := $(if $(FUZZ),build-fuzz,$(plain)$(if $(SAN),$(if $(filter thread,$(SAN)),-tsan,-san)))
# BPF programs and their skeleton are the same with and without SAN.
GEN := $(plain)/gen

Q := $(if $(V),,@)
silent := $(findstring s,$(firstword -$(MAKEFLAGS)))
say = $(if $(silent)$(V),,@printf '  %-8s%s\n' $(1) $(2))

# What is built for, by the compiler's word.
machine := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
bpf_arch := $(or $(if $(filter x86_64,$(machine)),x86),$(if $(filter aarch64,$(machine)),arm64),\
	$(error redmem is for x86-64 and arm64; $(CC) compiles for $(machine)))
triple := $(shell $(CC) -print-multiarch)

# Sanitizers make the compiler warn of what is not there; the plain build decides.
WERROR ?= $(if $(SAN)$(FUZZ),,-Werror)
CFLAGS ?= -O2 -g
warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(WERROR)
ifeq ($(SAN),thread)
sanitize := -fsanitize=thread -fno-omit-frame-pointer -DSANITIZED
else ifneq ($(SAN)$(FUZZ),)
sanitize := -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-DSANITIZED $(if $(FUZZ),-fsanitize=fuzzer-no-link -w)
endif
# So that what is made is the same wherever the sources are.
nowhere := -ffile-prefix-map=$(CURDIR)=.
all_cppflags = -Isrc -Iinclude -isystem $(GEN) $(CPPFLAGS)
all_cflags = -std=gnu11 $(warnings) $(CFLAGS) $(nowhere) $(sanitize)
libs := -lbpf -ldw -lelf -lseccomp -lz -lzstd -lhiredis -lssl -lcrypto -ljansson -lcap-ng -lsqlite3 -lmicrohttpd \
	-lgnutls -lnettle -lyaml -lcrypt -lprotobuf-c -lcurl -lncursesw -ltinfo -lm -lpthread
bpf_cflags := -g -O2 $(nowhere) -target bpf -mcpu=v3 -D__TARGET_ARCH_$(bpf_arch) -Iinclude -Ivmlinux \
	-I$(SYSROOT)/usr/include/$(triple) -Wall $(WERROR)

# The experiment's child is a file of its own inside redmem.
child := src/target/experiment_child.c
sources := $(filter-out src/app/main.c $(child),$(wildcard src/*/*.c))
programs := $(wildcard src/app/main.c)
bpf_sources := $(wildcard bpf/*.bpf.c)
unit_sources := $(wildcard tests/unit/test_*.c)
# They, or the server they talk to, start threads. (test_smaps judges its own mappings, of which
# the sanitizer has many.)
threaded := $(filter-out %/test_smaps,$(patsubst %.c,$(B)/%,\
	$(shell grep -l 'pthread_create\|fake_server' $(unit_sources))))
unit_helpers := $(filter-out $(unit_sources),$(wildcard tests/unit/*.c))
load_sources := $(wildcard tests/load/*.c)

lib := $(B)/libredmem.a
redmem := $(if $(programs),$(B)/redmem)
skeleton := $(if $(bpf_sources),$(GEN)/redmem.skel.h)
objects := $(sources:%.c=$(B)/%.o)
# Messages of protocol buffers, by protoc-c.
messages := $(patsubst src/%.proto,%,$(wildcard src/*/*.proto))
message_headers := $(messages:%=$(GEN)/%.pb-c.h)
message_objects := $(messages:%=$(B)/gen/%.pb-c.o)
units := $(unit_sources:%.c=$(B)/%)
load := $(if $(load_sources),$(B)/tests/load/load)
streams := $(B)/tests/bench/streams
past := $(B)/tests/bench/history
scenarios := $(B)/tests/bench/scenarios
ratio := $(B)/tests/bench/ratio
# Targets of the fuzzer, what they share, two programs of their own, and one that has the targets
# without libFuzzer, each by its name.
fuzz_helpers := tests/fuzz/file.c tests/fuzz/told.c tests/unit/every_report.c
fuzz_programs := tests/fuzz/every.c tests/fuzz/seeds.c
fuzz_targets := $(filter-out $(fuzz_helpers) $(fuzz_programs) tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))
fuzz := $(patsubst %.c,$(B)/%.o,$(fuzz_targets) $(fuzz_programs) $(fuzz_helpers))
replay := $(if $(SAN),$(B)/tests/fuzz/replay $(B)/tests/fuzz/seeds)

##@ Building
all: $(lib) $(redmem) ## build redmem (the default)
tests: all $(units) $(load) $(streams) $(past) $(scenarios) $(ratio) $(fuzz) $(replay) ## build redmem and the programs of the tests

$(lib): $(objects) $(message_objects)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/redmem: $(B)/src/app/main.o $(lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(LDFLAGS) -o $@ $^ $(libs)

# One file that asks the system it runs on for no library: `make static`. What is different in it is
# found before the library's.
static := build/static
static_objects := $(static)/main.o $(static)/web_tls.o $(static)/debug_files.o
static_archives := $(static)/lib/libmicrohttpd.a $(static)/lib/libcurl.a
static_libs := $(static_archives) $(filter-out -lmicrohttpd -lgnutls -lcurl,$(libs)) -llzma -lbz2
$(static_archives) &:
	$(call say,LIBS,$(static)/lib)
	$(Q)tools/packaging/static-libraries $(static)/lib
$(static_objects): $(static)/%.o: src/app/%.c Makefile $(GEN)/version | $(skeleton)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(all_cflags) $(all_cppflags) -DREDMEM_STATIC -DREDMEM_VERSION='"$(VERSION)"' -MD -MP -c -o $@ $<
$(static)/redmem: $(static_objects) $(lib) $(static_archives)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(LDFLAGS) -static-pie -Wl,--strip-debug -o $@ $(static_objects) $(lib) $(static_libs)

$(units): $(B)/%: $(B)/%.o $(unit_helpers:%.c=$(B)/%.o) $(lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(LDFLAGS) -o $@ $^ -lcmocka $(libs)

# What the parser says of streams, for comparison with servers.
$(streams): $(B)/tests/bench/streams.o $(lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(LDFLAGS) -o $@ $^ $(libs)

# The history of a server that is not there.
$(past): $(B)/tests/bench/history.o $(lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(LDFLAGS) -o $@ $^ $(libs)

# Scenarios of the lab against one server.
$(scenarios): $(B)/tests/bench/scenarios.o $(lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(LDFLAGS) -o $@ $^ $(libs)

# Ratios of pairs, as the lab has them.
$(ratio): $(B)/tests/bench/ratio.o $(lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(LDFLAGS) -o $@ $^ $(libs)

# The workloads of live tests and bench: one program that knows nothing of redmem.
$(load): $(load_sources:%.c=$(B)/%.o)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(LDFLAGS) -o $@ $^ -lhiredis -lm -lpthread

# libFuzzer has a main() for targets.
$(fuzz_targets:%.c=build-fuzz/%): fuzzer := -fsanitize=fuzzer
$(fuzz_targets:%.c=build-fuzz/%) $(fuzz_programs:%.c=$(B)/%): %: %.o $(fuzz_helpers:%.c=$(B)/%.o) $(lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) $(fuzzer) $(LDFLAGS) -o $@ $^ $(libs)

ifndef FUZZ
$(fuzz_targets:%.c=$(B)/%.o): all_cppflags += -DLLVMFuzzerTestOneInput=fuzz_$(basename $(@F))
endif
$(B)/tests/fuzz/replay: $(patsubst %.c,$(B)/%.o,tests/fuzz/replay.c $(fuzz_targets) $(fuzz_helpers)) $(lib)
	$(call say,LINK,$@)
	$(Q)$(CC) $(all_cflags) -rdynamic $(LDFLAGS) -o $@ $^ $(libs)

# BPF programs as a part of a test, with headers of its own in place of libbpf's.
$(B)/tests/unit/test_bpf_flow.o $(B)/tests/unit/test_bpf_caches.o: all_cppflags += -Itests/unit/kernel -Ivmlinux -D__TARGET_ARCH_$(bpf_arch)

# What is made comes first: who includes it is known only after compiling.
$(B)/%.o: %.c Makefile | $(skeleton) $(message_headers)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(all_cflags) $(all_cppflags) -MD -MP -c -o $@ $<

# With another version nothing but that is made anew.
$(B)/src/app/main.o: all_cppflags += -DREDMEM_VERSION='"$(VERSION)"'
$(B)/src/app/main.o: $(GEN)/version
$(GEN)/version: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@

$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h: src/%.proto
	$(call say,PROTO,$@)
	$(Q)mkdir -p $(@D)
	$(Q)protoc-c --proto_path=src --c_out=$(GEN) $<

$(message_objects): $(B)/gen/%.o: $(GEN)/%.c
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(CFLAGS) $(nowhere) $(sanitize) -I$(GEN) -c -o $@ $<

# Without a C library, so that it starts under any.
$(GEN)/experiment_child.so: $(child) src/target/experiment.h Makefile
	$(call say,CHILD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(warnings) -O2 -Isrc -ffreestanding -fno-stack-protector -fPIC \
		-nostdlib -shared -s -Wl,-e,child_start -Wl,--hash-style=both -Wl,-z,now \
		-Wl,-z,noexecstack -Wl,--build-id=none -o $@ $<

$(GEN)/experiment_child.inc: $(GEN)/experiment_child.so
	$(Q){ echo 'static const unsigned char experiment_child[] = {'; \
		od -An -v -tu1 $< | sed 's/[0-9][0-9]*/&,/g'; echo '};'; } >$@

$(B)/src/target/experiment.o: $(GEN)/experiment_child.inc

# What is the same in every page: see src/report/html.h. The lines left out would have a
# debugger fetch something.
page := src/report/page
dygraphs := $(DYGRAPHS)/dygraph.min.css $(DYGRAPHS)/dygraph.min.js
$(dygraphs):
	@echo "$@ is not there: install libjs-dygraphs (tools/deps build does)" >&2; exit 1
# The tarball's own is the one that was put there.
ifneq ($(wildcard $(DYGRAPHS)/SHA256SUMS),)
$(GEN)/page.css $(GEN)/page.js: $(GEN)/dygraphs.right
$(GEN)/dygraphs.right: $(DYGRAPHS)/SHA256SUMS $(dygraphs)
	$(Q)mkdir -p $(@D)
	$(Q)cd $(DYGRAPHS) && sha256sum --quiet --check SHA256SUMS
	$(Q)touch $@
endif

$(GEN)/page.css: $(DYGRAPHS)/dygraph.min.css $(page)/page.css
$(GEN)/page.js: $(DYGRAPHS)/dygraph.min.js $(sort $(wildcard $(page)/*.js))
$(GEN)/page.css $(GEN)/page.js: Makefile
	$(Q)mkdir -p $(@D)
	$(Q)for part in $(filter %.css %.js,$^); do \
		sed '/# sourceMappingURL=/d' $$part && echo || exit 1; done >$@

$(GEN)/page.inc: $(page)/page.html $(GEN)/page.css $(GEN)/page.js
	$(call say,PAGE,$@)
	$(Q){ set -e; for part in skeleton:$(page)/page.html style:$(GEN)/page.css script:$(GEN)/page.js; do \
		echo "static const unsigned char page_$${part%%:*}[] = {"; \
		od -An -v -tu1 $${part#*:} | sed 's/[0-9][0-9]*/&,/g'; echo '0};'; done; } >$@

$(B)/src/report/html.o: $(GEN)/page.inc

$(plain)/bpf/%.bpf.o: bpf/%.bpf.c Makefile
	$(call say,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(bpf_cflags) -MMD -MP -c -o $@ $<

# Linking drops DWARF and keeps BTF, so no strip is needed.
$(GEN)/redmem.bpf.o: $(bpf_sources:%.bpf.c=$(plain)/%.bpf.o)
	$(call say,BPFLINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen object $@ $^

$(GEN)/redmem.skel.h: $(GEN)/redmem.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name redmem_bpf >$@

fuzzers: $(patsubst %.c,build-fuzz/%,$(fuzz_targets) $(fuzz_programs)) # with FUZZ=1

##@ Testing
test: ; $(Q)+tests/run ## run every test: unit, golden, live, lint
unit: ; $(Q)+tests/run unit/ unit-san/ ## run the unit tests, plain and with sanitizers
threads: ## run the unit tests that start threads, under ThreadSanitizer
	$(Q)$(MAKE) -s SAN=thread threaded
threaded: $(threaded)
	$(Q)for test in $^; do echo $$test; $$test || exit 1; done
golden: ; $(Q)+tests/run golden/ ## replay recordings and compare the reports
live: ; $(Q)+tests/run live/ ## run the tests that take a real server and root
lint: ; $(Q)+tests/run lint/ ## check style, rooms, scripts; run the static analyser
kernels: all $(load) ; $(Q)tests/kernels/run ## boot other kernels in qemu and watch there
bench: all $(load) $(ratio) ## measure what watching costs the server
	$(Q)tests/bench/run
	$(Q)tests/bench/keys
serve-bench: all $(load) $(ratio) ; $(Q)tests/bench/serve ## measure what redmem serve costs, the server and itself
pauses: all $(load) ; $(Q)tests/bench/pauses ## measure how long a client waits for redmem's probes
own-commands: all $(load) ; $(Q)tests/bench/commands ## measure what redmem's own commands take
rdb-bench: all $(ratio) ; $(Q)tests/bench/rdb ## measure how fast dumps are read, and in what memory
fuzz: ; $(Q)tests/fuzz/run ## give what reads bytes of others any bytes, with sanitizers (EACH= seconds)
rdb-fuzz: ; $(Q)tests/fuzz/rdb ## read dumps that are hurt, with sanitizers
rdb-live: all $(load) ; $(Q)tests/bench/rdb-live ## hold what a busy server sends, a pipe and gzip against the file
rdb-servers: all $(load) $(streams) ; $(Q)tests/bench/rdb-servers ## hold dumps against the servers (SERVERS=) that wrote them
history-size: $(past) ; $(Q)tests/bench/history-size ## measure what a day and a month of history take (DAYS=)
history-kill: $(past) ; $(Q)tests/bench/history-kill ## kill the writer of the history RUNS times
bytes: all $(load) ; $(Q)tests/bench/bytes ## measure how right the bytes by prefix are
key-sizes: all ; $(Q)tests/bench/key-sizes ## hold the sizes of KEYS random keys against used_memory
metrics-peer: all ; $(Q)tests/bench/metrics-peer ## hold shared metrics beside redis_exporter's
metrics-sums: all ; $(Q)tests/bench/metrics-sums ## hold sums of metrics against jemalloc's own count
soak: ; $(Q)tests/soak/suite ## run the suite twice beside stress-ng
many-servers: all $(load) ; $(Q)tests/soak/servers ## watch 16 servers for RUNS minutes
serve-restarts: all ; $(Q)tests/soak/restarts ## watch servers that restart for RUN_SECONDS: does anything grow?
post-mortem: all $(load) ; $(Q)tests/soak/post-mortem ## let RUNS servers be killed by their cgroup's limit: is it told?
serve-prometheus: all $(load) ; $(Q)tests/soak/prometheus ## hold serve, rules and dashboard against a real Prometheus
serve-capabilities: all $(load) ; $(Q)tests/soak/capabilities ## is each capability of the unit needed?
redis-tests: all ; $(Q)tests/soak/redis-tests ## run Redis's and Valkey's own tests (TREE=) beside redmem
attachments: all $(load) ; $(Q)tests/soak/attachments ## come and go a thousand times: is anything left, does anything grow?
matrix: all $(load) ; $(Q)tests/matrix/run ## look at every kind of server (SERVERS=): is redmem right?
truth: all $(load) ; $(Q)tests/scenarios/truth ## run every scenario RUNS times in all: is redmem right?
past-truth: all $(load) ; $(Q)PAST=1 tests/scenarios/truth ## hold redmem report --at against RUNS troubles that were made
stacks: all $(load) ; $(Q)tests/stacks/run ## hold the stacks of samples against perf's
unwatched: all $(load) ## measure what an event of a process that is not watched costs
	$(Q)tests/bench/unwatched
profiles: all ; $(Q)tests/profiles/run ## hold profiles against go tool pprof and speedscope; plant RUNS leaks
reproducible: ; $(Q)tests/packages/reproducible ## build twice, in different folders: is it the same?
packages: ; $(Q)tests/packages/run ## install the package, and run the static file, in bare roots of RELEASES
guest-service: deb ; $(Q)tests/packages/systemd ## start, reload, stop and hang the service under a systemd in qemu
top: all $(load) ; $(Q)tests/top/run ## look at redmem top in tmux: sizes, signals, hostile names, what it costs
mcp-client: all $(past) ; $(Q)tests/mcp/run ## let the Model Context Protocol's own SDK (npm) talk to redmem mcp
redaction: all ; $(Q)tests/redaction/run ## look for NAMES planted names in all that --redact prints, keeps and sends, RUNS times
page: all ; $(Q)tests/page/run ## look at reports as pages in a real Chromium (npm's playwright-core drives it)
lab-kill: all ; $(Q)tests/lab/kill ## end RUNS labs at random moments: is everything undone?
lab-truth: all ; $(Q)tests/lab/truth ## run labs (KIND=, RUNS=, LIMIT=) of which the truth is known: are they right?
demo: all ## diagnose a private redis-server with known troubles
	$(Q)$(redmem) demo

##@ Keeping house
format: ## bring the sources to the house style
	$(Q)tests/lint/format.sh --fix
clean: ## remove everything made
	$(Q)rm -rf build build-san build-tsan build-fuzz build-arm64
man: all ## make the manual pages, in build/man
	$(Q)tools/man $(redmem) build/man
install: man ## install redmem, its manual, service and monitoring under PREFIX
	$(Q)install -D -m 755 $(redmem) $(DESTDIR)$(PREFIX)/bin/redmem
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 build/man/*.1
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 build/man/*.5
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man7 build/man/*.7
	$(Q)install -D -m 644 tools/completion.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/redmem
	$(Q)install -D -m 644 tools/completion.zsh $(DESTDIR)$(ZSH_FUNCTIONS)/_redmem
	$(Q)install -D -m 644 tools/completion.fish \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/redmem.fish
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/redmem LICENSE tools/packaging/containers.conf
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/redmem tools/monitoring/*
	$(Q)install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/redmem/lab tools/lab/*
	$(Q)install -D -m 644 tools/packaging/redmem.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/redmem.conf
	$(Q)install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	$(Q)sed 's|/usr/local/bin/|$(PREFIX)/bin/|' tools/packaging/redmem.service \
		>$(DESTDIR)$(PREFIX)/lib/systemd/system/redmem.service
	$(Q)test -e $(DESTDIR)$(SYSCONFDIR)/redmem/redmem.conf || install -D -m 600 tools/packaging/redmem.conf \
		$(DESTDIR)$(SYSCONFDIR)/redmem/redmem.conf
deb: dist ## make the Debian package of this machine's release, in build/deb; lintian looks at it
	$(Q)tools/packaging/deb $(tarball) build/deb
static: $(static)/redmem ## link redmem as one file that runs in any root
tarball = build/dist/redmem-$(VERSION).tar.gz
dist: $(dygraphs) ## pack the sources and all that a build takes from elsewhere, in build/dist
	$(Q)mkdir -p $(dir $(tarball))
	$(Q)tools/packaging/dist $(VERSION) $(DYGRAPHS) $(tarball)
	@echo $(tarball)
help: ## print this
	@awk -F ':.*## ' '/^##@/ { print substr($$0, 5) ":" } \
		/^[a-z-]+:.*## / { printf "  %-13s%s\n", $$1, $$2 }' Makefile

.PHONY: all tests test unit threads threaded golden live lint kernels bench serve-bench serve-restarts unwatched pauses own-commands history-size history-kill bytes metrics-peer metrics-sums rdb-bench fuzz fuzzers rdb-fuzz rdb-live rdb-servers stacks matrix truth soak many-servers serve-prometheus serve-capabilities redis-tests mcp-client page profiles top past-truth post-mortem redaction lab-kill lab-truth attachments demo format clean man install help
.PHONY: FORCE static dist deb reproducible packages guest-service

# What was unpacked for the tests has directories of that name.
-include $(shell find build build-san build-tsan build-fuzz build-arm64 \( -path build/servers -o -path build/packages -o -path build/guest-service -o -path build/deb \) -prune -o -type f -name '*.d' -print 2>/dev/null)
