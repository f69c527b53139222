/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/pcapng.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "packet/facts.h"

enum {
	/* Block types, draft-ietf-opsawg-pcapng section 11.1. */
	BLOCK_SECTION_HEADER = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_ENHANCED_PACKET = 6,

	OPTION_END = 0,
	OPTION_SHB_USERAPPL = 4,
	OPTION_IF_NAME = 2,
	OPTION_IF_TSRESOL = 9,
	OPTION_EPB_FLAGS = 2,

	/* Bits 0 and 1 of epb_flags, section 4.3.1. */
	FLAGS_INBOUND = 1,
	FLAGS_OUTBOUND = 2,

	LINKTYPE_ETHERNET = 1,
	NANOSECONDS = 9, /* if_tsresol: 10^-9 */
	MAX_PACKET_BYTES = 1 << 30,
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

struct enhanced_packet {
	struct block_start start;
	uint32_t interface;
	uint32_t time_high;
	uint32_t time_low;
	uint32_t captured_length;
	uint32_t original_length;
};

struct option {
	uint16_t code;
	uint16_t length;
};

static uint32_t padded(uint32_t length)
{
	return (length + 3) & ~3u;
}

static uint32_t option_bytes(uint32_t length)
{
	return sizeof(struct option) + padded(length);
}

static int put(FILE *file, const void *bytes, size_t length)
{
	if (length == 0)
		return 0;
	errno = 0;
	if (fwrite(bytes, 1, length, file) != length)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

static int put_padding(FILE *file, uint32_t length)
{
	return put(file, "\0\0\0", padded(length) - length);
}

static int put_option(FILE *file, uint16_t code, const void *value, uint16_t length)
{
	struct option option = {code, length};
	int error = put(file, &option, sizeof(option));

	if (error == 0)
		error = put(file, value, length);
	if (error == 0)
		error = put_padding(file, length);
	return error;
}

/* The end of the options and of the block. */
static int put_end(FILE *file, uint32_t total_length)
{
	int error = put_option(file, OPTION_END, NULL, 0);

	return error != 0 ? error : put(file, &total_length, sizeof(total_length));
}

int mt_pcapng_begin(struct mt_pcapng *pcapng, FILE *file)
{
	static const char program[] = "mirrortap";
	struct section_header header = {
		.start.type = BLOCK_SECTION_HEADER,
		.start.total_length = sizeof(header) + option_bytes(sizeof(program) - 1)
			+ option_bytes(0) + sizeof(uint32_t),
		.magic = 0x1a2b3c4d,
		.major = 1,
		.minor = 0,
		.section_length = {UINT32_MAX, UINT32_MAX}, /* not stated */
	};
	int error;

	*pcapng = (struct mt_pcapng){.file = file};
	error = put(file, &header, sizeof(header));
	if (error == 0)
		error = put_option(file, OPTION_SHB_USERAPPL, program, sizeof(program) - 1);
	if (error == 0)
		error = put_end(file, header.start.total_length);
	return error;
}

int mt_pcapng_add_interface(struct mt_pcapng *pcapng, const char *name)
{
	const uint8_t resolution = NANOSECONDS;
	size_t length = strlen(name);
	struct interface_description description = {
		.start.type = BLOCK_INTERFACE,
		.start.total_length = sizeof(description) + option_bytes((uint32_t)length)
			+ option_bytes(sizeof(resolution)) + option_bytes(0) + sizeof(uint32_t),
		.link_type = LINKTYPE_ETHERNET,
		.snap_length = 0, /* no limit */
	};
	int error;

	if (length > UINT16_MAX || pcapng->interfaces == INT_MAX)
		return -EINVAL;
	error = put(pcapng->file, &description, sizeof(description));
	if (error == 0)
		error = put_option(pcapng->file, OPTION_IF_NAME, name, (uint16_t)length);
	if (error == 0)
		error = put_option(
			pcapng->file, OPTION_IF_TSRESOL, &resolution, sizeof(resolution));
	if (error == 0)
		error = put_end(pcapng->file, description.start.total_length);
	return error != 0 ? error : (int)pcapng->interfaces++;
}

static uint32_t direction_of(uint8_t flags)
{
	if ((flags & MT_FLAG_INGRESS) != 0)
		return FLAGS_INBOUND;
	return (flags & MT_FLAG_EGRESS) != 0 ? FLAGS_OUTBOUND : 0;
}

static int put_packet(FILE *file, const struct enhanced_packet *header, const struct iovec *parts,
	unsigned count, uint32_t direction)
{
	int error = put(file, header, sizeof(*header));

	for (unsigned i = 0; i < count && error == 0; i++)
		error = put(file, parts[i].iov_base, parts[i].iov_len);
	if (error == 0)
		error = put_padding(file, header->captured_length);
	if (error == 0)
		error = put_option(file, OPTION_EPB_FLAGS, &direction, sizeof(direction));
	if (error == 0)
		error = put_end(file, header->start.total_length);
	return error;
}

int mt_pcapng_write(struct mt_pcapng *pcapng, const struct mt_pcapng_packet *packet,
	const struct iovec *parts, unsigned count)
{
	struct enhanced_packet header = {
		.start.type = BLOCK_ENHANCED_PACKET,
		.interface = packet->interface,
		.time_high = (uint32_t)(packet->time_ns >> 32),
		.time_low = (uint32_t)packet->time_ns,
		.original_length = packet->original_length,
	};
	size_t length = 0;

	for (unsigned i = 0; i < count; i++) {
		if (parts[i].iov_len > MAX_PACKET_BYTES - length)
			return -EINVAL;
		length += parts[i].iov_len;
	}
	if (packet->interface >= pcapng->interfaces)
		return -EINVAL;
	header.captured_length = (uint32_t)length;
	header.start.total_length = sizeof(header) + padded(header.captured_length)
		+ option_bytes(sizeof(uint32_t)) + option_bytes(0) + sizeof(uint32_t);
	return put_packet(pcapng->file, &header, parts, count, direction_of(packet->flags));
}
