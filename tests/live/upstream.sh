# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A redis-server as upstream builds it, with the allocator that comes in its source: it
# can defragment, and has the allocator's internal symbols. Made from the distribution's
# source package without its patches. Sourced behind lib.sh;
#
#	upstream_build || skip_all "no server with its own allocator: $upstream_reason"
#	server=$upstream
#
# Built once into build/upstream and used again; `make clean` removes it.
# shellcheck disable=SC2034,SC2154 # the tests use what is set here; lib.sh sets root and work

upstream=$root/build/upstream/redis-server
upstream_reason=

# Only the server is built, in the directory it is called in.
upstream_make()
{
	upstream_reason="its source package cannot be had"
	"$root/tools/apt-source" redis . >>"$work/upstream.log" 2>&1 || return 1
	upstream_reason="the source package has no allocator in it"
	[ -e deps/jemalloc/configure ] || return 1
	upstream_reason="it does not build"
	MAKEFLAGS='' make -C src -j"$(nproc)" MALLOC=jemalloc BUILD_TLS=no OPTIMIZATION=-O2 \
		redis-server >>"$work/upstream.log" 2>&1 || return 1
	# In its place at once and whole.
	mkdir -p "$root/build/upstream"
	mv src/redis-server "$upstream.new" && mv "$upstream.new" "$upstream"
}

# Sets upstream to the program. Fails, with the reason in upstream_reason, where the source
# or a compiler is not to be had, or where the package has no allocator in it.
upstream_build()
{
	[ ! -x "$upstream" ] || return 0
	mkdir -p "$work/upstream" && cd "$work/upstream" || return 1
	upstream_make
	upstream_made=$?
	cd "$root" || return 1
	rm -rf "$work/upstream"
	return $upstream_made
}
