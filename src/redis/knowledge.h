/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What differs between servers, as tables: by product and version where the server cannot
 * be asked, by name where its own answer is the key. Pure. What calibration finds out in a
 * running server (target/calibrate.h) checks these tables and wins over them.
 *
 * Sources: the servers' own src/ of Redis 5.0 to 8.0 and Valkey 7.2 to 9.1, and what is
 * said at a row.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redmem/object.h"
#include "redmem/tables.h"

/* --- products and versions -------------------------------------------------- */

enum server_product { PRODUCT_REDIS, PRODUCT_VALKEY };

struct server_release {
	enum server_product product;
	int major, minor; /* 0.0 = not known */
};

/* @server is "redis" or "valkey", @version as INFO says it ("9.1.2"); "" = not known. */
struct server_release server_release_of(const char *server, const char *version);
/* Is it @product, and @major.@minor or later? */
bool server_is(const struct server_release *release, enum server_product product, int major,
	       int minor);

/* --- objects ------------------------------------------------------------------ */

/* How this release lays the head of an object out; the newest layout of the product when
 * its version is not known. */
struct redmem_object_layout knowledge_object_layout(const struct server_release *release);

/*
 * Layout number @i of all that are known, for who cannot ask for the version; false behind
 * the last.
 */
bool knowledge_object_layout_at(size_t i, struct redmem_object_layout *layout);

/*
 * Where the text of the string object with the head @head (its first 8 bytes) begins, from
 * the object's address; 0 when a pointer leads to it, -1 when it is no string or its text
 * lies behind a key.
 */
int object_text_offset(const struct redmem_object_layout *layout, uint64_t head);
/* How many references the object has. */
uint32_t object_references(const struct redmem_object_layout *layout, uint64_t head);

/* Heads of objects of one reference, as every argument of a command is when it comes in:
 * does the layout say so? */
bool object_layout_fits(const struct redmem_object_layout *layout, uint64_t head);
/* The layout of references that @head tells where no table knows it: false when it cannot. */
bool object_layout_learn(struct redmem_object_layout *layout, uint64_t head);

/* --- functions ------------------------------------------------------------------ */

/* A function that tells what the main thread does when it is on the stack. */
struct known_function {
	const char *name;
	enum redmem_frame frame;
};

/* Row @i of them, at most KNOWN_FUNCTIONS_MAX; NULL behind the last. A build has some. */
#define KNOWN_FUNCTIONS_MAX 128
const struct known_function *knowledge_function(size_t i);

/* What single functions are wanted for. */
enum function_role {
	/* Background tasks that free memory in nobody's name: they are at work when one of
	 * these is on the stack. */
	ROLE_EXPIRY,
	ROLE_EXPIRY_OLD, /* where there is none of ROLE_EXPIRY */
	ROLE_EVICTION,
	ROLE_DEFRAG,
	/* Free the commands of a transaction when it is over. */
	ROLE_FREE_QUEUED,
	/* Send replies and free what held them. */
	ROLE_REPLY,
	/* Called for a command of any client, with the client as first argument... */
	ROLE_PROCESS_COMMAND,
	ROLE_CALL,
	ROLE_AFTER_COMMAND,
	/* ...and for commands nobody else sends. */
	ROLE_ECHO,
	ROLE_HELLO,
	ROLES
};

/* Names of a role, the one to prefer first; NULL behind the last. A build has one of them
 * or none. */
const char *knowledge_role_name(enum function_role role, size_t i);

/* How many bytes before argv the client has its query buffer; -1 = not known. Where
 * calibration cannot see: Valkey 9.1 has done with the buffer before it executes. */
int knowledge_querybuf_before_argv(const struct server_release *release);

/* --- types, encodings, the keyspace --------------------------------------------- */

/* The command that tells the number of elements (bytes of a string); NULL for a module's type. */
const char *knowledge_length_command(const char *type);
/* May MEMORY USAGE walk so many groups and consumers of a stream? Each takes it some 50 ns: half
 * a millisecond at most (src/object.c, objectComputeSize()). */
bool knowledge_stream_is_cheap(int64_t groups, int64_t consumers);
/*
 * The type that alone can have @encoding, NULL where several can ("hashtable",
 * "listpack"). "raw" is also what OBJECT ENCODING says of every module's value
 * (createModuleObject(), src/object.c): it means a string only without modules.
 */
const char *knowledge_type_of_encoding(const char *encoding);

/* Where the name of a key lies. */
enum key_place {
	KEY_ALONE, /* in an allocation of its own, to which the table's entry points */
	KEY_IN_ENTRY, /* inside the table's entry */
	KEY_IN_OBJECT, /* inside the object; there is no entry */
};
enum key_place knowledge_key_place(const struct server_release *release);
/* Does MEMORY USAGE count the name's allocation, not its length? */
bool knowledge_usage_rounds_key(const struct server_release *release);

/* --- what structures take ------------------------------------------------------- */

/*
 * Bytes that a server of one release asks of its allocator for what is around keys and
 * elements, and which of its structures it uses. 64 bits. Sources: dict.h, hashtable.c,
 * quicklist.h, rax.h, stream.h, t_zset.c, t_hash.c, entry.c and object.c of the release.
 */
struct server_structures {
	const char *name; /* "redis-7.2", for who names a server without having one */
	struct server_release since;
	uint8_t table; /* struct dict, struct hashtable */
	uint8_t rax, group, consumer; /* of streams */
	/* Of a string in its object's allocation; where the key is there, too, of all. */
	uint8_t text_max;
	bool pointer_reused; /* of an object whose text lies in its allocation */
	bool buckets; /* hashtable.c: seven entries in 64 bytes, nothing around an element */
	uint8_t entry_max; /* of a hash's field with its value in one allocation (Valkey 8.1) */
	bool member_in_node; /* of a sorted set: in the node of the skip list */
	bool bare_members; /* of a set: in the table itself where nothing else is at its place */
	/* MEMORY USAGE: */
	bool usage_knows_bare; /* it counts what is there for them, not an entry each */
	bool usage_misses_key; /* of the object it counts the structure, without the key in it */
	bool usage_knows_trees; /* it counts radix trees, and guesses nothing */
	bool small_lists, small_sets; /* as listpacks */
};

/* Of this release, or the nearest before it (the oldest, where it is older). */
const struct server_structures *knowledge_structures(const struct server_release *release);
/* The @i-th, NULL behind the last. */
const struct server_structures *knowledge_structures_at(size_t i);

/* --- INFO ------------------------------------------------------------------------- */

/* The field of INFO stats that counts what happens once in each iteration of the event
 * loop, the one to prefer first; NULL behind the last. */
const char *knowledge_loop_counter(size_t i);
