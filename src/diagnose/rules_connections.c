/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients do to each other without any one command: they come and go, or one listens to
 * all that the others do.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/*
 * For estimates, as measured with redis 7.0.15 on the reference machine by the server's CPU
 * time: 50,000 connections of one PING each over a unix socket took 0.61 s (0.14 s on ten that
 * stayed), 300,000 SETs 1.38 s, and 2.71 s with a client in MONITOR.
 */
#define CONNECTION_SECONDS 10e-6
#define MONITORED_SECONDS  4e-6

/* A handshake of TLS 1.3 with a certificate of RSA: 7,203 connections took 2.29 s. Keys of other
 * kinds take a tenth of it, so that it is the most that is taken of what the loop took. */
#define TLS_SECONDS 300e-6

static bool has_flag(const struct record_client *client, char flag)
{
	return strchr(client->flags, flag) != NULL;
}

/* --- connections that come and go ------------------------------------------------------ */

/* One that is there now and came in the window. */
static const struct record_client *young_client(const struct model *m)
{
	for (size_t i = 0; i < m->clients_count; i++)
		if ((double)m->clients[i].client.age_seconds < m->duration_seconds)
			return &m->clients[i].client;
	return NULL;
}

/* What one of @count connections took. */
static double connection_seconds(const struct model *m, int64_t count)
{
	const struct record_held *tls = model_held(m, "tls");
	const struct command_row *loop = model_command(m, "");

	if (!tls || tls->objects_total <= 0 || !loop || count <= 0)
		return CONNECTION_SECONDS;
	return fmax(fmin(loop->charge.cpu_seconds / (double)count, TLS_SECONDS),
		    CONNECTION_SECONDS);
}

bool rule_churn(const struct model *m, struct finding *f)
{
	int64_t count = model_info_delta(m, "total_connections_received");
	int64_t commands = model_info_delta(m, "total_commands_processed");
	const struct record_client *young = young_client(m);
	struct waits w = { 0 };

	if (count == RECORD_UNKNOWN || !(m->duration_seconds > 0))
		return false;
	waits_include(&w, (double)count * connection_seconds(m, count));
	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	f->severity = waits_severity(m, &w);
	f->cost = w.seconds * COST_PER_SECOND;
	finding_title(f, "%s connections were opened in %s (%.0f/s)", say_count(count).s,
		      say_seconds(m->duration_seconds).s, (double)count / m->duration_seconds);
	finding_evidence_count(f, "connections_total", count, "connections", BASIS_EXACT);
	finding_evidence(f, "connections_per_second", (double)count / m->duration_seconds,
			 "connections", BASIS_DERIVED);
	finding_evidence(f, "commands_per_connection", measure_ratio(commands, count), "commands",
			 BASIS_DERIVED);
	finding_evidence_count(f, "connected_clients", model_info_end(m, "connected_clients"),
			       "clients", BASIS_EXACT);
	finding_evidence(f, "estimated_seconds", w.seconds, "seconds", BASIS_DERIVED);
	if (young)
		finding_evidence_text(f, "one_of_them", say_client(young).s, BASIS_SAMPLED);
	finding_cause(f, "Clients connect for a command or a few and go away again: each time the "
			 "event loop accepts, builds and tears down a client, which costs as much "
			 "as some tens of commands.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Keep connections: a pool in the client library, or a proxy before the "
		       "server where processes are short-lived.");
	return true;
}

/* --- MONITOR ------------------------------------------------------------------------------ */

static const struct record_client *monitoring(const struct model *m, int64_t *count)
{
	const struct record_client *first = NULL;

	*count = 0;
	for (size_t i = 0; i < m->clients_count; i++) {
		if (!has_flag(&m->clients[i].client, 'O'))
			continue;
		++*count;
		if (!first || m->clients[i].client.output_bytes > first->output_bytes)
			first = &m->clients[i].client;
	}
	return first;
}

/* One that was there at the end, or came in the window and may have gone again. */
bool rule_monitor(const struct model *m, struct finding *f)
{
	int64_t commands = model_info_delta(m, "total_commands_processed"), count;
	int64_t calls = measure_calls(m, "cmdstat_monitor");
	const struct record_client *client = monitoring(m, &count);
	struct waits w = { 0 };

	if (!client && calls == 0)
		return false;
	waits_include(&w, (double)commands * MONITORED_SECONDS * (double)(count > 0 ? count : 1));
	f->severity = client ? waits_severity(m, &w) : SEVERITY_INFO;
	f->cost = w.seconds * COST_PER_SECOND;
	f->weak = !client;
	if (client)
		finding_title(f, "%s%s in MONITOR: each of %s commands was written out for %s",
			      say_client(client).s, count > 1 ? " and others are" : " is",
			      say_count(commands).s, count > 1 ? "each of them" : "it");
	else
		finding_title(f, "MONITOR was called %s time%s in the window", say_count(calls).s,
			      calls == 1 ? "" : "s");
	finding_evidence_count(f, "monitors_total", count > 0 ? count : RECORD_UNKNOWN, "clients",
			       BASIS_EXACT);
	finding_evidence(f, "monitor_calls_total", calls > 0 ? (double)calls : NAN, "calls",
			 BASIS_EXACT);
	finding_evidence_count(f, "commands_total", commands, "commands", BASIS_EXACT);
	finding_evidence(f, "estimated_seconds", w.seconds, "seconds", BASIS_DERIVED);
	if (client) {
		finding_evidence_text(f, "client", say_client(client).s, BASIS_EXACT);
		finding_evidence_bytes(f, "client_output_bytes", client->output_bytes, BASIS_EXACT);
	}
	finding_cause(f, "For a client in MONITOR the event loop writes out every command of all "
			 "others with its arguments; that slows each down, and what the client "
			 "does not read in time is kept in the server's memory.");
	if (client)
		finding_action(
			f, RECORD_UNKNOWN,
			say_cli(m, "CLIENT LIST ID %lld", (long long)client->id).s,
			"End it (CLIENT KILL ID) where it was left behind; SLOWLOG, keyspace "
			"notifications, or some seconds of MONITOR do instead.");
	else
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CLIENT LIST").s,
			       "Look for a client with flags=O; end it where it was left behind.");
	return true;
}

/* --- large requests and replies ---------------------------------------------------------- */

/* The users' guide calls a string of 10 MB very big: the loop copies it in one go, some
 * milliseconds in which nobody else is served, and it lies in a buffer for as long as the network
 * takes. */
#define LARGE_BYTES (10 * MIB)
/* What the server logs is set by its user; smaller ones are no work for the loop. */
#define LARGE_LEAST_BYTES (64 * KIB)

/* Of the requests, or of the replies. */
struct large {
	int64_t total, bytes;
	const struct record_large *most;
};

static struct large large_of(const struct model *m, bool replies)
{
	struct large all = { 0 };

	for (size_t i = 0; i < m->large_count; i++) {
		const struct record_large *one = &m->large[i].entry;

		if (one->reply != replies || one->bytes < LARGE_LEAST_BYTES)
			continue;
		all.total++;
		sum_add(&all.bytes, one->bytes);
		if (!all.most || one->bytes > all.most->bytes)
			all.most = one;
	}
	return all;
}

static void large_evidence(struct finding *f, const struct large *all, const char *total_name,
			   const char *bytes_name)
{
	if (!all->total)
		return;
	finding_evidence_count(f, total_name, all->total, "commands", BASIS_EXACT);
	finding_evidence_bytes(f, bytes_name, all->bytes, BASIS_EXACT);
}

static void large_title(struct finding *f, const struct large *all)
{
	const struct record_large *most = all->most;
	struct phrase key = { "" };

	if (most->key.len)
		key = say_key(most->key.data, most->key.len);
	finding_title(f, "%s large %s, the largest of %s: %s%s%s", say_count(all->total).s,
		      most->reply     ? all->total == 1 ? "reply" : "replies" :
		      all->total == 1 ? "request" :
					"requests",
		      say_bytes(most->bytes).s, say_command(most->command).s, *key.s ? " " : "",
		      key.s);
}

/* What Valkey logs of them (8.1 and later), above a megabyte unless that was set otherwise. */
bool rule_large_messages(const struct model *m, struct finding *f)
{
	struct large requests = large_of(m, false), replies = large_of(m, true);
	const struct large *worse = replies.bytes >= requests.bytes ? &replies : &requests;
	const struct record_large *most = worse->most;

	if (!most)
		return false;
	f->severity = most->bytes >= LARGE_BYTES ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = (double)sum_of(requests.bytes, replies.bytes);
	large_title(f, worse);
	large_evidence(f, &requests, "large_requests_total", "large_requests_bytes");
	large_evidence(f, &replies, "large_replies_total", "large_replies_bytes");
	finding_evidence_bytes(f, "largest_bytes", most->bytes, BASIS_EXACT);
	finding_evidence_text(f, "client", say_key(most->client.data, most->client.len).s,
			      BASIS_EXACT);
	if (most->client_name.len)
		finding_evidence_text(f, "client_name",
				      say_key(most->client_name.data, most->client_name.len).s,
				      BASIS_EXACT);
	finding_cause(f, "The event loop takes in and copies out each of them in one go while all "
			 "others wait, and what the network has not taken yet lies in the client's "
			 "buffer.");
	finding_action(
		f, RECORD_UNKNOWN,
		say_cli(m, "COMMANDLOG GET 10 %s", most->reply ? "large-reply" : "large-request").s,
		"See who %s so much at once; ask for parts (HSCAN, LRANGE, GETRANGE), or store "
		"smaller values.",
		most->reply ? "asks for" : "sends");
	return true;
}
