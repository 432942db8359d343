/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF files and their call frame information, as the helper of host/elf.h reads them, here without
 * its fence. An answer may be one that the other side does not take: that is an error of the file.
 */
#include <fcntl.h>

#include "../../src/host/elf_helper.c"
#include "fuzz.h"

#define STARTS_MAX 16 /* that more is asked of */

static bool ask(struct elf_question question, int fd, struct elf_answer *answer)
{
	*answer = (struct elf_answer){ .ask = question.ask };
	answer->code = answer_question(&question, fd, answer);
	return elf_answer_fits(answer, sizeof(*answer), &question) && !answer->code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct elf_answer answer, starts;

	elf_version(EV_CURRENT);
	if (ask((struct elf_question){ .ask = ELF_ASK_OPEN }, open(file_of(data, len), O_RDONLY),
		&answer)) {
		ask((struct elf_question){ .ask = ELF_ASK_SYMBOL,
					   .kind = ELF_FUNCTION,
					   .name = "malloc" },
		    -1, &answer);
		if (!ask((struct elf_question){ .ask = ELF_ASK_STARTS }, -1, &starts))
			starts.count = 0;
		for (size_t i = 0; i < starts.count && i < STARTS_MAX; i++) {
			const uint64_t at = starts.start[i] + i;

			ask((struct elf_question){ .ask = ELF_ASK_FUNCTION, .at = at }, -1,
			    &answer);
			ask((struct elf_question){ .ask = ELF_ASK_FRAME_ROW, .at = at }, -1,
			    &answer);
		}
	}
	ask((struct elf_question){ .ask = ELF_ASK_CLOSE }, -1, &answer);
	return 0;
}
