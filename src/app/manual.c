/* SPDX-License-Identifier: BSD-2-Clause */
/* Manual pages made of tables; see manual.h. */
#include "app/manual.h"

#include <stdio.h>
#include <string.h>

#include "app/print.h"
#include "app/serve_config.h"
#include "base/buf.h"
#include "base/version.h"
#include "report/metrics.h"

static void config_page(struct buf *out)
{
	buf_puts(out,
		 ".SH NAME\n"
		 "redmem.conf \\- what redmem serve watches, and how\n"
		 ".SH SYNOPSIS\n"
		 "/etc/redmem/redmem.conf\n"
		 ".SH DESCRIPTION\n"
		 "Without this file\n.BR \"redmem serve\" (1)\n"
		 "watches every redis\\-server and valkey\\-server of the host, with the defaults "
		 "below. The file has a setting a line, \"key = value\", and comments, lines that "
		 "begin with #. What applies to one server, or to those that fit a pattern, stands "
		 "in a section that begins with [server NAME].\n"
		 ".PP\n"
		 "SIGHUP, \"systemctl reload redmem\" and POST /\\-/reload read the file again. A "
		 "file that cannot be taken leaves all as it was, and a line says why; \"redmem "
		 "serve \\-\\-check\\-config\" says it before. listen, web_config, run_as, state, "
		 "history and prefixes take a restart; a line names those that have changed.\n"
		 ".PP\n"
		 "A server's name, which is the label of its metrics and what redmem report takes, "
		 "is the NAME of its section where that has a port, or a socket, unit or container "
		 "without wildcards; else NAME:PORT. Without a section it is CONTAINER:PORT or "
		 "UNIT:PORT, else ADDRESS:PORT or the socket's path. It is never the process id, "
		 "and is the same after a restart. Where two servers would have one name, the one "
		 "that came later has #2 behind it.\n");
	serve_config_manual(out);
	buf_puts(out, ".SH EXAMPLE\n"
		      ".nf\n"
		      "listen = 127.0.0.1:9122\n"
		      "history_size = 2G\n"
		      "\n"
		      "[server cache]\n"
		      "port = 6379\n"
		      "user = redmem\n"
		      "password_file = /etc/redmem/cache.password\n"
		      "uid = redis\n"
		      "\n"
		      "[server session]\n"
		      "unit = redis\\-server@session\\-*.service\n"
		      "budget = 0.2\n"
		      ".fi\n"
		      ".SH SEE ALSO\n"
		      ".BR redmem\\-serve (1)\n");
}

static const struct page {
	const char *name;
	int section;
	void (*body)(struct buf *out);
} pages[] = {
	{ "redmem.conf", 5, config_page },
	{ "redmem-metrics", 7, metrics_manual },
	{ NULL },
};

int manual_print(const char *name)
{
	struct buf out = { 0 };
	int ret = 2;

	for (const struct page *page = pages; page->name; page++) {
		if (!name) {
			printf("%s %d\n", page->name, page->section);
			ret = 0;
			continue;
		}
		if (strcmp(page->name, name) != 0)
			continue;
		buf_printf(&out, ".TH %s %d \"\" \"redmem %s\" redmem\n", name, page->section,
			   redmem_version);
		page->body(&out);
		ret = print_out(&out);
	}
	if (ret == 2)
		fprintf(stderr, "redmem: no manual page '%.40s' is made of a table\n", name);
	buf_free(&out);
	return ret;
}
