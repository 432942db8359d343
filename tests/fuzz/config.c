/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem.conf, and the web side's own file. */
#include "app/serve_config.h"
#include "app/serve_identity.h"
#include "app/web_config.h"
#include "fuzz.h"

static void take_serve(const char *path)
{
	static const struct serve_who who = { .port = 6379,
					      .address = "127.0.0.1:6379",
					      .socket = "",
					      .unit = "redis.service",
					      .container = "",
					      .pod = "" };
	struct serve_config *config;
	struct err err = { 0 };
	struct buf label = { 0 };

	if (serve_config_read(&config, path, &err)) {
		must(*err.text);
		return;
	}
	serve_label(&label, serve_config_find(config, &who), &who);
	must(label.len);
	buf_free(&label);
	for (size_t i = 0; i < config->servers_count; i++)
		must(serve_server_same(&config->servers[i], &config->servers[i]));
	serve_config_forget_servers(config);
	serve_config_free(config);
}

static void take_web(const char *path)
{
	struct web_file *file;
	struct err err = { 0 };

	if (web_config_read(&file, path, &err)) {
		must(*err.text);
		return;
	}
	must(file->users_count <= WEB_USERS_MAX);
	web_config_free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!len)
		return 0;
	if (*data == '#') /* a comment in both */
		take_web(file_of(data, len));
	else
		take_serve(file_of(data, len));
	return 0;
}
