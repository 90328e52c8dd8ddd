# appnet beside other proxies that this machine has: make bench BENCH_ARGS="--quick"
# The system's own Python is enough, with nothing but its standard library.
BENCH_INTERPRETER = /usr/bin/python3
BENCH_ARGS =

EXTRA_PROGRAMS += tests/bench/load
tests_bench_load_SOURCES = tests/bench/load.c
CLEANFILES += $(EXTRA_PROGRAMS)

bench: all tests/bench/load$(EXEEXT)
	APPNET_BIN_DIR=$(abs_builddir) PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(abs_srcdir)/tests \
		$(BENCH_INTERPRETER) -m bench $(BENCH_ARGS)
.PHONY: bench

# Instructions and system calls a MiB and a new connection, which no busy machine changes.
COUNTS_ARGS =
counts: all
	APPNET_BIN_DIR=$(abs_builddir) PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(abs_srcdir)/tests \
		$(BENCH_INTERPRETER) -m bench.counts $(COUNTS_ARGS)
.PHONY: counts

EXTRA_DIST += \
	tests/bench/__init__.py tests/bench/__main__.py tests/bench/appnet.py tests/bench/chain.py \
	tests/bench/chart.py tests/bench/counts.py tests/bench/goals.py tests/bench/haproxy.py tests/bench/loads.py \
	tests/bench/machine.py tests/bench/nginx.py tests/bench/peer.py tests/bench/peers.py \
	tests/bench/place.py tests/bench/results.py tests/bench/rounds.py tests/bench/run.py \
	tests/bench/scale.py tests/bench/servers.py tests/bench/stunnel.py tests/bench/table.py \
	tests/bench/tree.py
