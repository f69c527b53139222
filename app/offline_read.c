/* SPDX-License-Identifier: BSD-3-Clause */
#include "offline_read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "offline.h"

/* https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-06.html and
 * https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html */
enum {
	PCAP_MAGIC_US = 0xa1b2c3d4,
	PCAP_MAGIC_NS = 0xa1b23c4d,
	PCAP_HEADER = 24, /* the magic included */
	PCAP_RECORD = 16,
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, /* obsolete, still found */
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,
	BLOCK_MAGIC = 0x1a2b3c4d,
	OPTION_TSRESOL = 9,
	OPTION_TSOFFSET = 14,
	LINK_ETHERNET = 1,
	MAX_BLOCK = 16 * 1024 * 1024,
	MAX_DECIMAL = 19, /* the finest power of ten that 64 bits hold */
	NS_PER_S = 1000000000,
};

struct interface {
	uint16_t link;
	uint8_t resolution; /* if_tsresol as it stands in the file */
	uint32_t snap;      /* 0: none */
	int64_t offset_s;
};

struct offline_reader {
	FILE *file;
	bool ng;
	bool swapped;                 /* the file, or the section, is of the other byte order */
	struct interface *interfaces; /* of the section; of a pcap file: one, in place */
	uint32_t count;
	uint32_t room;
	uint8_t *block; /* what follows a block's type and length, or a record's bytes */
	uint32_t block_room;
	struct pcap_pkthdr record;
};

__attribute__((format(printf, 2, 3))) static int fail(char *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, PCAP_ERRBUF_SIZE, format, arguments);
	va_end(arguments);
	return -1;
}

static uint32_t read32(const struct offline_reader *reader, const uint8_t *field)
{
	uint32_t value;

	memcpy(&value, field, sizeof(value));
	return reader->swapped ? __builtin_bswap32(value) : value;
}

static uint16_t read16(const struct offline_reader *reader, const uint8_t *field)
{
	uint16_t value;

	memcpy(&value, field, sizeof(value));
	return reader->swapped ? __builtin_bswap16(value) : value;
}

/* 1 when `length` bytes were there, 0 when there was none, -1 otherwise. */
static int read_bytes(
	struct offline_reader *reader, void *bytes, size_t length, const char *what, char *error)
{
	size_t got = fread(bytes, 1, length, reader->file);

	if (got == length)
		return 1;
	if (ferror(reader->file))
		return fail(error, "cannot be read: %s", strerror(errno));
	if (got == 0)
		return 0;
	return fail(error, "the file is truncated: of the %zu bytes of %s there are only %zu",
		length, what, got);
}

/* The same where the file must not end. */
static int read_all(
	struct offline_reader *reader, void *bytes, size_t length, const char *what, char *error)
{
	int result = length == 0 ? 1 : read_bytes(reader, bytes, length, what, error);

	if (result != 0)
		return result;
	return fail(error, "the file is truncated: of the %zu bytes of %s there are only 0", length,
		what);
}

static int make_room(struct offline_reader *reader, uint32_t length, char *error)
{
	uint8_t *block;

	if (reader->block != NULL && length <= reader->block_room)
		return 1;
	length = RTE_MAX(length, 4096u);
	block = realloc(reader->block, length);
	if (block == NULL)
		return fail(error, "no memory for %u bytes", length);
	reader->block = block;
	reader->block_room = length;
	return 1;
}

static int add_interface(
	struct offline_reader *reader, const struct interface *interface, char *error)
{
	if (reader->count == reader->room) {
		uint32_t room = reader->room != 0 ? reader->room * 2 : 8;
		struct interface *larger =
			realloc(reader->interfaces, room * sizeof(*reader->interfaces));

		if (larger == NULL)
			return fail(error, "no memory for %u interfaces", room);
		reader->interfaces = larger;
		reader->room = room;
	}
	reader->interfaces[reader->count++] = *interface;
	return 1;
}

static int wrong_link(uint16_t link, const char *where, char *error)
{
	/* libpcap names its own numbers; of those it knows by another one in files, RAW is the one
	 * that is met. */
	enum { LINK_RAW = 101 };
	const char *name = pcap_datalink_val_to_name(link == LINK_RAW ? DLT_RAW : link);

	return fail(error,
		"link type%s is %s (%u), only Ethernet (EN10MB, 1) can be read; capture on one "
		"Ethernet interface, e.g. tcpdump -i eth0 -w FILE, not -i any",
		where, name != NULL ? name : "unknown", link);
}

/* --- pcap --- */

static int open_pcap(struct offline_reader *reader, uint32_t magic, char *error)
{
	struct interface interface = {0};
	uint8_t rest[PCAP_HEADER - sizeof(magic)];

	reader->swapped = magic == __builtin_bswap32(PCAP_MAGIC_US)
		|| magic == __builtin_bswap32(PCAP_MAGIC_NS);
	if (reader->swapped)
		magic = __builtin_bswap32(magic);
	interface.resolution = magic == PCAP_MAGIC_NS ? 9 : 6;
	if (read_all(reader, rest, sizeof(rest), "its header", error) < 0)
		return -1;
	/* The upper bits tell about frame check sequences. */
	interface.link = (uint16_t)read32(reader, rest + 16);
	if (interface.link != LINK_ETHERNET)
		return wrong_link(interface.link, "", error);
	return add_interface(reader, &interface, error);
}

static int next_pcap(struct offline_reader *reader, const uint8_t **bytes, char *error)
{
	uint8_t header[PCAP_RECORD];
	uint32_t fraction;
	int result = read_bytes(reader, header, sizeof(header), "its header", error);

	if (result != 1)
		return result;
	fraction = read32(reader, header + 4);
	reader->record.caplen = read32(reader, header + 8);
	reader->record.len = read32(reader, header + 12);
	if (reader->record.caplen > OFFLINE_MAX_RECORD)
		return fail(error, "it states %u bytes, more than the %d that a record may have",
			reader->record.caplen, OFFLINE_MAX_RECORD);
	reader->record.ts.tv_sec = read32(reader, header);
	reader->record.ts.tv_usec =
		reader->interfaces[0].resolution == 9 ? fraction : fraction * 1000L;
	if (make_room(reader, reader->record.caplen, error) < 0
		|| read_all(reader, reader->block, reader->record.caplen, "it", error) < 0)
		return -1;
	*bytes = reader->block;
	return 1;
}

/* --- pcapng --- */

/* The rest of a section header, behind its type; the length of its rest is in `length`. */
static int begin_section(struct offline_reader *reader, uint32_t *length, char *error)
{
	uint8_t head[8]; /* length and byte-order magic */
	uint32_t magic;

	if (read_all(reader, head, sizeof(head), "a section header", error) < 0)
		return -1;
	reader->swapped = false;
	magic = read32(reader, head + 4);
	if (magic == __builtin_bswap32(BLOCK_MAGIC))
		reader->swapped = true;
	else if (magic != BLOCK_MAGIC)
		return fail(error, "a section header has no byte-order magic; this is no pcapng");
	reader->count = 0;
	*length = read32(reader, head);
	if (*length < 28 || *length > MAX_BLOCK || *length % 4 != 0)
		return fail(error, "a section header states %u bytes", *length);
	*length -= 12;
	return 1;
}

/* The next block: its type, and what stands between both lengths in reader->block. */
static int next_block(struct offline_reader *reader, uint32_t *type, uint32_t *length, char *error)
{
	uint8_t head[4];
	int result = read_bytes(reader, head, sizeof(head), "a block's type", error);

	if (result != 1)
		return result;
	*type = read32(reader, head);
	if (*type == BLOCK_SECTION) { /* a palindrome */
		if (begin_section(reader, length, error) < 0)
			return -1;
	} else {
		if (read_all(reader, head, sizeof(head), "a block's length", error) < 0)
			return -1;
		*length = read32(reader, head);
		if (*length < 12 || *length > MAX_BLOCK || *length % 4 != 0)
			return fail(error, "a block of type %u states %u bytes", *type, *length);
		*length -= 8;
	}
	if (make_room(reader, *length, error) < 0
		|| read_all(reader, reader->block, *length, "a block", error) < 0)
		return -1;
	*length -= 4; /* the length, once more */
	return 1;
}

static int read_interface(struct offline_reader *reader, uint32_t length, char *error)
{
	struct interface interface = {.resolution = 6};
	const uint8_t *block = reader->block;
	uint32_t at = 8;

	if (length < at)
		return fail(error, "interface %u has no complete description", reader->count);
	interface.link = read16(reader, block);
	interface.snap = read32(reader, block + 4);
	while (length - at >= 4) {
		uint16_t code = read16(reader, block + at);
		uint16_t size = read16(reader, block + at + 2);

		at += 4;
		if (code == 0)
			break;
		if (size > length - at)
			return fail(error, "an option of interface %u is longer than its block",
				reader->count);
		if (code == OPTION_TSRESOL && size == 1)
			interface.resolution = block[at];
		if (code == OPTION_TSOFFSET && size == 8) {
			uint64_t first = read32(reader, block + at);
			uint64_t second = read32(reader, block + at + 4);

			interface.offset_s =
				(int64_t)(reader->swapped == (__BYTE_ORDER == __LITTLE_ENDIAN)
						? first << 32 | second
						: second << 32 | first);
		}
		at += RTE_MIN((size + 3u) & ~3u, length - at);
	}
	if ((interface.resolution & 0x80) == 0 && interface.resolution > MAX_DECIMAL)
		return fail(error,
			"interface %u counts time in 10^-%u seconds, 10^-%d is the finest",
			reader->count, interface.resolution, MAX_DECIMAL);
	if ((interface.resolution & 0x80) != 0 && (interface.resolution & 0x7f) > 63)
		return fail(error, "interface %u counts time in 2^-%u seconds, 2^-63 is the finest",
			reader->count, interface.resolution & 0x7f);
	return add_interface(reader, &interface, error);
}

static struct timeval to_time(const struct interface *interface, uint64_t ticks)
{
	uint64_t seconds;
	uint64_t ns;

	if ((interface->resolution & 0x80) != 0) {
		unsigned shift = interface->resolution & 0x7f;

		seconds = ticks >> shift;
		ticks -= seconds << shift;
		ns = (uint64_t)((unsigned __int128)ticks * NS_PER_S >> shift);
	} else {
		uint64_t each = 1;

		for (unsigned i = 0; i < interface->resolution; i++)
			each *= 10;
		seconds = ticks / each;
		ns = (uint64_t)((unsigned __int128)(ticks % each) * NS_PER_S / each);
	}
	return (struct timeval){
		.tv_sec = (time_t)(seconds + (uint64_t)interface->offset_s),
		.tv_usec = (suseconds_t)ns,
	};
}

/* A packet block of `type` and `length` bytes. */
static int read_packet(struct offline_reader *reader, uint32_t type, uint32_t length,
	const uint8_t **bytes, char *error)
{
	uint32_t fixed = type == BLOCK_SIMPLE ? 4 : 20;
	const uint8_t *block = reader->block;
	const struct interface *interface;
	uint32_t number = 0;
	char where[32];

	if (length < fixed)
		return fail(error, "its block has only %u bytes", length);
	if (type == BLOCK_ENHANCED)
		number = read32(reader, block);
	else if (type == BLOCK_PACKET)
		number = read16(reader, block);
	if (number >= reader->count)
		return fail(error, "it came from interface %u, which the file does not describe",
			number);
	interface = &reader->interfaces[number];
	if (interface->link != LINK_ETHERNET) {
		snprintf(where, sizeof(where), " of its interface, %u,", number);
		return wrong_link(interface->link, where, error);
	}
	if (type == BLOCK_SIMPLE) {
		reader->record.ts = (struct timeval){0};
		reader->record.len = read32(reader, block);
		reader->record.caplen = reader->record.len;
		if (interface->snap != 0 && interface->snap < reader->record.len)
			reader->record.caplen = interface->snap;
	} else {
		reader->record.ts = to_time(interface,
			(uint64_t)read32(reader, block + 4) << 32 | read32(reader, block + 8));
		reader->record.caplen = read32(reader, block + 12);
		reader->record.len = read32(reader, block + 16);
	}
	if (reader->record.caplen > OFFLINE_MAX_RECORD)
		return fail(error, "it states %u bytes, more than the %d that a record may have",
			reader->record.caplen, OFFLINE_MAX_RECORD);
	if (reader->record.caplen > length - fixed)
		return fail(error, "it states %u bytes, but its block has room for %u only",
			reader->record.caplen, length - fixed);
	*bytes = block + fixed;
	return 1;
}

static int next_ng(struct offline_reader *reader, const uint8_t **bytes, char *error)
{
	uint32_t type;
	uint32_t length;
	int result;

	while ((result = next_block(reader, &type, &length, error)) == 1) {
		if (type == BLOCK_ENHANCED || type == BLOCK_SIMPLE || type == BLOCK_PACKET)
			return read_packet(reader, type, length, bytes, error);
		if (type == BLOCK_INTERFACE && read_interface(reader, length, error) < 0)
			return -1;
	}
	return result;
}

/* --- both --- */

static int open_ng(struct offline_reader *reader, char *error)
{
	uint32_t length;

	reader->ng = true;
	if (begin_section(reader, &length, error) < 0 || make_room(reader, length, error) < 0)
		return -1;
	return read_all(reader, reader->block, length, "a section header", error);
}

static int read_head(struct offline_reader *reader, char *error)
{
	uint32_t magic = 0;

	if (read_all(reader, &magic, sizeof(magic), "a magic number", error) < 0)
		return -1;
	if (magic == BLOCK_SECTION)
		return open_ng(reader, error);
	if (magic == PCAP_MAGIC_US || magic == PCAP_MAGIC_NS
		|| magic == __builtin_bswap32(PCAP_MAGIC_US)
		|| magic == __builtin_bswap32(PCAP_MAGIC_NS))
		return open_pcap(reader, magic, error);
	return fail(error,
		"unknown file format; pcap and pcapng can be read, not compressed: Wireshark's "
		"editcap makes them of others");
}

struct offline_reader *offline_reader_open(const char *path, char *error)
{
	struct offline_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL) {
		fail(error, "no memory");
		return NULL;
	}
	reader->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
	if (reader->file == NULL)
		fail(error, "%s", strerror(errno));
	if (reader->file == NULL || read_head(reader, error) < 0) {
		offline_reader_close(reader);
		return NULL;
	}
	return reader;
}

int offline_reader_next(struct offline_reader *reader, const struct pcap_pkthdr **record,
	const uint8_t **bytes, char *error)
{
	*record = &reader->record;
	return reader->ng ? next_ng(reader, bytes, error) : next_pcap(reader, bytes, error);
}

FILE *offline_reader_file(const struct offline_reader *reader)
{
	return reader->file;
}

void offline_reader_close(struct offline_reader *reader)
{
	if (reader == NULL)
		return;
	if (reader->file != NULL && reader->file != stdin)
		fclose(reader->file);
	free(reader->interfaces);
	free(reader->block);
	free(reader);
}
