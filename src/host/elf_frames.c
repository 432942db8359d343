/* SPDX-License-Identifier: BSD-2-Clause */
#include "host/elf_frames.h"

#include <dwarf.h>
#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/sort.h"

/* --- where functions begin ------------------------------------------------------------------ */

/* How a row's addresses are written: the 'R' of its CIE's augmentation (Linux Standard
 * Base, "Exception Frames"); -1 when that cannot be told. */
static int pointer_encoding(const Dwarf_CIE *cie)
{
	const uint8_t *data = cie->augmentation_data;
	const char *at = cie->augmentation;

	if (!at || *at != 'z')
		return at && !*at ? DW_EH_PE_absptr : -1;
	for (at++; *at; at++)
		switch (*at) {
		case 'R':
			return *data;
		case 'L':
			data++;
			break;
		case 'P': /* and a pointer */
			data += 1 + ((*data & 7) == DW_EH_PE_udata4 ? 4 : 8);
			break;
		case 'S':
		case 'B':
			break;
		default:
			return -1;
		}
	return DW_EH_PE_absptr;
}

/* The address at @at, which itself stands at @place in memory. False for what no
 * compiler writes there. */
static bool read_pointer(const uint8_t *at, size_t left, int encoding, uint64_t place,
			 uint64_t *out)
{
	size_t bytes = (encoding & 7) == DW_EH_PE_udata4 ? 4 : 8;
	int64_t value;
	int32_t half;

	if (encoding < 0 || left < bytes || encoding & DW_EH_PE_indirect)
		return false;
	if (bytes == 4) {
		memcpy(&half, at, 4);
		value = encoding & DW_EH_PE_signed ? half : (int64_t)(uint32_t)half;
	} else {
		memcpy(&value, at, 8);
	}
	*out = (uint64_t)value + ((encoding & 0x70) == DW_EH_PE_pcrel ? place : 0);
	return true;
}

/* Each row of .eh_frame is of one function. */
static void read_frames(struct elf_frames *f, Elf *elf, Elf_Data *data, uint64_t section)
{
	const unsigned char *ident = (const unsigned char *)elf_getident(elf, NULL);
	Dwarf_Off at = 0, next;
	Dwarf_CFI_Entry entry, cie;

	for (; dwarf_next_cfi(ident, data, true, at, &next, &entry) == 0; at = next) {
		const uint8_t *first;
		uint64_t start;
		Dwarf_Off ignored;
		size_t inside;

		if (dwarf_cfi_cie_p(&entry) ||
		    dwarf_next_cfi(ident, data, true, entry.fde.CIE_pointer, &ignored, &cie) ||
		    !dwarf_cfi_cie_p(&cie))
			continue;
		first = entry.fde.start;
		inside = (size_t)(first - (const uint8_t *)data->d_buf);
		if (!read_pointer(first, (size_t)(entry.fde.end - first),
				  pointer_encoding(&cie.cie), section + inside, &start))
			continue;
		f->starts = array_grow(f->starts, f->starts_count, sizeof(*f->starts));
		f->starts[f->starts_count++] = start;
	}
}

static void read_starts(struct elf_frames *f)
{
	GElf_Addr bias;
	Elf *elf = dwfl_module_getelf(f->module, &bias);
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names, n = 0;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((section = elf_nextscn(elf, section))) {
		const char *name = gelf_getshdr(section, &header) ?
					   elf_strptr(elf, names, header.sh_name) :
					   NULL;
		Elf_Data *data;

		if (!name || strcmp(name, ".eh_frame") || header.sh_type == SHT_NOBITS)
			continue;
		data = elf_rawdata(section, NULL);
		if (data && data->d_buf)
			read_frames(f, elf, data, header.sh_addr);
		break;
	}
	if (f->starts_count)
		qsort(f->starts, f->starts_count, sizeof(*f->starts), sort_rising_u64);
	for (size_t i = 0; i < f->starts_count; i++)
		if (!n || f->starts[n - 1] != f->starts[i])
			f->starts[n++] = f->starts[i];
	f->starts_count = n;
}

int elf_frames_starts(struct elf_frames *f, uint64_t from, struct elf_answer *answer)
{
	if (!f->starts)
		read_starts(f);
	if (!f->starts_count)
		return -ENOTSUP;
	while (answer->count < ELF_STARTS && from < f->starts_count)
		answer->start[answer->count++] = f->starts[from++];
	return 0;
}

/* --- call frame information ------------------------------------------------------------ */

const uint8_t elf_saved_registers[ELF_SAVED_REGISTERS] = {
#if defined(__aarch64__)
	19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
#else
	3, 6, 12, 13, 14, 15, 16 /* rbx, rbp, r12 to r15, where it returns to */
#endif
};

static bool is_based(const Dwarf_Op *op, uint8_t *number, int64_t *offset)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		*number = (uint8_t)(op->atom - DW_OP_breg0);
		*offset = (int64_t)op->number;
		return true;
	}
	if (op->atom != DW_OP_bregx || op->number >= ELF_REGISTERS)
		return false;
	*number = (uint8_t)op->number;
	*offset = (int64_t)op->number2;
	return true;
}

static bool fits_offset(int64_t offset)
{
	return offset >= INT32_MIN && offset <= INT32_MAX;
}

/* What linkers write for a table of jumps (.plt): breg7 8, breg16 0, lit15, and, lit11, ge, lit3,
 * shl, plus; with lit10 where the jumps begin with an endbr64. */
static bool is_plt(const Dwarf_Op *ops, size_t count, uint8_t *from)
{
	static const uint8_t atoms[] = { DW_OP_breg7, DW_OP_breg16, DW_OP_lit15, DW_OP_and, 0,
					 DW_OP_ge,    DW_OP_lit3,   DW_OP_shl,	 DW_OP_plus };

	if (count != sizeof(atoms) || ops[4].atom < DW_OP_lit0 || ops[4].atom > DW_OP_lit31)
		return false;
	for (size_t i = 0; i < count; i++)
		if (i != 4 && ops[i].atom != atoms[i])
			return false;
	*from = (uint8_t)(ops[4].atom - DW_OP_lit0);
	return ops[1].number == 0;
}

static int fill_cfa(Dwarf_Frame *frame, struct elf_frame_row *row)
{
	int64_t offset = 0;
	Dwarf_Op *ops;
	size_t count;

	if (dwarf_frame_cfa(frame, &ops, &count))
		return -ENOTSUP;
	if (count && ops[count - 1].atom == DW_OP_stack_value)
		count--;
	if (!count || !is_based(&ops[0], &row->cfa_register, &offset) || !fits_offset(offset))
		return -ENOTSUP;
	row->cfa_offset = (int32_t)offset;
	if (count == 1)
		row->cfa = ELF_CFA_REGISTER;
	else if (count == 2 && ops[1].atom == DW_OP_deref)
		row->cfa = ELF_CFA_LOADED;
	else if (is_plt(ops, count, &row->plt_from))
		row->cfa = ELF_CFA_PLT;
	else
		return -ENOTSUP;
	return 0;
}

/* The expression of a register, of which the CFA is the first operand where it is used. */
static void fill_expression(const Dwarf_Op *ops, size_t count, struct elf_frame_rule *rule)
{
	bool value = count && ops[count - 1].atom == DW_OP_stack_value;
	int64_t offset = 0;

	count -= value;
	if (count && ops[0].atom == DW_OP_call_frame_cfa) {
		ops++, count--;
		if (count && ops[0].atom == DW_OP_plus_uconst) {
			offset = (int64_t)ops[0].number;
			ops++, count--;
		}
		if (!count && fits_offset(offset))
			*rule = (struct elf_frame_rule){ value ? ELF_RULE_CFA : ELF_RULE_AT_CFA, 0,
							 (int32_t)offset };
		if (!count || offset)
			return;
	}
	if (count == 1 && ops[0].atom == DW_OP_regx && ops[0].number < ELF_REGISTERS)
		*rule = (struct elf_frame_rule){ ELF_RULE_REGISTER, (uint8_t)ops[0].number, 0 };
	else if (count == 1 && is_based(&ops[0], &rule->of, &offset) && fits_offset(offset))
		*rule = (struct elf_frame_rule){ value ? ELF_RULE_REGISTER : ELF_RULE_AT_REGISTER,
						 rule->of, (int32_t)offset };
}

static void fill_rule(Dwarf_Frame *frame, int number, struct elf_frame_rule *rule)
{
	Dwarf_Op memory[3], *ops;
	size_t count;

	*rule = (struct elf_frame_rule){ .rule = ELF_RULE_UNDEFINED };
	if (dwarf_frame_register(frame, number, memory, &ops, &count))
		return;
	if (!count && !ops)
		rule->rule = ELF_RULE_SAME;
	else if (count)
		fill_expression(ops, count, rule);
}

/* The last function that begins at @vaddr or before. */
static uint64_t function_start(struct elf_frames *f, uint64_t vaddr)
{
	size_t low = 0, high;

	if (!f->starts)
		read_starts(f);
	high = f->starts_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->starts[middle] <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? f->starts[low - 1] : 0;
}

static int fill_row(struct elf_frames *f, Dwarf_Frame *frame, uint64_t vaddr,
		    struct elf_frame_row *row)
{
	bool signal = false;
	int returns = dwarf_frame_info(frame, NULL, &row->end, &signal);

	row->signal = signal;
	/* Where the row begins libdw does not know behind an epilogue: with what it remembered of
	 * the registers it takes that back, too (DW_CFA_restore_state). */
	row->start = vaddr;
	if (returns < 0 || returns >= ELF_REGISTERS || vaddr >= row->end)
		return -ENOTSUP;
	row->return_register = (uint8_t)returns;
	row->function = function_start(f, vaddr);
	row->outermost = true;
	for (size_t i = 0; i < ELF_SAVED_REGISTERS; i++) {
		fill_rule(frame, elf_saved_registers[i], &row->rule[i]);
		if (elf_saved_registers[i] == returns && row->rule[i].rule != ELF_RULE_UNDEFINED)
			row->outermost = false;
	}
	return row->outermost ? 0 : fill_cfa(frame, row);
}

int elf_frames_row(struct elf_frames *f, uint64_t vaddr, struct elf_frame_row *row)
{
	Dwarf_Frame *frame = NULL;
	GElf_Addr bias;
	int ret;

	if (!f->cfi_read) {
		f->cfi_read = true;
		f->cfi = dwarf_getcfi_elf(dwfl_module_getelf(f->module, &bias));
	}
	if (!f->cfi || dwarf_cfi_addrframe(f->cfi, vaddr, &frame)) {
		Dwarf_CFI *other = f->cfi ? NULL : dwfl_module_dwarf_cfi(f->module, &bias);

		if (!other || dwarf_cfi_addrframe(other, vaddr, &frame))
			return -ENOENT;
	}
	ret = fill_row(f, frame, vaddr, row);
	free(frame);
	return ret;
}

void elf_frames_close(struct elf_frames *f)
{
	free(f->starts);
	if (f->cfi)
		dwarf_cfi_end(f->cfi);
	*f = (struct elf_frames){ 0 };
}
