/* SPDX-License-Identifier: BSD-2-Clause */
/* Self-calibration by asking the server; see calibrate.h and offsets.h. */
#include "target/calibrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/escape.h"
#include "host/proc.h"
#include "redis/info.h"
#include "redis/knowledge.h"
#include "target/commands.h"
#include "target/offsets.h"
#include "target/probe.h"

#define REPLY_TIMEOUT_MS 2000
#define COUNTER_COPIES	 4
/* Behind how many words of the client a look looks: what is wanted stands in the first 200
 * bytes. One takes 0.2 ms of the server's time at most: after half of that it is cut, which a
 * word or the copy of `server` may pass. On a slow machine, or one that is short of CPU, it
 * goes on a little later at the next of redmem's commands, at least a word further. */
#define LOOK_WORDS    40
#define LOOK_LIMIT_NS 100000
#define LOOK_AGAIN_US 20000
#define LOOK_PASSES   (LOOK_WORDS + 10)

static const char script_text[] = "return redis.call('ECHO',ARGV[1])";

struct calibrator {
	struct probe probe;
	struct conn *conn;
	char nonce[CALIBRATION_NONCE + 1];
	double pause_seconds;
	__u64 client_address; /* of redmem's own client; 0 = not seen yet */
};

void calibration_log(const struct redmem_calibration *look, const char *what)
{
	log_msg(LOG_INFO, "calibration: %s: %u hits, the longest %.1f us%s; %.1f us for a CPU",
		what, look->hits, (double)look->longest_ns / 1e3, look->cut ? ", cut" : "",
		(double)look->waited_ns / 1e3);
	if (look->hits)
		log_pause_of("calibration", (int64_t)look->longest_start_ns,
			     (int64_t)look->longest_ns);
}

/* --- one look ---------------------------------------------------------------- */

static int new_nonce(struct calibrator *c)
{
	unsigned char raw[CALIBRATION_NONCE / 2];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return -errno;
	hex_encode(c->nonce, sizeof(c->nonce), raw, sizeof(raw));
	return 0;
}

/* Bring into memory what the program will read: it cannot wait for swap, and the server
 * need not. */
static void bring_in(const struct calibrator *c)
{
	const struct image *image = c->probe.image;
	__u8 *bytes = xcalloc(1, CALIBRATION_SERVER_BYTES);
	size_t len = image->server_bytes < CALIBRATION_SERVER_BYTES ? image->server_bytes :
								      CALIBRATION_SERVER_BYTES;

	memory_read(image->pid, image->server_address, bytes, len);
	if (c->client_address)
		memory_read(image->pid, c->client_address, bytes, CALIBRATION_CLIENT_BYTES);
	free(bytes);
}

static int look_once(struct calibrator *c, struct redmem_calibration *look, int argc,
		     const char **argv)
{
	redisReply *reply = NULL;
	bool resumed = look->resumed;
	int ret;

	memcpy(look->nonce, c->nonce, CALIBRATION_NONCE);
	bring_in(c);
	ret = probe_arm(&c->probe, 0, look);
	if (!ret)
		ret = conn_call(c->conn, REPLY_TIMEOUT_MS, &reply, argc, argv, NULL);
	if (reply)
		freeReplyObject(reply);
	if (!ret)
		ret = probe_read(&c->probe, 0, look);
	c->pause_seconds += look->pause_ns / 1e9;
	calibration_log(look, argv[0]);
	/* A look that began at somebody else's command cannot go on at redmem's. */
	if (!ret && (look->cut || (resumed && !look->done)))
		return -EBUSY;
	if (!ret && (!look->done || !look->server_ok))
		return -ENOENT;
	c->client_address = look->client_address;
	return ret;
}

/* The look is to go on where it was cut, or to begin. What was seen of the words so far is of
 * the same client at the same place of the same command. */
static void prepare_look(struct redmem_calibration *look)
{
	if (look->cut) {
		look->resumed = 1;
		look->cut = look->hits = 0;
		look->pause_ns = look->longest_ns = look->waited_ns = 0;
	} else {
		memset(look, 0, sizeof(*look));
		look->words = LOOK_WORDS;
		look->limit_ns = LOOK_LIMIT_NS;
	}
}

/* Send a command with the nonce in it, as often as it takes, and see it in the server. 0 when
 * seen, -ENOENT when the probe did not meet it, -EBUSY when it was cut again and again.
 * The caller frees *@out. */
static int take_look(struct calibrator *c, struct redmem_calibration **out, int argc,
		     const char **argv)
{
	struct redmem_calibration *look = xcalloc(1, sizeof(*look));
	int ret = -EBUSY;

	for (int passes = 0; ret == -EBUSY && passes < LOOK_PASSES; passes++) {
		if (passes)
			usleep(LOOK_AGAIN_US);
		prepare_look(look);
		ret = look_once(c, look, argc, argv);
	}
	if (ret) {
		free(look);
		return ret;
	}
	*out = look;
	return 0;
}

/* --- the looks ---------------------------------------------------------------- */

struct look_set {
	struct redmem_calibration *plain, *longer, *script;
	const char *plain_command, *longer_command;
	__u8 idle[CALIBRATION_CLIENT_BYTES];
};

static void look_set_free(struct look_set *set)
{
	free(set->plain);
	free(set->longer);
	free(set->script);
}

/* ECHO and HELLO are rare, take any text, and HELLO needs neither password nor
 * permission. Either may be renamed or denied. */
static int look_by_rare_commands(struct calibrator *c, struct look_set *set)
{
	const char *echo[] = { "ECHO", c->nonce };
	const char *hello[] = { "HELLO", c->nonce, "a", "b", "c" };
	int ret;

	set->plain_command = "echo";
	ret = take_look(c, &set->plain, 2, echo);
	if (ret == -ENOENT) {
		set->plain_command = "hello";
		ret = take_look(c, &set->plain, 2, hello);
	}
	if (ret)
		return ret;
	set->longer_command = "hello";
	return take_look(c, &set->longer, 5, hello);
}

/* Before 6.0 there is no HELLO: look at the entrance all commands pass. Everybody's
 * commands meet the probe then, so it stands only for two of ours. */
static int look_by_entrance(struct calibrator *c, struct look_set *set)
{
	const char *argv[] = { "ECHO", c->nonce, "a", "b", "c" };
	int ret;

	look_set_free(set);
	memset(set, 0, sizeof(*set));
	set->plain_command = set->longer_command = "echo";
	ret = take_look(c, &set->plain, 2, argv);
	return ret ? ret : take_look(c, &set->longer, 5, argv);
}

static void look_by_script(struct calibrator *c, struct look_set *set)
{
	const char *argv[] = { "EVAL", script_text, "0", c->nonce };

	if (take_look(c, &set->script, 4, argv))
		set->script = NULL;
}

static int take_looks(struct calibrator *c, struct look_set *set, struct err *err)
{
	static const enum function_role rare[] = { ROLE_ECHO, ROLE_HELLO };
	static const enum function_role entrance[] = { ROLE_PROCESS_COMMAND };
	struct err why = {};
	int ret;

	ret = probe_on(&c->probe, rare, 2, &why);
	if (!ret) {
		ret = look_by_rare_commands(c, set);
		if (!ret)
			look_by_script(c, set);
		probe_off(&c->probe);
	}
	if (ret == -ENOENT) {
		ret = probe_on(&c->probe, entrance, 1, err);
		if (ret)
			return ret;
		ret = look_by_entrance(c, set);
		probe_off(&c->probe);
	}
	if (ret == -EBUSY)
		return err_set(err, ret,
			       "calibration: in %d looks of %d us the server's client was not seen "
			       "whole",
			       LOOK_PASSES, LOOK_LIMIT_NS / 1000);
	if (ret == -ETIMEDOUT)
		return err_set(err, ret, "calibration: the server did not answer within %d ms",
			       REPLY_TIMEOUT_MS);
	if (ret && why.code)
		return err_set(err, ret, "%s", why.text);
	if (ret)
		return err_set(err, ret,
			       "calibration: the probe did not see redmem's commands (%s)",
			       strerror(-ret));
	return 0;
}

/* --- progress ------------------------------------------------------------------ */

static void forget_reply(void *ctx, redisReply *reply, double seconds)
{
	(void)ctx, (void)seconds;
	freeReplyObject(reply);
}

/* Counters of INFO whose words are wanted. The last moves at each iteration of the event
 * loop. */
enum { COUNT_COMMANDS, COUNT_ITERATIONS, COUNTS };

/*
 * Several commands go out at once each time: the server reads them as one. Where it has read about
 * as often as it has had commands (each came alone, and a connection that is closed is read, too)
 * the count of reads would do as well; now it falls behind.
 */
#define AT_ONCE 3

static bool read_counts(struct calibrator *c, __u64 counts[COUNTS])
{
	redisReply *reply = NULL;
	int64_t values[COUNTS] = { -1, -1 };
	struct info *info;

	for (int i = 1; i < AT_ONCE; i++)
		conn_send_line(c->conn, forget_reply, NULL, "INFO stats");
	if (!conn_call_line(c->conn, REPLY_TIMEOUT_MS, &reply, "INFO stats") && reply->str) {
		info = info_parse(reply->str);
		values[COUNT_COMMANDS] = info_int(info, "total_commands_processed");
		for (size_t i = 0; values[COUNT_ITERATIONS] < 0 && knowledge_loop_counter(i); i++)
			values[COUNT_ITERATIONS] = info_int(info, knowledge_loop_counter(i));
		info_free(info);
	}
	if (reply)
		freeReplyObject(reply);
	for (size_t i = 0; i < COUNTS; i++)
		counts[i] = values[i] > 0 ? values[i] : 0;
	return values[COUNT_COMMANDS] > 0;
}

/* The word that lies between INFO's count before and after, in several copies of the
 * struct. */
static __u64 counter_address(struct calibrator *c, struct counter_sighting *seen,
			     const __u64 (*counts)[COUNTS], int which)
{
	const struct image *image = c->probe.image;
	long offset;

	for (size_t i = 0; i < COUNTER_COPIES; i++) {
		seen[i].before = counts[i][which];
		seen[i].after = counts[i + 1][which];
	}
	if (!counts[0][which])
		return 0;
	offset = offsets_find_counter(seen, COUNTER_COPIES, image->server_bytes);
	return offset >= 0 ? image->server_address + offset : 0;
}

static void find_counters(struct calibrator *c, struct redmem_offsets *at)
{
	const struct image *image = c->probe.image;
	struct counter_sighting seen[COUNTER_COPIES] = {};
	__u64 counts[COUNTER_COPIES + 1][COUNTS];
	size_t count = 0;
	bool ok;

	ok = read_counts(c, counts[0]);
	for (; ok && count < COUNTER_COPIES; count++) {
		__u8 *copy = xcalloc(1, image->server_bytes);

		seen[count].server = copy;
		ok = !memory_read(image->pid, image->server_address, copy, image->server_bytes) &&
		     read_counts(c, counts[count + 1]);
	}
	if (ok) {
		at->commands_done = counter_address(c, seen, counts, COUNT_COMMANDS);
		at->iterations = counter_address(c, seen, counts, COUNT_ITERATIONS);
	}
	for (size_t i = 0; i < count; i++)
		free((void *)seen[i].server);
}

/* --- the database -------------------------------------------------------------- */

static bool read_client(const struct calibrator *c, __u8 *client)
{
	return !memory_read(c->probe.image->pid, c->client_address, client,
			    CALIBRATION_CLIENT_BYTES);
}

static bool read_database(const struct calibrator *c, struct db_sighting *seen, const __u8 *client)
{
	return !memory_read(c->probe.image->pid, word_at(client, seen->word), seen->database,
			    sizeof(seen->database));
}

/* SELECT @db again; after a SELECT that got no answer (@ret) without waiting for one. */
static int return_to(struct conn *conn, int db, int ret)
{
	char line[32];

	if (!ret)
		return conn_select(conn, db, REPLY_TIMEOUT_MS, NULL);
	snprintf(line, sizeof(line), "SELECT %d", db);
	conn_send_line(conn, forget_reply, NULL, line);
	return ret;
}

/*
 * Which word of the client leads to its database: it changes with SELECT, and comes back.
 * All is read while the client waits, the server does not notice. A server with one
 * database, or that denies SELECT, has nothing to find.
 */
static int find_db(struct calibrator *c, struct redmem_offsets *at)
{
	int db = conn_db(c->conn), other = db ? 0 : 1, ret;
	__u8 before[CALIBRATION_CLIENT_BYTES], there[CALIBRATION_CLIENT_BYTES],
		back[CALIBRATION_CLIENT_BYTES];
	struct db_sighting seen[2] = { { .number = db }, { .number = other } };
	bool read = read_client(c, before);

	ret = conn_select(c->conn, other, REPLY_TIMEOUT_MS, NULL);
	if (ret == -EACCES)
		return 0;
	read = read && !ret && read_client(c, there);
	ret = return_to(c->conn, db, ret);
	if (ret || !read || !read_client(c, back))
		return ret;
	for (size_t word = 0; !at->db; word = seen[0].word + 8) {
		seen[0].word = offsets_changed_word(before, there, back, sizeof(before), word);
		if (!seen[0].word)
			break;
		seen[1].word = seen[0].word;
		if (read_database(c, &seen[0], before) && read_database(c, &seen[1], there))
			offsets_find_db(at, seen);
	}
	return 0;
}

/* --- the server's release -------------------------------------------------------- */

/* Product and version; the latter 0 when the server does not tell. */
static struct server_release release_of(struct calibrator *c)
{
	struct server_release release = { .product = c->probe.image->valkey ? PRODUCT_VALKEY :
									      PRODUCT_REDIS };
	char *text = NULL;

	if (!conn_call_text(c->conn, REPLY_TIMEOUT_MS, &text, "INFO server", NULL)) {
		struct info *info = info_parse(text);

		release = server_release_of(info_server(info), info_server_version(info));
		info_free(info);
	}
	free(text);
	return release;
}

/* Calibration wins over the tables, but not in silence; without a version the tables only
 * guess. */
static void check_layout(const struct server_release *release,
			 const struct redmem_object_layout *expected,
			 const struct redmem_object_layout *found)
{
	if (!release->major || !memcmp(expected, found, sizeof(*found)))
		return;
	log_msg(LOG_INFO,
		"calibration: objects are not laid out as this version's should be: pointer %u, "
		"embedded %u, references at bit %u instead of %u, %u and %u",
		found->pointer, found->embedded, found->refcount_shift, expected->pointer,
		expected->embedded, expected->refcount_shift);
}

/* The query buffer: what was seen; where nothing was, what the tables say and the client
 * does not contradict: no buffer, or a string, and a place in it. */
static void check_querybuf(const struct server_release *release, struct redmem_offsets *at,
			   const __u8 *idle)
{
	int before = knowledge_querybuf_before_argv(release);
	__u32 expected = at->argv - before;
	__u64 query;

	if (before < 0 || expected + 16 > CALIBRATION_CLIENT_BYTES)
		return;
	if (at->querybuf && at->querybuf != expected)
		log_msg(LOG_INFO, "calibration: the query buffer is at %u of the client, not at %u",
			at->querybuf, expected);
	if (at->querybuf || !idle)
		return;
	query = word_at(idle, expected);
	if ((!query || (query & 1)) && word_at(idle, expected + 8) <= UINT32_MAX)
		at->querybuf = expected;
}

void calibration_note(struct calibration *c, const char *how)
{
	const struct redmem_offsets *at = &c->at;
	struct buf note = {};

	buf_puts(&note, how);
	if (!at->cmd)
		buf_puts(&note, "commands are named by what the client sent; ");
	if (!at->executing_client && !at->script_caller)
		buf_puts(&note, "commands inside scripts are not told apart; ");
	if (!at->querybuf)
		buf_puts(&note, "bytes by key are told in part (no query buffer found); ");
	if (!at->commands_done)
		buf_puts(&note, "short stalls may be missed (no count of commands found); ");
	else if (!at->iterations)
		buf_puts(&note, "long turns of the loop are not seen (no count of them found); ");
	snprintf(c->note, sizeof(c->note), "%.*s", note.len ? (int)note.len - 2 : 0,
		 buf_str(&note));
	buf_free(&note);
}

int calibrate(struct calibration *out, const struct image *image, const struct probe_slots *slots,
	      struct conn *conn, struct err *err)
{
	struct calibrator c = { .probe = { image, slots, {} }, .conn = conn };
	struct look_set set = {};
	struct looks looks = {};
	struct server_release release;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = new_nonce(&c);
	if (ret)
		return err_set(err, ret, "calibration: no random numbers: %s", strerror(-ret));
	ret = take_looks(&c, &set, err);
	if (ret)
		goto out;
	/* What a script runs on is another. */
	out->own_client = c.client_address = set.plain->client_address;
	/* The reply has come, so the client waits: its command is over. */
	if (!memory_read(image->pid, out->own_client, set.idle, set.plain->client_bytes))
		looks.idle = set.idle;
	looks.plain = (struct look){ set.plain, set.plain_command, 2 };
	looks.longer = (struct look){ set.longer, set.longer_command, 5 };
	looks.script = (struct look){ set.script, "echo", 2 };
	looks.server_address = image->server_address;
	release = release_of(&c);
	looks.expected = knowledge_object_layout(&release);
	ret = offsets_solve(&out->at, &looks, err);
	if (ret)
		goto out;
	check_layout(&release, &looks.expected, &out->at.object);
	check_querybuf(&release, &out->at, looks.idle);
	if (out->at.cmd) {
		__u64 command;

		memcpy(&command, set.plain->client + out->at.cmd, sizeof(command));
		out->fullname_offset = target_find_fullname(image->pid, command, set.plain_command);
	}
	find_counters(&c, &out->at);
	ret = find_db(&c, &out->at);
	if (ret)
		err_set(err, ret, "calibration: the connection did not come back to its database");
	calibration_note(out, "");
out:
	out->pause_seconds = c.pause_seconds;
	look_set_free(&set);
	return ret;
}
