/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/pcapng_blocks.h"

#include <assert.h>
#include <string.h>

#include "packet/facts.h"

enum {
	/* Block types, draft-ietf-opsawg-pcapng section 11.1. */
	BLOCK_SECTION_HEADER = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_STATISTICS = 5,
	BLOCK_ENHANCED_PACKET = 6,

	OPTION_END = 0,
	OPTION_SHB_USERAPPL = 4,
	OPTION_IF_NAME = 2,
	OPTION_IF_DESCRIPTION = 3,
	OPTION_IF_TSRESOL = 9,
	OPTION_ISB_STARTTIME = 2,
	OPTION_ISB_ENDTIME = 3,
	OPTION_ISB_IFRECV = 4,
	OPTION_ISB_IFDROP = 5,
	OPTION_ISB_USRDELIV = 8,
	OPTION_EPB_FLAGS = 2,

	/* Bits 0 and 1 of epb_flags, section 4.3.1. */
	FLAGS_INBOUND = 1,
	FLAGS_OUTBOUND = 2,

	LINKTYPE_ETHERNET = 1,
	NANOSECONDS = 9, /* if_tsresol: 10^-9 */
	LEAST_BLOCK = 12,
};

/* Type and total length stand before a block, the length once more behind it. */
struct block_start {
	uint32_t type;
	uint32_t total_length;
};

/* A section is in the byte order of the machine that wrote it; the reader looks at the magic. */
struct section_header {
	struct block_start start;
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint32_t section_length[2];
};

struct interface_description {
	struct block_start start;
	uint16_t link_type;
	uint16_t reserved;
	uint32_t snap_length;
};

struct interface_statistics {
	struct block_start start;
	uint32_t interface;
	uint32_t time_high;
	uint32_t time_low;
};

struct enhanced_packet {
	struct block_start start;
	uint32_t interface;
	uint32_t time_high;
	uint32_t time_low;
	uint32_t captured_length;
	uint32_t original_length;
};
static_assert(sizeof(struct enhanced_packet) == MT_PCAPNG_PACKET_HEAD_BYTES, "as the header says");

struct option {
	uint16_t code;
	uint16_t length;
};

/* The options behind a packet, with the padding before them left out. */
struct packet_tail {
	struct option flags;
	uint32_t flags_value;
	struct option end;
	uint32_t total_length;
};
static_assert(sizeof(struct packet_tail) + 3 == MT_PCAPNG_MAX_PACKET_TAIL_BYTES, "likewise");

static uint32_t padded(uint32_t length)
{
	return (length + 3) & ~3u;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t length)
{
	memcpy(to, bytes, length);
	return to + length;
}

static uint8_t *put_option(uint8_t *to, uint16_t code, const void *value, uint32_t length)
{
	struct option option = {code, (uint16_t)length};

	to = put(to, &option, sizeof(option));
	to = put(to, value, length);
	return put(to, "\0\0\0", padded(length) - length);
}

static uint8_t *put_text(uint8_t *to, uint16_t code, const char *text)
{
	return put_option(to, code, text, (uint32_t)strnlen(text, MT_PCAPNG_MAX_TEXT));
}

/* 64-bit times are two words, the high one first; 64-bit counters are in the section's order. */
static uint8_t *put_time(uint8_t *to, uint16_t code, uint64_t ns)
{
	uint32_t words[2] = {(uint32_t)(ns >> 32), (uint32_t)ns};

	return put_option(to, code, words, sizeof(words));
}

static uint8_t *put_count(uint8_t *to, uint16_t code, uint64_t count)
{
	return put_option(to, code, &count, sizeof(count));
}

/* The end of the options, and the block's length at both of its ends. */
static uint32_t put_end(uint8_t *block, uint8_t *to)
{
	static const struct option end = {OPTION_END, 0};
	uint32_t total_length;

	to = put(to, &end, sizeof(end));
	total_length = (uint32_t)(to - block) + sizeof(total_length);
	put(to, &total_length, sizeof(total_length));
	put(block + offsetof(struct block_start, total_length), &total_length,
		sizeof(total_length));
	return total_length;
}

uint32_t mt_pcapng_put_section(uint8_t *to)
{
	struct section_header header = {
		.start.type = BLOCK_SECTION_HEADER,
		.magic = 0x1a2b3c4d,
		.major = 1,
		.minor = 0,
		.section_length = {UINT32_MAX, UINT32_MAX}, /* not stated */
	};
	uint8_t *at = put(to, &header, sizeof(header));

	return put_end(to, put_text(at, OPTION_SHB_USERAPPL, "mirrortap"));
}

uint32_t mt_pcapng_put_interface(uint8_t *to, const struct mt_pcapng_interface *interface)
{
	const uint8_t resolution = NANOSECONDS;
	struct interface_description description = {
		.start.type = BLOCK_INTERFACE,
		.link_type = LINKTYPE_ETHERNET,
		.snap_length = interface->snap,
	};
	uint8_t *at = put(to, &description, sizeof(description));

	at = put_text(at, OPTION_IF_NAME, interface->name);
	if (interface->description != NULL)
		at = put_text(at, OPTION_IF_DESCRIPTION, interface->description);
	at = put_option(at, OPTION_IF_TSRESOL, &resolution, sizeof(resolution));
	return put_end(to, at);
}

uint32_t mt_pcapng_put_statistics(uint8_t *to, const struct mt_pcapng_statistics *statistics)
{
	struct interface_statistics header = {
		.start.type = BLOCK_STATISTICS,
		.interface = statistics->interface,
		.time_high = (uint32_t)(statistics->now_ns >> 32),
		.time_low = (uint32_t)statistics->now_ns,
	};
	uint8_t *at = put(to, &header, sizeof(header));

	at = put_time(at, OPTION_ISB_STARTTIME, statistics->start_ns);
	at = put_time(at, OPTION_ISB_ENDTIME, statistics->now_ns);
	at = put_count(at, OPTION_ISB_IFRECV, statistics->received);
	at = put_count(at, OPTION_ISB_IFDROP, statistics->dropped);
	at = put_count(at, OPTION_ISB_USRDELIV, statistics->delivered);
	return put_end(to, at);
}

uint32_t mt_pcapng_packet_bytes(uint32_t length)
{
	return sizeof(struct enhanced_packet) + padded(length) + sizeof(struct packet_tail);
}

void mt_pcapng_put_packet_head(uint8_t *to, const struct mt_pcapng_packet *packet, uint32_t length)
{
	struct enhanced_packet header = {
		.start = {BLOCK_ENHANCED_PACKET, mt_pcapng_packet_bytes(length)},
		.interface = packet->interface,
		.time_high = (uint32_t)(packet->time_ns >> 32),
		.time_low = (uint32_t)packet->time_ns,
		.captured_length = length,
		.original_length = packet->original_length,
	};

	put(to, &header, sizeof(header));
}

static uint32_t direction_of(uint8_t flags)
{
	if ((flags & MT_FLAG_INGRESS) != 0)
		return FLAGS_INBOUND;
	return (flags & MT_FLAG_EGRESS) != 0 ? FLAGS_OUTBOUND : 0;
}

uint32_t mt_pcapng_put_packet_tail(uint8_t *to, uint8_t flags, uint32_t length)
{
	struct packet_tail tail = {
		.flags = {OPTION_EPB_FLAGS, sizeof(tail.flags_value)},
		.flags_value = direction_of(flags),
		.end = {OPTION_END, 0},
		.total_length = mt_pcapng_packet_bytes(length),
	};
	uint32_t padding = padded(length) - length;

	put(put(to, "\0\0\0", padding), &tail, sizeof(tail));
	return padding + sizeof(tail);
}

enum mt_pcapng_kind mt_pcapng_look(const uint8_t *start, uint32_t *length)
{
	struct block_start block;

	memcpy(&block, start, sizeof(block));
	*length = block.total_length;
	if (block.total_length < LEAST_BLOCK || block.total_length % 4 != 0)
		return MT_PCAPNG_BROKEN;
	switch (block.type) {
	case BLOCK_SECTION_HEADER:
		return MT_PCAPNG_SECTION;
	case BLOCK_ENHANCED_PACKET:
		return *length < mt_pcapng_packet_bytes(0) ? MT_PCAPNG_BROKEN : MT_PCAPNG_PACKET;
	case BLOCK_INTERFACE:
	case BLOCK_STATISTICS:
		return MT_PCAPNG_OTHER;
	default:
		return MT_PCAPNG_BROKEN; /* none of ours */
	}
}

uint64_t mt_pcapng_packet_time(const uint8_t *head)
{
	struct enhanced_packet header;

	memcpy(&header, head, sizeof(header));
	return (uint64_t)header.time_high << 32 | header.time_low;
}

static void read_option(
	struct mt_pcapng_statistics *statistics, struct option option, const uint8_t *value)
{
	uint64_t number;
	uint32_t words[2];

	if (option.length != sizeof(number))
		return;
	memcpy(&number, value, sizeof(number));
	memcpy(words, value, sizeof(words));
	switch (option.code) {
	case OPTION_ISB_STARTTIME:
		statistics->start_ns = (uint64_t)words[0] << 32 | words[1];
		break;
	case OPTION_ISB_IFRECV:
		statistics->received = number;
		break;
	case OPTION_ISB_IFDROP:
		statistics->dropped = number;
		break;
	case OPTION_ISB_USRDELIV:
		statistics->delivered = number;
		break;
	}
}

bool mt_pcapng_read_statistics(
	const uint8_t *block, uint32_t length, struct mt_pcapng_statistics *statistics)
{
	struct interface_statistics header;
	uint32_t at = sizeof(header);
	struct option option;

	if (length < sizeof(header) + sizeof(uint32_t))
		return false;
	memcpy(&header, block, sizeof(header));
	if (header.start.type != BLOCK_STATISTICS)
		return false;
	*statistics = (struct mt_pcapng_statistics){
		.interface = header.interface,
		.now_ns = (uint64_t)header.time_high << 32 | header.time_low,
	};
	/* Behind the options stands the block's length once more. */
	while (length - sizeof(uint32_t) - at >= sizeof(option)) {
		memcpy(&option, block + at, sizeof(option));
		at += sizeof(option);
		if (option.code == OPTION_END
			|| padded(option.length) > length - sizeof(uint32_t) - at)
			break;
		read_option(statistics, option, block + at);
		at += padded(option.length);
	}
	return true;
}
