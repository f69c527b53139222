/* SPDX-License-Identifier: BSD-3-Clause */
/* Inner frames taken from a capture file. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gen_traffic.h"

struct gen_captured {
	uint32_t offset; /* in `bytes` */
	uint16_t length;
	bool ingress;       /* its MAC addresses are in the second of their two orders */
	uint32_t flow_hash; /* the same for both directions */
};

struct gen_capture {
	struct gen_captured *frames;
	uint8_t *bytes;
	uint32_t count;
	uint32_t longest;
	uint32_t skipped; /* too short or too long to be an inner frame here */
};

/* Reads a pcap or pcapng file of Ethernet frames. Frames that are mirror traffic themselves are
 * taken out of their tunnel first. False on failure, with one line in `error`. */
bool gen_capture_read(struct gen_capture *capture, const char *path, const struct gen_ends *ends,
	char error[GEN_ERROR_SIZE]);
void gen_capture_free(struct gen_capture *capture);
