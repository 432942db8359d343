/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --redact: records without names. What somebody has chosen (keys, clients, users, files, hosts,
 * cgroups, commands and types of modules...) becomes a keyed hash before anything is made of it, so
 * that reports, recordings, the history, metrics, profiles and pages have none.
 *
 * Each segment of a name, between the separators that prefixes have (model/prefix.h), is hashed by
 * itself, and so that what is the same is the same and what varies varies: "session:90937:alice"
 * is "session:3f2a9c81d5e0:qmzrtvks". A segment that prefixes fold away becomes hex digits, one
 * that they keep becomes letters, digits at its end digits; so prefixes and their sums are as they
 * were. Of words that are in everybody's keys ("session", "cache") nothing is hidden: those in
 * redact_names.c, and no other.
 *
 * What is hidden where, the schema of records says (enum field_says): who forgets to say it of a
 * new field has it hidden. redmem-security(7) tells people.
 */
#pragma once

#include "app/redact_names.h"

struct options;

struct redact;

/* In one thread at a time. See redact_names_new(). */
struct redact *redact_new(const struct redact_key *key, const char *separators);
/* As the options say: NULL where names are shown. */
struct redact *redact_new_of(const struct options *o);
void redact_free(struct redact *r); /* may be NULL */
/* For single names. */
struct redact_names *redact_names_of(struct redact *r);

/* @record with names hidden: valid until the next call, and as long as @record. */
const struct record *redact_record(struct redact *r, const struct record *record);
/* Where records come in that go on to @next, which is copied, without names. One sink at a time.
 * With a NULL @r it is @next. */
struct record_sink redact_sink(struct redact *r, const struct record_sink *next);

/* What a place or a label is called in the output, in place of @text: for what is in no record. A
 * copy, the caller's; with a NULL @r of @text itself. */
char *redact_text(struct redact *r, const char *text);
/* Why something failed, of which only common words are shown. Likewise. */
char *redact_reason(struct redact *r, const char *text);
/* The same of an error of redmem's, of which all is shown but files, hosts and what is quoted;
 * of a server's refusal no more than of any reason. */
char *redact_error(struct redact *r, const struct err *err);
