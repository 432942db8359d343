/* SPDX-License-Identifier: BSD-2-Clause */
/* The probe of calibration; see probe.h. */
#include "target/probe.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "host/uprobe.h"
#include "redmem.skel.h"

void probe_off(struct probe *probe)
{
	uprobe_detach(probe->links, PROBES_MAX);
}

static bool role_offset(const struct image *image, enum function_role role, unsigned long *offset)
{
	const char *name;

	for (size_t i = 0; (name = knowledge_role_name(role, i)); i++)
		if (image_function_offset(image, name, offset))
			return true;
	return false;
}

int probe_on(struct probe *probe, const enum function_role *roles, size_t count, struct err *err)
{
	const char *first = knowledge_role_name(roles[0], 0);
	const struct image *image = probe->image;
	unsigned long offsets[PROBES_MAX];
	size_t found = 0;
	int ret;

	for (size_t i = 0; i < count; i++)
		if (role_offset(image, roles[i], &offsets[found]))
			found++;
	if (!found)
		return err_set(err, -ENOENT, "calibration: %s has no function %s",
			       image->executable, first);
	image_touch(image, offsets, found);
	ret = uprobe_attach(
		probe->slots->bpf->progs.calibrate_look,
		&(struct uprobe_place){ .pid = image->pid,
					.file = image->file,
					.cookie = PROBE_COOKIE(probe->slots->settings->index, 0) },
		offsets, found, probe->links);
	if (!ret)
		return 0;
	probe_off(probe);
	return err_set(err, ret, "calibration: uprobe on %s of process %d: %s; needs CAP_SYS_ADMIN",
		       first, image->pid, strerror(-ret));
}

static int map_of(const struct probe *probe)
{
	return bpf_map__fd(probe->slots->bpf->maps.calibration);
}

int probe_arm(struct probe *probe, unsigned int slot, struct redmem_calibration *look)
{
	uint32_t bytes = probe->image->server_bytes;

	look->armed = 1;
	look->server_address = probe->image->server_address;
	look->server_bytes = bytes < CALIBRATION_SERVER_BYTES ? bytes : CALIBRATION_SERVER_BYTES;
	slot += probe->slots->first;
	if (bpf_map_update_elem(map_of(probe), &slot, look, BPF_ANY))
		return -errno;
	__atomic_store_n(&probe->slots->settings->calibration_slot, slot, __ATOMIC_RELEASE);
	return 0;
}

int probe_read(struct probe *probe, unsigned int slot, struct redmem_calibration *look)
{
	slot += probe->slots->first;
	if (bpf_map_lookup_elem(map_of(probe), &slot, look))
		return -errno;
	return 0;
}
