/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring and the profile maps are as large as what may come while nobody takes it: a second
 * at the highest rates in use, for as many servers as are watched, and no larger.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/internal.h"
#include "target/probe.h"

#define MIB (1 << 20)

/* Bytes of one record in the ring. */
static size_t in_ring(size_t bytes)
{
	return 8 + ((bytes + 7) & ~7UL);
}

static void holds_a_second(const struct room *room)
{
	size_t working = room->servers < room->cpus ? room->servers : room->cpus;
	size_t hz = room->fine_samples ? CPU_FINE_HZ : CPU_HZ;
	size_t bytes = room_ring_bytes(room), second = 0;

	if (room->samples)
		second += working * hz * in_ring(sizeof(struct redmem_sample));
	if (room->calls)
		second += room->servers * BURST_CALLS_HZ * in_ring(RING_BYTES(call));
	/* A stall opens and ends; each takes 5 ms of its server's time. */
	second += room->servers * 2 * 200 * in_ring(RING_BYTES(stall));
	assert_int_equal(bytes & (bytes - 1), 0);
	assert_int_equal(bytes % (64 << 10), 0); /* the largest page that a kernel may have */
	assert_true(bytes >= second);
	assert_true(bytes <= 2 * (second + room->servers * (256 << 10)));
}

static void test_ring(void **state)
{
	static const size_t servers[] = { 1, 2, 16, 64, REDMEM_TARGETS_MAX };
	static const size_t cpus[] = { 1, 2, 8, 128 };

	(void)state;
	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < 4; j++)
			for (int use = 0; use < 8; use++)
				holds_a_second(&(struct room){ .servers = servers[i],
							       .cpus = cpus[j],
							       .samples = use & 1,
							       .fine_samples = use & 2,
							       .calls = use & 4 });
}

/* What one server takes: of `doctor`, `stalls` and `alloc`. */
static void test_small(void **state)
{
	struct room room = { .servers = 1, .cpus = 64, .samples = true };

	(void)state;
	assert_in_range(room_ring_bytes(&room), 1, MIB);
	room.fine_samples = true;
	assert_in_range(room_ring_bytes(&room), 1, 2 * MIB);
	room = (struct room){ .servers = 1, .cpus = 64, .calls = true };
	assert_in_range(room_ring_bytes(&room), 1, MIB);
}

static void test_profiles(void **state)
{
	size_t before = 0;

	(void)state;
	for (size_t servers = 1; servers <= REDMEM_TARGETS_MAX; servers++) {
		struct room room = { .servers = servers, .cpus = 8 };
		size_t rows = room_profile_rows(&room), keyed = room_keyed_rows(&room);

		assert_true(rows > before);
		before = rows;
		/* Room is left for those without a key. */
		assert_true(keyed < rows && rows - keyed >= 1024);
	}
	assert_in_range(before, 16384, 16 * 16384);
}

/* A watch of months takes 4 MiB of the kernel's memory for these three, whatever there is; on a
 * small machine less. */
static void test_frugal(void **state)
{
	struct room room = { .servers = REDMEM_TARGETS_MAX,
			     .cpus = 128,
			     .samples = true,
			     .calls = true,
			     .frugal = true };
	size_t row = sizeof(struct redmem_profile_key) + sizeof(struct redmem_profile_value) + 64;
	size_t bytes = room_ring_bytes(&room) + 2 * room_profile_rows(&room) * row;

	(void)state;
	assert_in_range(bytes, 1, 4 * MIB);
	room.cpus = 2;
	bytes = room_ring_bytes(&room) + 2 * room_profile_rows(&room) * row;
	assert_in_range(bytes, 1, 5 * MIB / 2);
	/* What one calibrates with is as much for all as for a few. */
	assert_int_equal(room_calibrations(1, true), 1);
	assert_int_equal(room_calibrations(REDMEM_TARGETS_MAX, true), CALIBRATIONS_FRUGAL);
	assert_int_equal(room_calibrations(REDMEM_TARGETS_MAX, false), REDMEM_TARGETS_MAX);
	assert_true(room_keyed_rows(&room) < room_profile_rows(&room));
}

/* As many as there is room for have slots of their own, the next one waits until one is done. */
static void test_turns(void **state)
{
	static struct redmem_target target;
	static struct engine e;
	struct sensors s = { .engine = &e, .bpf = (struct redmem_bpf *)&e, .target = &target };
	struct probe_slots slots[CALIBRATIONS_FRUGAL], more;
	uint64_t used = 0;

	(void)state;
	pthread_mutex_init(&e.lock, NULL);
	e.config = (struct engine_config){ .servers = REDMEM_TARGETS_MAX, .frugal = true };
	for (size_t i = 0; i < CALIBRATIONS_FRUGAL; i++) {
		assert_int_equal(sensors_probe_slots(&s, &slots[i]), 0);
		for (size_t n = 0; n < CALIBRATION_SLOTS; n++) {
			assert_false(used >> (slots[i].first + n) & 1);
			used |= 1ULL << (slots[i].first + n);
		}
	}
	assert_int_equal(sensors_probe_slots(&s, &more), -EBUSY);
	sensors_probe_slots_end(&s, &slots[3]);
	assert_int_equal(sensors_probe_slots(&s, &more), 0);
	assert_int_equal(more.first, slots[3].first);
	s.bpf = NULL;
	assert_int_equal(sensors_probe_slots(&s, &more), -ENODATA);
	pthread_mutex_destroy(&e.lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),	 cmocka_unit_test(test_small),
		cmocka_unit_test(test_profiles), cmocka_unit_test(test_frugal),
		cmocka_unit_test(test_turns),
	};

	return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
