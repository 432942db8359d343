/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The helper that reads ELF files; see elf.h. It is started by exec, so that nothing of
 * redmem's memory is in it, and by the time the first file comes it can do no more than
 * read what it is handed and answer. Whatever a file makes of it ends here.
 */
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#include "base/buf.h"
#include "host/elf_frames.h"
#include "host/elf_wire.h"
#include "host/fence.h"

struct named {
	struct elf_symbol symbol;
	const char *name; /* of libdwfl's, as long as the file */
	size_t order;
	UT_hash_handle hh;
};

struct file {
	Dwfl *dwfl;
	Dwfl_Module *module;
	bool read; /* symbols are */
	struct named *symbols; /* all, one array */
	size_t count;
	struct named *by_name[ELF_SYMBOL_KINDS];
	struct named **by_address; /* functions */
	size_t functions;
	struct elf_frames frames;
};

static struct file files[ELF_FILES];

/* --- the socket ------------------------------------------------------------------------- */

/* A packet into @data, and the descriptor that came with it, or -1. Its length; 0 at the
 * end. */
static ssize_t receive(void *data, size_t size, int *fd)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec piece = { data, size };
	struct msghdr message = { .msg_iov = &piece,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(ELF_HELPER_FD, &message, 0);
	struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	*fd = -1;
	if (head && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(head), sizeof(int));
	return got;
}

static bool tell(const void *data, size_t len)
{
	struct iovec piece = { (void *)data, len };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	return sendmsg(ELF_HELPER_FD, &message, MSG_NOSIGNAL) == (ssize_t)len;
}

/* --- opening ------------------------------------------------------------------------------ */

/* Is the file @fd the debug file of the build with this id? */
static bool has_id(int fd, const unsigned char *id, size_t len)
{
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	const void *found = NULL;
	ssize_t got = elf ? dwelf_elf_gnu_build_id(elf, &found) : -1;
	bool same = got == (ssize_t)len && !memcmp(found, id, len);

	elf_end(elf);
	return same;
}

static const Dwfl_Callbacks callbacks;

/* libdwfl's way to ask where the debug file is. */
static int find_debug(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
		      const char *file, const char *link, GElf_Word crc, char **path)
{
	struct elf_question question = { .ask = ELF_ASK_DEBUG_FILE };
	const unsigned char *id;
	GElf_Addr address;
	uint32_t answer;
	int len = dwfl_module_build_id(module, &id, &address), fd;

	(void)name, (void)base, (void)file, (void)link, (void)crc, (void)path;
	if (len < 2 || len > ELF_ID_MAX)
		return -1;
	question.id_len = (uint32_t)len;
	memcpy(question.id, id, (size_t)len);
	if (!tell(&question, sizeof(question)) || receive(&answer, sizeof(answer), &fd) <= 0)
		_exit(1);
	if (fd >= 0 && !has_id(fd, id, (size_t)len)) {
		close(fd);
		return -1;
	}
	if (fd >= 0)
		*data = (void *)&callbacks; /* anything but NULL: there is one */
	return fd;
}

static int find_nothing(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
			char **path, Elf **elf)
{
	(void)module, (void)data, (void)name, (void)base, (void)path, (void)elf;
	return -1;
}

static const Dwfl_Callbacks callbacks = { .find_elf = find_nothing, .find_debuginfo = find_debug };

static void fill_segments(Elf *elf, struct elf_records *records)
{
	size_t count = 0;
	GElf_Phdr ph;

	if (elf_getphdrnum(elf, &count))
		return;
	for (size_t i = 0; i < count && records->segments < ELF_SEGMENTS; i++)
		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD)
			records->segment[records->segments++] =
				(struct elf_segment){ ph.p_vaddr, ph.p_offset, ph.p_filesz,
						      ph.p_memsz, !!(ph.p_flags & PF_X) };
}

static void put_name(char out[ELF_SONAME], const char *name)
{
	if (name && strlen(name) < ELF_SONAME)
		strcpy(out, name); /* NOLINT: measured */
}

/* What the dynamic section says of names. */
static void fill_names(Elf *elf, struct elf_records *records)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Dyn entry;

	while ((section = elf_nextscn(elf, section))) {
		Elf_Data *data;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNAMIC)
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 0; data && gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL;
		     i++) {
			const char *name = elf_strptr(elf, header.sh_link, entry.d_un.d_val);

			if (entry.d_tag == DT_SONAME)
				put_name(records->soname, name);
			else if (entry.d_tag == DT_NEEDED && records->needed_count < ELF_NEEDED)
				put_name(records->needed[records->needed_count++], name);
		}
	}
}

static void close_file(struct file *file)
{
	for (int kind = 0; kind < ELF_SYMBOL_KINDS; kind++)
		HASH_CLEAR(hh, file->by_name[kind]);
	free(file->symbols);
	free(file->by_address);
	elf_frames_close(&file->frames);
	if (file->dwfl)
		dwfl_end(file->dwfl);
	*file = (struct file){ 0 };
}

static int open_file(struct file *file, int fd, struct elf_records *records)
{
	const unsigned char *id;
	GElf_Addr bias;
	Elf *elf;
	int len;

	close_file(file);
	file->dwfl = dwfl_begin(&callbacks);
	if (!file->dwfl)
		return -ENOMEM;
	dwfl_report_begin(file->dwfl);
	file->module = dwfl_report_elf(file->dwfl, "file", "file", fd, 0, true);
	if (!file->module)
		close(fd);
	if (dwfl_report_end(file->dwfl, NULL, NULL) || !file->module)
		return -ENOEXEC;
	file->frames.module = file->module;
	elf = dwfl_module_getelf(file->module, &bias);
	if (!elf || gelf_getclass(elf) != ELFCLASS64)
		return -ENOEXEC;
	fill_segments(elf, records);
	fill_names(elf, records);
	len = dwfl_module_build_id(file->module, &id, &bias);
	if (len > 0 && len <= ELF_ID_MAX) {
		records->id_len = (uint32_t)len;
		memcpy(records->id, id, (size_t)len);
	}
	return 0;
}

/* --- symbols ------------------------------------------------------------------------------ */

/* By address; at one address the longer one first, then the one read first. */
static int compare_functions(const void *a, const void *b)
{
	const struct named *x = *(struct named *const *)a, *y = *(struct named *const *)b;

	if (x->symbol.value != y->symbol.value)
		return x->symbol.value < y->symbol.value ? -1 : 1;
	if (x->symbol.size != y->symbol.size)
		return x->symbol.size > y->symbol.size ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static void add_name(struct file *file, struct named *named, enum elf_symbol_kind kind)
{
	struct named *other;

	HASH_FIND_STR(file->by_name[kind], named->name, other);
	if (!other)
		HASH_ADD_KEYPTR(hh, file->by_name[kind], named->name, strlen(named->name), named);
}

/* Functions in the order of their addresses, one at each. */
static void order_functions(struct file *file)
{
	size_t n = 0;

	qsort(file->by_address, file->functions, sizeof(struct named *), compare_functions);
	for (size_t i = 0; i < file->functions; i++)
		if (!n ||
		    file->by_address[n - 1]->symbol.value != file->by_address[i]->symbol.value)
			file->by_address[n++] = file->by_address[i];
	file->functions = n;
}

static void read_symbols(struct file *file)
{
	int count;

	if (file->read)
		return;
	file->read = true;
	count = dwfl_module_getsymtab(file->module);
	if (count <= 0)
		return;
	file->symbols = xcalloc((size_t)count, sizeof(*file->symbols));
	file->by_address = xcalloc((size_t)count, sizeof(struct named *));
	for (int i = 1; i < count; i++) {
		struct named *named = &file->symbols[file->count];
		GElf_Word section;
		GElf_Addr address;
		GElf_Sym symbol;
		const char *name = dwfl_module_getsym_info(file->module, i, &symbol, &address,
							   &section, NULL, NULL);
		unsigned char type = GELF_ST_TYPE(symbol.st_info);

		if (!name || !*name || section == SHN_UNDEF)
			continue;
		if (type != STT_OBJECT && type != STT_FUNC && type != STT_GNU_IFUNC)
			continue;
		*named = (struct named){ .symbol = { address, symbol.st_size },
					 .name = name,
					 .order = file->count++ };
		if (type != STT_GNU_IFUNC)
			add_name(file, named, type == STT_OBJECT ? ELF_OBJECT : ELF_FUNCTION);
		if (type != STT_OBJECT)
			file->by_address[file->functions++] = named;
	}
	order_functions(file);
}

static bool has_debug(const struct file *file)
{
	void **found;

	if (!file->module)
		return false;
	dwfl_module_info(file->module, &found, NULL, NULL, NULL, NULL, NULL, NULL);
	return found && *found;
}

static int find_symbol(struct file *file, const struct elf_question *question,
		       struct elf_symbol *out)
{
	struct named *named;

	read_symbols(file);
	HASH_FIND_STR(file->by_name[question->kind], question->name, named);
	if (!named)
		return -ENOENT;
	*out = named->symbol;
	return 0;
}

static void find_function(struct file *file, uint64_t vaddr, struct elf_function *out)
{
	size_t low = 0, high;
	const struct named *at;

	read_symbols(file);
	high = file->functions;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->by_address[middle]->symbol.value <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	out->end = low < file->functions ? file->by_address[low]->symbol.value : UINT64_MAX;
	if (!low)
		return;
	at = file->by_address[low - 1];
	out->start = at->symbol.value;
	if (at->symbol.size && vaddr - out->start >= at->symbol.size) {
		out->start += at->symbol.size; /* in a gap */
		return;
	}
	if (at->symbol.size)
		out->end = out->start + at->symbol.size;
	strncpy(out->name, at->name, sizeof(out->name) - 1);
}

/* --- questions ---------------------------------------------------------------------------- */

static int answer_question(const struct elf_question *question, int fd, struct elf_answer *answer)
{
	struct file *file = &files[question->file];

	if (question->ask == ELF_ASK_OPEN)
		return open_file(file, fd, &answer->records);
	if (!file->module)
		return -EBADF;
	switch (question->ask) {
	case ELF_ASK_SYMBOL:
		return find_symbol(file, question, &answer->symbol);
	case ELF_ASK_FUNCTION:
		find_function(file, question->at, &answer->function);
		return 0;
	case ELF_ASK_STARTS:
		return elf_frames_starts(&file->frames, question->at, answer);
	case ELF_ASK_FRAME_ROW:
		return elf_frames_row(&file->frames, question->at, &answer->row);
	case ELF_ASK_CLOSE:
		close_file(file);
		return 0;
	}
	return -EINVAL;
}

/* Everything is in place before the first file comes. */
static bool put_up_fence(void)
{
	const struct fence_limits limits = {
#ifndef SANITIZED /* its shadow takes terabytes of address space */
		.memory_bytes = 2ULL << 30,
#endif
		.cpu_seconds = 600,
		.files = ELF_FILES + 16,
	};
	struct sock_fprog filter;
	bool fine;

	/* Without a mount namespace there is no other root; then no path is ever opened. */
	if (!fence_root(NULL, 0))
		errno = 0;
	fine = fence_filter_reader(&filter) && fence_enter(&limits, &filter);
	free(filter.filter);
	return fine;
}

static _Noreturn void help(void)
{
	struct elf_question question;
	int fd;

	elf_version(EV_CURRENT);
	if (!put_up_fence())
		_exit(1);
	while (receive(&question, sizeof(question), &fd) == sizeof(question)) {
		struct elf_answer answer = { .ask = question.ask };

		question.file %= ELF_FILES;
		question.kind %= ELF_SYMBOL_KINDS;
		question.name[sizeof(question.name) - 1] = '\0';
		answer.code = answer_question(&question, fd, &answer);
		answer.debug = has_debug(&files[question.file]);
		if (!tell(&answer, sizeof(answer)))
			break;
	}
	_exit(0); /* leak checkers need what is not allowed here */
}

const char elf_helper_name[] = "redmem-elf";

/* Before main(), in whatever program this is part of, so that none can forget it: started
 * under this name it is the helper. glibc gives constructors what main() gets. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
	if (argc && !strcmp(argv[0], elf_helper_name))
		help();
}
