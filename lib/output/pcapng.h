/* SPDX-License-Identifier: BSD-3-Clause */
/* Writer of a pcapng file through a stream, for programs; the output of type pcapng is
 * pcapng_output.c. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include <sys/uio.h>

#include "output/pcapng_blocks.h"

/* One section of one file. The file belongs to the caller, who opens and closes it. */
struct mt_pcapng {
	FILE *file;
	uint32_t interfaces; /* described so far: their ids are 0..interfaces-1 */
};

/* All return 0 (or what they say), or -errno if the file does not take it; -EINVAL for arguments
 * that the format cannot hold. After a failure the file is cut somewhere within a block. */

/* Starts a section in `file`: section header block with the name of the program. */
int mt_pcapng_begin(struct mt_pcapng *pcapng, FILE *file);

/* Describes one more Ethernet interface, of any snap length, time stamps in nanoseconds. Returns
 * its id. May be called between packets. */
int mt_pcapng_add_interface(struct mt_pcapng *pcapng, const char *name);

/* Writes one packet, gathered from `count` parts as writev would. */
int mt_pcapng_write(struct mt_pcapng *pcapng, const struct mt_pcapng_packet *packet,
	const struct iovec *parts, unsigned count);
