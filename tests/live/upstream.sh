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

# An apt configuration of our own, so that the machine's stays as it is: the source of
# this release, asked for source packages.
upstream_apt()
{
	apt=$work/apt
	mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
	# shellcheck source=/dev/null
	"$root/tools/apt-entry" "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" deb-src \
		"$apt/parts/source" >>"$work/upstream.log" 2>&1
}

upstream_get() # APT-GET ARGUMENT...
{
	apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/parts" \
		-o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" \
		-o APT::Sandbox::User=root "$@" >>"$work/upstream.log" 2>&1
}

# Only the server is built, in the directory it is called in.
upstream_make()
{
	upstream_reason="its source package cannot be had"
	upstream_apt && upstream_get update &&
		upstream_get source --download-only redis || return 1
	tar -xf redis_*.orig.tar.* --strip-components=1 2>>"$work/upstream.log" || return 1
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
