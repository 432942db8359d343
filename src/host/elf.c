/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF modules of a process, through libelf; addr -> name is in elf_symtab.c. */
#include "host/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/elf_internal.h"
#include "host/proc.h"

struct elf_file {
	int fd;
	Elf *elf;
};

/* Takes @fd over, also when it fails. */
static int file_from_fd(struct elf_file **out, int fd, const char *name, struct err *err)
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
	elf_version(EV_CURRENT);
	/* Read, not mapped: the file may be cut short while we look at it. */
	file->elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!file->elf || elf_kind(file->elf) != ELF_K_ELF) {
		ret = err_set(err, -ENOEXEC, "elf: %s: not an ELF file", name);
		elf_file_close(file);
		return ret;
	}
	*out = file;
	return 0;
}

int elf_file_open_path(struct elf_file **out, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_set(err, -errno, "elf: %s: %s", path, strerror(errno));
	return file_from_fd(out, fd, path, err);
}

int elf_file_open(struct elf_file **out, pid_t pid, const struct map *map, struct err *err)
{
	char path[96];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, map->start,
		 map->end);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		return file_from_fd(out, fd, map->path, err);
	fd = proc_root_open(pid, map->path, O_RDONLY, err);
	if (fd < 0)
		return fd;
	/* Device numbers of overlay and btrfs differ between maps and stat. */
	if (fstat(fd, &st) || st.st_ino != map->inode) {
		close(fd);
		return err_set(err, -ESTALE,
			       "elf: %s was replaced since process %d mapped it; run as root, "
			       "or restart the process",
			       map->path, pid);
	}
	return file_from_fd(out, fd, map->path, err);
}

void elf_file_close(struct elf_file *file)
{
	if (!file)
		return;
	elf_end(file->elf);
	close(file->fd);
	free(file);
}

int elf_file_fd(const struct elf_file *file)
{
	return file->fd;
}

int elf_each_symbol(struct elf_file *file, GElf_Word type, elf_symbol_fn fn, void *ctx)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(file->elf, section))) {
		GElf_Shdr header;
		GElf_Sym symbol;
		Elf_Data *data;

		if (!gelf_getshdr(section, &header) || header.sh_type != type)
			continue;
		data = elf_getdata(section, NULL);
		for (int i = 1; data && gelf_getsym(data, i, &symbol); i++) {
			const char *name = elf_strptr(file->elf, header.sh_link, symbol.st_name);
			int ret;

			if (!name || !*name || symbol.st_shndx == SHN_UNDEF)
				continue;
			ret = fn(ctx, &symbol, name);
			if (ret)
				return ret;
		}
	}
	return 0;
}

struct wanted {
	const char *name;
	unsigned char type;
	struct elf_symbol *out;
};

static int match_symbol(void *ctx, const GElf_Sym *symbol, const char *name)
{
	struct wanted *w = ctx;

	if (GELF_ST_TYPE(symbol->st_info) != w->type || strcmp(name, w->name))
		return 0;
	*w->out = (struct elf_symbol){ symbol->st_value, symbol->st_size };
	return 1;
}

int elf_file_symbol(struct elf_file *file, const char *name, enum elf_symbol_kind kind,
		    struct elf_symbol *out)
{
	struct wanted w = { name, kind == ELF_OBJECT ? STT_OBJECT : STT_FUNC, out };

	if (elf_each_symbol(file, SHT_DYNSYM, match_symbol, &w) ||
	    elf_each_symbol(file, SHT_SYMTAB, match_symbol, &w))
		return 0;
	return -ENOENT;
}

/* The @i-th program header; false behind the last one. */
static bool segment(struct elf_file *file, size_t i, GElf_Phdr *out)
{
	size_t count;

	return !elf_getphdrnum(file->elf, &count) && i < count &&
	       gelf_getphdr(file->elf, (int)i, out);
}

bool elf_file_segment(struct elf_file *file, GElf_Word type, GElf_Phdr *out)
{
	for (size_t i = 0; segment(file, i, out); i++)
		if (out->p_type == type)
			return true;
	return false;
}

int elf_file_offset(struct elf_file *file, uint64_t vaddr, uint64_t *offset)
{
	GElf_Phdr ph;

	for (size_t i = 0; segment(file, i, &ph); i++) {
		if (ph.p_type != PT_LOAD || vaddr < ph.p_vaddr || vaddr - ph.p_vaddr >= ph.p_filesz)
			continue;
		*offset = vaddr - ph.p_vaddr + ph.p_offset;
		return 0;
	}
	return -ENOENT;
}

int elf_file_bias(struct elf_file *file, const struct map *map, uint64_t *bias)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	GElf_Phdr ph;

	for (size_t i = 0; segment(file, i, &ph); i++) {
		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X) ||
		    (ph.p_offset & ~(page - 1)) != map->offset)
			continue;
		*bias = map->start - (ph.p_vaddr & ~(page - 1));
		return 0;
	}
	return -ENOENT;
}

/* The build-id among the notes of @data. */
static const unsigned char *find_build_id(Elf_Data *data, size_t *len)
{
	size_t at = 0, name, desc, next;
	GElf_Nhdr note;

	while (data && (next = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
		const char *bytes = data->d_buf;

		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
		    !memcmp(bytes + name, "GNU", sizeof("GNU"))) {
			*len = note.n_descsz;
			return (const unsigned char *)bytes + desc;
		}
		at = next;
	}
	return NULL;
}

const unsigned char *elf_file_build_id(struct elf_file *file, size_t *len)
{
	const unsigned char *id;
	GElf_Phdr ph;

	*len = 0;
	for (size_t i = 0; segment(file, i, &ph); i++) {
		Elf_Data *data;

		if (ph.p_type != PT_NOTE)
			continue;
		data = elf_getdata_rawchunk(file->elf, (int64_t)ph.p_offset, ph.p_filesz,
					    ph.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		id = find_build_id(data, len);
		if (id)
			return id;
	}
	return NULL;
}
