/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the functions of a stripped file begin: .eh_frame_hdr, the sorted table that
 * unwinders search, has the start of each (Linux Standard Base, "Exception Frames").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/elf_internal.h"

#define ENCODING_PCREL_SDATA4	0x1b
#define ENCODING_UDATA4		0x03
#define ENCODING_DATAREL_SDATA4 0x3b
#define FRAMES_MAX		(1 << 20)

struct frame_head {
	uint8_t version;
	uint8_t frame_encoding;
	uint8_t count_encoding;
	uint8_t table_encoding;
	int32_t frames; /* where .eh_frame is */
	uint32_t count;
};

struct frame_row {
	int32_t start; /* from the start of the section */
	int32_t description;
};

static bool is_known(const struct frame_head *head)
{
	return head->version == 1 && head->frame_encoding == ENCODING_PCREL_SDATA4 &&
	       head->count_encoding == ENCODING_UDATA4 &&
	       head->table_encoding == ENCODING_DATAREL_SDATA4 && head->count < FRAMES_MAX;
}

int elf_file_function_starts(struct elf_file *file, uint64_t **out, size_t *count, struct err *err)
{
	struct frame_head head;
	struct frame_row *rows;
	GElf_Phdr segment;
	size_t bytes;

	if (!elf_file_segment(file, PT_GNU_EH_FRAME, &segment) ||
	    pread(elf_file_fd(file), &head, sizeof(head), (off_t)segment.p_offset) !=
		    sizeof(head) ||
	    !is_known(&head))
		return err_set(err, -ENOTSUP,
			       "elf: the file has no table of its functions' frames");
	bytes = head.count * sizeof(*rows);
	rows = xcalloc(head.count, sizeof(*rows));
	if (pread(elf_file_fd(file), rows, bytes, (off_t)(segment.p_offset + sizeof(head))) !=
	    (ssize_t)bytes) {
		free(rows);
		return err_set(err, -EINVAL, "elf: the table of functions' frames is cut short");
	}
	*out = xcalloc(head.count, sizeof(**out));
	for (size_t i = 0; i < head.count; i++)
		(*out)[i] = segment.p_vaddr + (int64_t)rows[i].start;
	*count = head.count;
	free(rows);
	return 0;
}
