/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the static analyser only (cppcheck.sh), which does not read the headers
 * of libraries: what their macros do, as far as it changes the flow of control
 * or of values. Without it the analyser gives up on a file or takes variables
 * these macros set for uninitialised ones.
 */
#pragma once

/* uthash */
#define HASH_ITER(hh, head, el, tmp) \
	for ((el) = (head); (el) && ((tmp) = (el)->hh.next, 1); (el) = (tmp))
#define HASH_FIND(hh, head, key, len, out) ((out) = lint_find((head), (key), (len)))
#define HASH_FIND_STR(head, key, out)	   ((out) = lint_find((head), (key), 0))

/* jansson */
#define json_array_foreach(array, index, value) \
	for ((index) = 0; ((value) = json_array_get((array), (index))); (index)++)
#define json_object_foreach(object, key, value)                                               \
	for ((key) = lint_key(object); (key) && ((value) = json_object_get((object), (key))); \
	     (key) = lint_next_key((object), (key)))

/* libbpf */
#define LIBBPF_OPTS(type, name, ...) struct type name = { .sz = sizeof(struct type), __VA_ARGS__ }
#define bpf_object__for_each_program(pos, obj)                     \
	for ((pos) = bpf_object__next_program((obj), NULL); (pos); \
	     (pos) = bpf_object__next_program((obj), (pos)))
