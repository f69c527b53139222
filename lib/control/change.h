/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reload does: from the running configuration to the one in the file. Control thread only.
 *
 *	read and check the file, make its policy           nothing has changed yet
 *	open the outputs that are new
 *	where an output changes, close the old one first   (its name, interface or device is taken)
 *	publish the snapshot, wait until no worker and no frame is left behind
 *	let others see it, free what was before
 *
 * Whatever fails, the running configuration stays in force. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct mt_daemon;

/* Returns 0 with what was done, or with `check` would be, in `text`, or -errno with what is wrong:
 * "FILE:LINE: ..." where it is the file. */
int mt_change(struct mt_daemon *daemon, bool check, char *text, size_t size);

/* Frees what earlier changes had to leave behind. No worker may use anything of it any more. */
void mt_change_free_leftovers(struct mt_daemon *daemon);
