/* SPDX-License-Identifier: BSD-2-Clause */
/* reclaim: stalls the kernel imposes to find memory. */
#include "sensor/internal.h"

#include <errno.h>

static int reclaim_probe(struct engine *e, struct err *err)
{
	struct {
		struct bpf_program *program;
		const char *tracepoint;
	} rows[] = {
		{ e->bpf->progs.direct_reclaim_begin, "mm_vmscan_direct_reclaim_begin" },
		{ e->bpf->progs.direct_reclaim_end, "mm_vmscan_direct_reclaim_end" },
		{ e->bpf->progs.memcg_reclaim_begin, "mm_vmscan_memcg_reclaim_begin" },
		{ e->bpf->progs.memcg_reclaim_end, "mm_vmscan_memcg_reclaim_end" },
		{ e->bpf->progs.compaction_begin, "mm_compaction_begin" },
		{ e->bpf->progs.compaction_end, "mm_compaction_end" },
		{ e->bpf->progs.huge_collapse, "mm_collapse_huge_page" },
	};
	size_t found = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		found += sensor_tracepoint(rows[i].program, rows[i].tracepoint);
	if (!found)
		return err_set(err, -ENOENT, "this kernel has no reclaim tracepoints");
	return 0;
}

static int reclaim_attach(struct engine *e, struct err *err)
{
	struct bpf_program *programs[] = {
		e->bpf->progs.direct_reclaim_begin, e->bpf->progs.direct_reclaim_end,
		e->bpf->progs.memcg_reclaim_begin,  e->bpf->progs.memcg_reclaim_end,
		e->bpf->progs.compaction_begin,	    e->bpf->progs.compaction_end,
		e->bpf->progs.huge_collapse,
	};

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		int ret = sensor_attach_link(e, programs[i], err);

		if (ret)
			return ret;
	}
	return 0;
}

const struct sensor sensor_reclaim = {
	.id = "reclaim",
	.probe = reclaim_probe,
	.attach = reclaim_attach,
	.fix = "a kernel with vmscan tracepoints and BTF",
};
