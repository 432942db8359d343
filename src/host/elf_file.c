/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF files of a process, on the side that does not read them; see elf.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/elf_ask.h"
#include "host/proc.h"

#define STARTS_MAX (1 << 20)
/* First bytes of a function that are compared: three instructions or more. */
#define CODE_BYTES 16

/* --- opening ------------------------------------------------------------------------- */

static int open_fd(struct elf_file **out, int fd, const char *name, pid_t pid, struct err *err)
{
	struct elf_file *file;
	struct stat st;
	int ret;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, -EINVAL, "elf: %s: not a regular file", name);
	}
	file = xcalloc(1, sizeof(*file));
	file->fd = fd;
	file->pid = pid;
	snprintf(file->name, sizeof(file->name), "%.127s", name);
	ret = elf_join(file, err);
	if (ret) {
		elf_file_close(file);
		return ret;
	}
	*out = file;
	return 0;
}

int elf_file_open_fd(struct elf_file **out, int fd, const char *name, struct err *err)
{
	return open_fd(out, fd, name, 0, err);
}

int elf_file_open_path(struct elf_file **out, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_set(err, -errno, "elf: %s: %s", path, strerror(errno));
	return elf_file_open_fd(out, fd, path, err);
}

/* Device numbers of overlay and btrfs differ between maps and stat, but not between maps
 * and maps: so the file is mapped here, too. */
static bool is_mapped_file(int fd, const struct map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *here = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
	const struct map *ours;
	struct maps *maps;
	bool same;

	if (here == MAP_FAILED)
		return false;
	same = !maps_read(&maps, getpid(), NULL);
	if (same) {
		ours = maps_find(maps, (uintptr_t)here);
		same = ours && map_same_file(ours, map);
		maps_free(maps);
	}
	munmap(here, page);
	return same;
}

int elf_file_open(struct elf_file **out, pid_t pid, const struct map *map, struct err *err)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, map->start,
		 map->end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return open_fd(out, fd, map->path, pid, err);
	fd = proc_root_open(pid, map->path, O_RDONLY, err);
	if (fd < 0)
		return fd;
	if (!is_mapped_file(fd, map)) {
		close(fd);
		return err_set(err, -ESTALE,
			       "elf: %s was replaced since process %d mapped it; run as root, "
			       "or restart the process",
			       map->path, pid);
	}
	return open_fd(out, fd, map->path, pid, err);
}

void elf_file_close(struct elf_file *file)
{
	if (!file)
		return;
	elf_leave(file);
	close(file->fd);
	free(file);
}

/* --- questions ------------------------------------------------------------------------- */

int elf_file_fd(const struct elf_file *file)
{
	return file->fd;
}

int elf_file_symbol(struct elf_file *file, const char *name, enum elf_symbol_kind kind,
		    struct elf_symbol *out)
{
	struct elf_question question = { .ask = ELF_ASK_SYMBOL, .kind = kind };
	struct elf_answer answer;
	struct err why = {};
	int ret;

	if (strlen(name) >= sizeof(question.name))
		return -ENOENT;
	memcpy(question.name, name, strlen(name));
	ret = elf_ask(file, &question, &answer, &why);
	if (why.code)
		log_msg(LOG_INFO, "%s", why.text);
	else
		file->debug = answer.debug;
	if (!ret)
		*out = answer.symbol;
	return ret;
}

bool elf_file_has_debug(const struct elf_file *file)
{
	return file->debug;
}

bool elf_file_lacks_debug(const struct elf_file *file)
{
	return file->stripped && !file->debug;
}

int elf_file_function(struct elf_file *file, uint64_t vaddr, struct elf_function *out)
{
	struct elf_question question = { .ask = ELF_ASK_FUNCTION, .at = vaddr };
	struct elf_answer answer;
	int ret = elf_ask(file, &question, &answer, NULL);

	if (!ret)
		*out = answer.function;
	return ret;
}

int elf_file_frame_row(struct elf_file *file, uint64_t vaddr, struct elf_frame_row *out)
{
	struct elf_question question = { .ask = ELF_ASK_FRAME_ROW, .at = vaddr };
	struct elf_answer answer;
	int ret = elf_ask(file, &question, &answer, NULL);

	if (!ret)
		*out = answer.row;
	return ret;
}

int elf_file_offset(const struct elf_file *file, uint64_t vaddr, uint64_t *offset)
{
	for (size_t i = 0; i < file->records.segments; i++) {
		const struct elf_segment *s = &file->records.segment[i];

		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->file_bytes)
			continue;
		*offset = vaddr - s->vaddr + s->offset;
		return 0;
	}
	return -ENOENT;
}

int elf_file_bias(const struct elf_file *file, const struct map *map, uint64_t *bias)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	for (size_t i = 0; i < file->records.segments; i++) {
		const struct elf_segment *s = &file->records.segment[i];

		if (!s->executable || (s->offset & ~(page - 1)) != map->offset)
			continue;
		*bias = map->start - (s->vaddr & ~(page - 1));
		return 0;
	}
	return -ENOENT;
}

bool elf_file_same_code(const struct elf_file *file, pid_t pid, uint64_t bias, uint64_t vaddr)
{
#if defined(__x86_64__)
	const size_t breakpoint = 1;
	const unsigned char trap[] = { 0xcc };
#else
	/* What the kernel's uprobes put there (arch/arm64/include/asm/brk-imm.h: 5). */
	const size_t breakpoint = 4;
	const unsigned char trap[] = { 0xa0, 0x00, 0x20, 0xd4 };
#endif
	unsigned char here[CODE_BYTES], there[CODE_BYTES];
	uint64_t offset;

	if (elf_file_offset(file, vaddr, &offset) ||
	    pread(file->fd, here, sizeof(here), (off_t)offset) != sizeof(here) ||
	    memory_read(pid, bias + vaddr, there, sizeof(there)))
		return false;
	if (!memcmp(there, trap, breakpoint))
		memcpy(there, here, breakpoint);
	return !memcmp(here, there, sizeof(here));
}

const unsigned char *elf_file_build_id(const struct elf_file *file, size_t *len)
{
	*len = file->records.id_len;
	return *len ? file->records.id : NULL;
}

const char *elf_file_soname(const struct elf_file *file)
{
	return file->records.soname;
}

const char *elf_file_needed(const struct elf_file *file, size_t i)
{
	return i < file->records.needed_count ? file->records.needed[i] : NULL;
}

int elf_file_function_starts(struct elf_file *file, uint64_t **out, size_t *count, struct err *err)
{
	struct elf_question question = { .ask = ELF_ASK_STARTS };
	struct elf_answer answer;
	int ret;

	*out = NULL;
	*count = 0;
	do {
		question.at = *count;
		ret = elf_ask(file, &question, &answer, err);
		if (ret == -ENOTSUP)
			err_set(err, ret, "elf: the file has no table of its functions' frames");
		if (!ret && answer.count && *count && answer.start[0] <= (*out)[*count - 1])
			ret = err_set(err, -EBADMSG, "elf: %s: its functions are out of order",
				      file->name);
		if (!ret && answer.count) {
			*out = xrealloc(*out, (*count + answer.count) * sizeof(**out));
			memcpy(*out + *count, answer.start, answer.count * sizeof(**out));
			*count += answer.count;
		}
	} while (!ret && answer.count == ELF_STARTS && *count < STARTS_MAX);
	if (ret) {
		free(*out);
		*out = NULL;
		*count = 0;
	}
	return ret;
}
