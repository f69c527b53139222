/* SPDX-License-Identifier: BSD-3-Clause */
/* One mirrored packet, from its template to its bytes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gen_mark.h"
#include "gen_template.h"

enum {
	GEN_COPY_ALIGN = 64, /* what is copied of a template is a multiple of it */
};

/* As the mirrored interface sees it: "own" is that interface. The same packet at the other end's
 * mirror point has own and other exchanged, and goes the other way. */
struct gen_packet {
	uint32_t own;
	uint32_t other;
	uint32_t vni;
	uint16_t own_port;
	uint16_t other_port;
	uint16_t outer_port; /* UDP source */
	uint16_t size;       /* of the inner frame; headers have their way */
	uint16_t id;         /* of a fragmented packet */
	bool towards;        /* to the mirrored interface, else from it */
	struct gen_mark mark;
};

struct gen_written {
	uint32_t length; /* of the outer frame */
	bool marked;     /* there was room */
	bool truncated;
};

/* Sums of what buffers hold behind the headers, for checksums: of the first n words of 16 bits at
 * [n]. Long enough for the longest frame; NULL: no memory; to be given to free(). */
uint32_t *gen_packet_sums(uint32_t longest);

/* Writes `packet` in the shape of `template`, of which the first `prefix` bytes are copied, its
 * inner frame cut after `truncate` bytes. */
struct gen_written gen_packet_write(uint8_t *bytes, const struct gen_packet *packet,
	const struct gen_template *template, uint32_t prefix, uint32_t truncate,
	const uint32_t *sums);

/* All in front of an inner frame of `inner` bytes, which the caller writes behind it. */
void gen_packet_write_outer(uint8_t *bytes, const struct gen_packet *packet,
	const struct gen_template *template, uint32_t prefix, uint32_t inner);
