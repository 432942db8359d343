/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of what is counted and blamed: events, causes, frames, waits. Each kind is
 * one row here, and from the rows come the enum, the recording's names, the model's
 * arithmetic, JSON, text and the tests' sums. A new event or cause is a new row.
 *
 * Names are part of the JSON and of recordings: rows may be added and moved, a name stays.
 */
#pragma once

/* One row a line. */
/* clang-format off */

/*
 * Causes of a stall. X(ID, name, words for people, the usual remedy or NULL).
 * Seconds by cause sum to the stall's duration.
 */
#define REDMEM_CAUSES(X) \
	X(COMMAND, "command", "own computing", \
	  "Do less at a time: a range or the SCAN family instead of the whole value, or split " \
	  "the key.") \
	X(ALLOCATOR, "allocator", "allocator", \
	  "Free big values in the background: UNLINK instead of DEL, and the lazyfree-lazy-* " \
	  "settings for expiry, eviction and overwriting.") \
	X(FAULT_MINOR, "fault_minor", "first touch of memory", \
	  "The kernel hands out these pages one by one; it passes once the memory is in use.") \
	X(FAULT_COW, "fault_cow", "copy on write", \
	  "Pages shared with a saving child are copied when written: save when writes are few, " \
	  "or on a replica.") \
	X(FAULT_SWAP, "fault_swap", "swap-in", \
	  "The memory it touched was in swap: give the server more memory or lower maxmemory.") \
	X(FAULT_FILE, "fault_file", "file pages", \
	  "Pages of the binary or of a mapped file were read from disk: the machine is short of " \
	  "memory for its page cache.") \
	X(RECLAIM, "reclaim", "memory reclaim", \
	  "The kernel made the server wait while it freed memory: raise the memory limit or " \
	  "lower maxmemory.") \
	X(COMPACTION, "compaction", "memory compaction", \
	  "The kernel moved pages together for a huge page: switch transparent huge pages off " \
	  "for the server.") \
	X(CPU_WAIT, "cpu_wait", "waiting for a CPU", \
	  "Other work had the CPU: give the server a CPU of its own or a larger CPU quota.") \
	X(STOLEN, "stolen", "a CPU that stood still", \
	  "The hypervisor ran something else, or held the whole machine (a migration, a " \
	  "snapshot): nothing inside this machine helps.") \
	X(IO_WAIT, "io_wait", "waiting for I/O", \
	  "The server waited for a disk: look at appendfsync, the AOF's disk and swap.") \
	X(FORK, "fork", "fork", \
	  "Fork copies the page tables: its time grows with resident memory; save less often or " \
	  "on a replica.") \
	X(EXPIRY, "expiry", "expiring keys", \
	  "Many or big keys expired at once: spread their TTLs, and let the server free them in " \
	  "the background (lazyfree-lazy-expire yes).") \
	X(EVICTION, "eviction", "evicting keys", \
	  "The server was at maxmemory and had to evict before it could go on: raise maxmemory, " \
	  "or let it free in the background (lazyfree-lazy-eviction yes).") \
	X(DEFRAG, "defrag", "active defrag", \
	  "Active defragmentation took its turn: lower active-defrag-cycle-max.") \
	X(REHASH, "rehash", "rehashing", \
	  "A hash table grew and its entries move to the new one: it passes; keep keyspaces and " \
	  "hashes smaller, or spread them over more servers.") \
	X(OTHER, "other", "other", NULL)

#define CAUSE_ENUM(id, name, words, advice) CAUSE_##id,
enum redmem_cause { REDMEM_CAUSES(CAUSE_ENUM) CAUSES };
#undef CAUSE_ENUM

/*
 * Events charged to who ran. X(ID, name, words, unit, cause, order): of what is counted
 * the unit; the cause that its time within a stall is; and in which order such times are
 * taken out of a stall's duration (1 first; 0 = it is none of a stall's measured parts).
 * Where a wait is for, the wait says (REDMEM_WAITS), not the row of IO_WAIT.
 */
#define REDMEM_EVENTS(X) \
	X(CPU, "cpu", "time on a CPU", TIME, COMMAND, 0) \
	X(FAULT_MINOR, "fault_minor", "first touches of memory", FAULTS, FAULT_MINOR, 6) \
	X(FAULT_COW, "fault_cow", "copies on write", FAULTS, FAULT_COW, 5) \
	X(FAULT_SWAP, "fault_swap", "pages from swap", FAULTS, FAULT_SWAP, 3) \
	X(FAULT_FILE, "fault_file", "pages from files", FAULTS, FAULT_FILE, 4) \
	X(CPU_WAIT, "cpu_wait", "waiting for a CPU", TIME, CPU_WAIT, 1) \
	X(IO_WAIT, "io_wait", "waiting in a system call", TIME, IO_WAIT, 2) \
	X(SLEEP, "sleep", "waiting for clients", TIME, OTHER, 0) \
	X(RECLAIM, "reclaim", "memory reclaim", TIME, RECLAIM, 7) \
	X(COMPACTION, "compaction", "memory compaction", TIME, COMPACTION, 8) \
	X(STOLEN, "stolen", "a CPU that stood still", TIME, STOLEN, 9) \
	X(ALLOC, "alloc", "bytes allocated", BYTES, ALLOCATOR, 0) \
	X(FREE, "free", "bytes freed", BYTES, ALLOCATOR, 0) \
	X(ALLOC_CLASS, "alloc_class", "bytes of a size class allocated", BYTES, ALLOCATOR, 0) \
	X(FREE_CLASS, "free_class", "bytes of a size class freed", BYTES, ALLOCATOR, 0)

#define EVENT_ENUM(id, name, words, unit, cause, order) EVENT_##id,
enum redmem_event { REDMEM_EVENTS(EVENT_ENUM) EVENT_KINDS };
#undef EVENT_ENUM

enum redmem_unit { UNIT_TIME, UNIT_FAULTS, UNIT_BYTES };

/*
 * What a CPU sample of the main thread was recognised as, by its stack, its system call
 * or where its code lies. X(ID, name, words for what it does, cause, kind). Of several on
 * one stack a cause beats an activity, and that beats where it was called from.
 */
#define REDMEM_FRAMES(X) \
	X(NONE, "none", "", COMMAND, CONTEXT) /* nothing recognised: the command's own code */ \
	X(EXPIRY, "expiry", "expiring keys", EXPIRY, CAUSE) \
	X(EVICTION, "eviction", "evicting keys", EVICTION, CAUSE) \
	X(DEFRAG, "defrag", "active defrag", DEFRAG, CAUSE) \
	X(REHASH, "rehash", "moving a hash table", REHASH, CAUSE) \
	X(TABLE_GROWTH, "table_growth", "growing a hash table", REHASH, CAUSE) \
	X(FREE, "free", "freeing", ALLOCATOR, ACTIVITY) \
	X(REPLY, "reply", "building the reply", COMMAND, ACTIVITY) \
	X(SORT, "sort", "sorting", COMMAND, ACTIVITY) \
	X(JOIN, "join", "joining sets", COMMAND, ACTIVITY) \
	X(WALK, "walk", "walking the keyspace", COMMAND, ACTIVITY) \
	X(LOAD, "load", "loading the dataset", COMMAND, ACTIVITY) \
	X(SAVE, "save", "saving the dataset", COMMAND, ACTIVITY) \
	X(AOF, "aof", "writing the AOF", COMMAND, ACTIVITY) \
	X(CLOSE, "close", "closing clients", COMMAND, ACTIVITY) \
	X(SCRIPT, "script", "running the script", COMMAND, CONTEXT) \
	X(SEND, "send", "sending replies", COMMAND, CONTEXT) \
	X(CLIENTS_CRON, "clients_cron", "looking after clients", COMMAND, CONTEXT) \
	X(REPLICAS_CRON, "replicas_cron", "looking after replicas", COMMAND, CONTEXT) \
	X(KEYSPACE_CRON, "keyspace_cron", "looking after the keyspace", COMMAND, CONTEXT) \
	X(GIVE_PAGES, "give_pages", "giving pages back", ALLOCATOR, ACTIVITY) \
	X(GET_PAGES, "get_pages", "getting pages", ALLOCATOR, ACTIVITY) \
	X(ALLOCATE, "allocate", "allocating", ALLOCATOR, ACTIVITY) \
	X(ALLOCATOR, "allocator", "", ALLOCATOR, ACTIVITY) /* for what is not known */ \
	X(FORK, "fork", "forking", FORK, ACTIVITY) \
	X(FAULT, "fault", "", FAULT_MINOR, CAUSE) /* counts where faults are not timed */

#define FRAME_ENUM(id, name, words, cause, kind) FRAME_##id,
enum redmem_frame { REDMEM_FRAMES(FRAME_ENUM) FRAMES };
#undef FRAME_ENUM

enum redmem_frame_kind { FRAME_KIND_CAUSE, FRAME_KIND_ACTIVITY, FRAME_KIND_CONTEXT };

/*
 * System calls in which a server waits. X(ID, SYS_ number, name, cause, descriptor):
 * whether its first argument is a descriptor. Numbers differ between machines: recordings
 * hold names. Rows whose number this machine does not have are never seen on it.
 */
#define REDMEM_WAITS(X) \
	X(NONE, WAIT_NUMBER_NONE, "", OTHER, 0) /* it did not wait */ \
	X(OTHER, WAIT_NUMBER_NONE, "a system call", OTHER, 0) \
	X(FSYNC, SYS_fsync, "fsync", IO_WAIT, 1) \
	X(FDATASYNC, SYS_fdatasync, "fdatasync", IO_WAIT, 1) \
	X(SYNC_FILE_RANGE, SYS_sync_file_range, "sync_file_range", IO_WAIT, 1) \
	X(WRITE, SYS_write, "write", IO_WAIT, 1) \
	X(WRITEV, SYS_writev, "writev", IO_WAIT, 1) \
	X(PWRITE64, SYS_pwrite64, "pwrite64", IO_WAIT, 1) \
	X(READ, SYS_read, "read", IO_WAIT, 1) \
	X(READV, SYS_readv, "readv", IO_WAIT, 1) \
	X(PREAD64, SYS_pread64, "pread64", IO_WAIT, 1) \
	X(FTRUNCATE, SYS_ftruncate, "ftruncate", IO_WAIT, 1) \
	X(FALLOCATE, SYS_fallocate, "fallocate", IO_WAIT, 1) \
	X(CLOSE, SYS_close, "close", IO_WAIT, 1) \
	X(SENDTO, SYS_sendto, "sendto", IO_WAIT, 1) \
	X(RECVFROM, SYS_recvfrom, "recvfrom", IO_WAIT, 1) \
	X(CONNECT, SYS_connect, "connect", IO_WAIT, 1) \
	X(OPENAT, SYS_openat, "openat", IO_WAIT, 0) \
	X(RENAMEAT, SYS_renameat, "renameat", IO_WAIT, 0) \
	X(UNLINKAT, SYS_unlinkat, "unlinkat", IO_WAIT, 0) \
	X(OPEN, SYS_open, "open", IO_WAIT, 0) \
	X(RENAME, SYS_rename, "rename", IO_WAIT, 0) \
	X(UNLINK, SYS_unlink, "unlink", IO_WAIT, 0) \
	X(SYNC, SYS_sync, "sync", IO_WAIT, 0) \
	X(FUTEX, SYS_futex, "futex", OTHER, 0) \
	X(NANOSLEEP, SYS_nanosleep, "nanosleep", OTHER, 0) \
	X(CLOCK_NANOSLEEP, SYS_clock_nanosleep, "clock_nanosleep", OTHER, 0) \
	X(WAIT4, SYS_wait4, "wait4", OTHER, 0) \
	X(SIGSTOP, WAIT_STOPPED, "SIGSTOP", OTHER, 0) /* stopped by a signal */

#define WAIT_ENUM(id, number, name, cause, descriptor) WAIT_##id,
enum redmem_wait_call { REDMEM_WAITS(WAIT_ENUM) WAITS };
#undef WAIT_ENUM

/* Functions of the allocator that a burst looks at. X(ID, name). */
#define REDMEM_CALLS(X) \
	X(MALLOC, "malloc") \
	X(CALLOC, "calloc") \
	X(REALLOC, "realloc") \
	X(FREE, "free")

#define CALL_ENUM(id, name) CALL_##id,
enum redmem_call_function { REDMEM_CALLS(CALL_ENUM) CALL_FUNCTIONS };
#undef CALL_ENUM

/* Where the code of a CPU sample lies. X(ID, name). */
#define REDMEM_MODULES(X) \
	X(UNKNOWN, "") \
	X(SERVER, "server") \
	X(ALLOCATOR, "allocator") \
	X(LIBC, "libc") \
	X(KERNEL, "kernel") \
	X(OTHER, "other")

#define MODULE_ENUM(id, name) MODULE_##id,
enum redmem_module { REDMEM_MODULES(MODULE_ENUM) MODULES };
#undef MODULE_ENUM

/* Why a key was looked at. X(ID, name). */
#define REDMEM_KEY_SOURCES(X) \
	X(LOOK, "look") /* it showed up in the watch */ \
	X(SAMPLE, "sample") /* drawn at random from the keyspace */ \
	X(PASS, "pass") /* met in a pass over all keys */ \
	X(AGAIN, "again") /* looked at again at the end of a part of the pass */

#define KEY_SOURCE_ENUM(id, name) KEY_SOURCE_##id,
enum redmem_key_source { REDMEM_KEY_SOURCES(KEY_SOURCE_ENUM) KEY_SOURCES };
#undef KEY_SOURCE_ENUM

/* clang-format on */
