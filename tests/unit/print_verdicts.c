/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints the table of docs/verdicts.md from the list in lib/packet/verdict.h; tests/docs.sh holds
 * the two together. */
#include <stdio.h>

#include "packet/verdict.h"

int main(void)
{
	puts("| verdict | meaning | what to do when it rises |\n|---|---|---|");
	for (int i = 0; i < MT_VERDICT_COUNT; i++)
		printf("| `%s` | %s | %s |\n", mt_verdict_name(i), mt_verdict_meaning(i),
			mt_verdict_remedy(i));
	return 0;
}
