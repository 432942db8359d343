/* SPDX-License-Identifier: BSD-2-Clause */
/* A row for each rule; see explain.h. test_diagnose.c holds it against the rule table. */
#include "diagnose/explain.h"

#include <string.h>

const struct explanation explanations[] = {
	{ "server.not_answering",
	  "The server did not answer for a second or longer: clients commonly give up after that. "
	  "What held it is in the stalls of that time." },
	{ "killed.limit", "The kernel killed the server or its saving child because a memory limit "
			  "(the cgroup's or the machine's) was met." },
	{ "server.loading", "The server loads its data after a start, or what its master sent, and "
			    "refuses commands until it is done." },
	{ "save.failing", "The last save or AOF rewrite failed: what was written since the last "
			  "good one is lost with the process, and by default "
			  "(stop-writes-on-bgsave-error) writes are refused meanwhile." },
	{ "save.often",
	  "Saves or rewrites of the AOF follow one another, so that there is always a "
	  "child that takes CPU, disk and copies of pages." },
	{ "writes.refused", "Clients were told no: out of memory, a failed save, a replica, too "
			    "few replicas or a full disk; the error's first word says which." },
	{ "clients.near_max",
	  "The server has nearly as many clients as maxclients allows; further ones are refused." },
	{ "repl.resync",
	  "A replica had to copy all data anew, because the backlog was too small for the time it "
	  "was away or its output buffer was over its limit; each copy is a fork. Or the link "
	  "between "
	  "the two is down, or nothing comes over it." },
	{ "repl.sync_blocks",
	  "A replica that takes all of its master's data freed what it had before in the event "
	  "loop (replica-lazy-flush no)." },
	{ "lazyfree.pending", "Deleted values are still being freed by a background thread; "
			      "used_memory falls by itself." },
	{ "swap.in_path", "Pages of the server lie in swap and it waits for the disk each time it "
			  "touches one: each such wait is in a client's request." },
	{ "swap.resident", "Part of the server's memory is in swap, not touched at the moment; "
			   "whoever touches it waits for the disk." },
	{ "mem.near_max", "used_memory, as counted against maxmemory, is near it: keys are evicted "
			  "there, or writes refused, by maxmemory-policy." },
	{ "mem.no_max",
	  "Without maxmemory the server grows until the kernel swaps it or kills it." },
	{ "mem.cgroup", "The cgroup's memory limit (the container's, the unit's or one above) is "
			"near; beyond it the kernel kills a process of the group." },
	{ "mem.high", "The cgroup is at its memory.high: the kernel throttles the server and takes "
		      "memory back from it at each allocation." },
	{ "mem.shmem", "Shared memory (files in tmpfs, such as /dev/shm) counts against the same "
		       "limit as the server and cannot be dropped." },
	{ "mem.forecast", "At the growth seen in the window a limit is met soon; the evidence says "
			  "how steady that growth is." },
	{ "evict.active",
	  "The server evicts keys because it is at maxmemory: a reader finds nothing where "
	  "something was stored. For a cache that is normal as long as the hit rate is." },
	{ "evict.pushed_by", "Keys were evicted because something that is no key took the room: "
			     "buffers of clients, a growing table, or a lowered maxmemory." },
	{ "evict.nothing_to_evict",
	  "maxmemory is met and the policy finds nothing it may evict (noeviction, or volatile-* "
	  "without keys that have a TTL): writes are refused." },
	{ "expired.resident", "Keys past their time are still in memory, because the cycle that "
			      "deletes them does not keep up or is off." },
	{ "map_count", "The process has nearly as many mappings as vm.max_map_count allows; beyond "
		       "it allocations and forks fail." },
	{ "frag.slab", "Memory lies in holes between live objects of a size class: a page goes "
		       "back only when its whole slab is free. Active defragmentation or a restart "
		       "closes them, MEMORY PURGE does not." },
	{ "frag.dirty", "The allocator keeps freed pages for reuse. They go back after its decay "
			"time, or at once with MEMORY PURGE." },
	{ "frag.rounding", "Requests are rounded up to the allocator's size classes, and values "
			   "here are of sizes that lose much by it." },
	{ "defrag.impossible", "activedefrag is wished for or would help, but this server was "
			       "built with an allocator that cannot do it." },
	{ "defrag.idle", "Active defragmentation is on and does nothing: fragmentation is below "
			 "its thresholds, or what is fragmented is nothing it can move." },
	{ "defrag.futile", "Active defragmentation works without success: what is left are holes "
			   "it cannot close, and it takes CPU for them." },
	{ "rss.huge_pages", "Transparent huge pages keep memory resident that the server has freed "
			    "or never used, because a huge page goes as a whole." },
	{ "rss.not_allocator", "A good part of the resident memory is not the allocator's: a "
			       "library, a module, or what was mapped by other means." },
	{ "rss.after_peak", "RSS is left from an earlier peak: the data is smaller now, and what "
			    "it left behind is free inside the allocator but still resident." },
	{ "alloc.not_jemalloc", "The server runs without jemalloc: it fragments more, cannot "
				"defragment, and says little of what it keeps." },
	{ "fork.pause", "The server stood still while it forked: page tables are copied, the "
			"longer the more memory it has." },
	{ "fork.cow", "A saving child and the server came to have copies of the same pages, "
		      "because the server wrote meanwhile: up to twice the memory is needed." },
	{ "fork.no_room", "What the last save copied is more than the cgroup or the machine has "
			  "left: the next one will meet that limit, and a process may be killed." },
	{ "bigkey.blocks", "A command on a big key held the event loop: everybody waited for it." },
	{ "bigkey.size", "A key is big by the users' guide: 1 MB of a string, 10,000 elements of a "
			 "collection and more; any command over all of it will hold the server." },
	{ "bigkey.uncertain",
	  "A key looks big, but not all of it could be looked at, so its size is not certain." },
	{ "command.blocks", "A command whose cost grows with what it is asked (KEYS, SORT, a "
			    "script, a large range) held the event loop." },
	{ "cpu.throttled", "The cgroup's CPU quota was used up and the kernel held the server back "
			   "until the next period." },
	{ "cpu.contended", "The server was ready to run and waited for a CPU that others had." },
	{ "cpu.steal", "The hypervisor ran other machines on this machine's CPUs (steal): nothing "
		       "inside this machine helps." },
	{ "cpu.io_threads", "The server's I/O threads spin with little to do, or have no time left "
			    "for what there is." },
	{ "aof.disk", "The server waited for the AOF's disk: appendfsync, or a sync by its "
		      "background thread that was late." },
	{ "io.blocks", "The event loop waited for a disk or a file." },
	{ "expire.blocks", "Deleting keys whose time had come held the event loop: many expired at "
			   "once, or large ones." },
	{ "evict.blocks", "Evicting keys at maxmemory held the event loop." },
	{ "defrag.blocks", "A turn of active defragmentation held the event loop." },
	{ "rehash.blocks", "A table of keys or a large hash was grown or moved, which held the "
			   "event loop or took much memory at once." },
	{ "reclaim.blocks", "The server had to free memory for the kernel itself (direct reclaim) "
			    "before it got a page." },
	{ "compaction.blocks",
	  "The kernel moved pages together to make a huge page while the server waited." },
	{ "thp.cow",
	  "During a save each first write copied a huge page of 2 MiB instead of 4 KiB." },
	{ "fault.file", "Pages of the program or its libraries had to be read from disk again: "
			"memory is so short that they were dropped." },
	{ "clients.paused",
	  "The server made clients wait on purpose: somebody sent CLIENT PAUSE, or a fail-over, a "
	  "shutdown or a migration of slots holds writes back until a replica has them." },
	{ "clients.cut_off", "The server closed clients by itself: more waited for them, or came "
			     "from them, than a limit of their buffers allows." },
	{ "clients.denied", "Clients were denied again and again: a password that is not right, no "
			    "login, or no right to the command or key." },
	{ "clients.errors",
	  "Much of what clients ask ends in an error: the wrong type, a script or "
	  "a command that is not there, wrong arguments." },
	{ "clients.broadcast", "Clients have very many prefixes under CLIENT TRACKING BCAST: each "
			       "write is compared with all of them." },
	{ "clients.churn",
	  "Very many connections are opened and closed: each costs more than a command." },
	{ "clients.large_messages", "The server logged requests or replies of a megabyte and more: "
				    "each is copied in one go while all others wait." },
	{ "clients.monitor", "A client runs MONITOR: each command is written to it, which may "
			     "halve the throughput and fill its buffer." },
	{ "clients.pipelines",
	  "Clients send thousands of commands at once: others wait for all of them." },
	{ "loop.blocks", "The event loop was held by work that is no command: cron, clients' input "
			 "and output, or something redmem has no name for." },
	{ "stalls.mixed", "Many short stalls of several causes add up." },
	{ "stream.consumers",
	  "Groups of a stream have many consumers that are idle for long; each keeps memory." },
	{ "stream.pending", "Entries of a stream were handed to consumers and never acknowledged; "
			    "each keeps memory until XACK or XCLAIM." },
	{ "keys.no_ttl", "Keys with names of temporary data never expire." },
	{ "keys.big_string", "The guide's first pattern: strings of 1 MB and more." },
	{ "keys.large_hash", "The guide's second pattern: hashes with very many fields." },
	{ "keys.massive_zset", "The guide's third pattern: massive sorted sets." },
	{ "keys.undrained_list", "The guide's fourth pattern: a list used as a queue that is "
				 "filled faster than it is emptied." },
	{ "keys.long_list", "Lists that are long and did not grow while it was looked." },
	{ "keys.large_set", "Sets with very many members." },
	{ "keys.long_stream", "Streams with very many entries and no MAXLEN or MINID that holds." },
	{ "keys.temp_without_ttl",
	  "The guide's fifth pattern: temporary keys (temp:, lock:, session: and their like) "
	  "without an expiry, met in a pass over all keys." },
	{ "keys.one_prefix", "One family of keys holds most of the memory." },
	{ "keys.many_small",
	  "What keys take for themselves is more than their values: very many small keys, streams "
	  "of few entries, long names." },
	{ "keys.encoding_lost", "Collections lost their compact encoding by one long value or a "
				"few elements too many, and take several times the memory." },
	{ "keys.one_key", "One key holds a good part of all bytes." },
	{ "hotkey.cpu", "One key takes a good part of the server's CPU time." },
	{ "key.big", "The key that was asked about is big." },
	{ "key.growing", "The key that was asked about grew while it was watched." },
	{ "key.no_ttl",
	  "The key that was asked about never expires, and has a name of temporary data." },
	{ "key.encoding_lost", "The key that was asked about lost its compact encoding." },
	{ "key.pending",
	  "The stream that was asked about has entries that were never acknowledged." },
	{ "hashtable.overhead", "The tables of keys take much for themselves: more buckets than "
				"keys, or a rehash under way." },
	{ "client.one", "One client's buffers hold much memory: it does not read what it asked "
			"for, or sends something large." },
	{ "clients.buffers", "The buffers of all clients together hold much memory." },
	{ "repl.buffer", "Buffers for replicas hold much memory: a replica does not keep up, or "
			 "the backlog is large." },
	{ "repl.backlog", "The replication backlog (repl-backlog-size) holds more memory than the "
			  "keys: it buys seconds of writes for replicas that were away." },
	{ "aof.buffer", "The server's AOF buffer grew: its disk does not take what is written." },
	{ "scripts.memory",
	  "Cached scripts or functions hold much memory, or are compiled anew all "
	  "the time: often scripts that differ by values pasted into them." },
	{ "memory.slowlog",
	  "The slow log, or Valkey's log of large requests or replies, holds much memory: it is "
	  "long, and its entries keep arguments." },
	{ "memory.tracking",
	  "The table of client-side caching (CLIENT TRACKING) holds much memory." },
	{ "memory.pubsub", "Subscriptions to very many channels or patterns hold much memory." },
	{ "memory.watch", "Keys under WATCH hold much memory." },
	{ "memory.tls",
	  "Connections with TLS hold much memory outside used_memory: some tens of KB each." },
	{ "memory.in_no_key",
	  "The server counts more memory than its keys and all that is known explain." },
	{ "config.thp",
	  "Transparent huge pages are on for the server: more copies during saves, more latency." },
	{ "config.overcommit",
	  "vm.overcommit_memory may refuse the fork of a save although memory would do." },
	{ "config.swappiness",
	  "vm.swappiness makes the kernel swap the server out where it could drop page cache." },
};
const size_t explanations_count = sizeof(explanations) / sizeof(explanations[0]);

const char *explain(const char *id)
{
	for (size_t i = 0; i < explanations_count; i++)
		if (!strcmp(explanations[i].id, id))
			return explanations[i].meaning;
	return NULL;
}
