# SPDX-License-Identifier: LGPL-2.1-or-later
# A thin front of meson and ninja: meson.build says how things are built.
#
#   make                      build/userfault, which runs in place
#   make demo                 install what is missing, build, show that it works
#   make check                install what is missing, build, run all tests
#   make check SANITIZE=...   address,undefined or thread: in a build of their own
#   make fuzz                 the fuzzers, each for FUZZ_SECONDS (60)
#   make mutants              defects put into the engine, each of which the simulator has to find
#   make soak                 stress and seeds for an hour, or SOAK_MINUTES
#   make bench                measure, and write bench/results/latest.json and operations.json
#   make install              PREFIX (/usr/local) and DESTDIR are obeyed
#   make clean

BUILD = build
PREFIX = /usr/local
DESTDIR =
SANITIZE =
BENCH_ARGS =
SOAK_MINUTES = 60
FUZZ_SECONDS = 60

export SANITIZE

all:
	@tools/configure $(BUILD)
	@ninja -C $(BUILD)

demo:
	@tools/install-deps demo
	@tools/demo $(BUILD)

check:
	@tools/install-deps check
	@tools/check $(BUILD)

fuzz:
	@tools/install-deps check
	@tools/fuzz $(FUZZ_SECONDS)

mutants:
	@tools/install-deps check
	@tools/mutants

soak:
	@tools/install-deps check
	@tools/soak $(BUILD) $(SOAK_MINUTES)

bench: all
	@mkdir -p bench/results
	@$(BUILD)/bench/fault-bench --output=bench/results/latest.json $(BENCH_ARGS)
	@echo
	@$(BUILD)/bench/op-bench --output=bench/results/operations.json $(BENCH_ARGS)
	@echo; echo "wrote bench/results/latest.json and bench/results/operations.json"

# The prefix is compiled in: the tool looks there for the library that it preloads.
install:
	@tools/configure $(BUILD) -Dprefix=$(PREFIX)
	@ninja -C $(BUILD)
	@DESTDIR="$(DESTDIR)" meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) build-asan build-tsan build-aarch64 build-fuzz

.PHONY: all demo check fuzz mutants soak bench install clean
