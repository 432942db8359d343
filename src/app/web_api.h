/* SPDX-License-Identifier: BSD-2-Clause */
/* What each path of the web side answers. */
#pragma once

#include "app/web_answer.h"
#include "app/web_source.h"
#include "app/work.h"

/* The documents of /api/v1/servers and /api/v1/findings. */
extern const struct schema schema_servers, schema_findings;

enum web_step {
	WEB_ANSWERED,
	WEB_REPORT, /* *@report is to be made first: then web_api_report() */
};

/* Answer @request, made with @method. */
enum web_step web_api(const struct web_request *request, const struct web_source *source,
		      const char *method, struct work_job **report);
/* Answer with the report that was made, and free it. */
void web_api_report(const struct web_request *request, struct work_job *report);
/* Free one that was not made, or that nobody waits for. */
void web_api_drop(struct work_job *report);
