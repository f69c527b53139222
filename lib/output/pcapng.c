/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/pcapng.h"

#include <errno.h>
#include <limits.h>

enum {
	MAX_PACKET_BYTES = 1 << 30,
};

static int put(FILE *file, const void *bytes, size_t length)
{
	if (length == 0)
		return 0;
	errno = 0;
	if (fwrite(bytes, 1, length, file) != length)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

int mt_pcapng_begin(struct mt_pcapng *pcapng, FILE *file)
{
	uint8_t block[MT_PCAPNG_SECTION_BYTES];

	*pcapng = (struct mt_pcapng){.file = file};
	return put(file, block, mt_pcapng_put_section(block));
}

int mt_pcapng_add_interface(struct mt_pcapng *pcapng, const char *name)
{
	uint8_t block[MT_PCAPNG_MAX_INTERFACE_BYTES];
	struct mt_pcapng_interface interface = {.name = name};
	int error;

	if (pcapng->interfaces == INT_MAX)
		return -EINVAL;
	error = put(pcapng->file, block, mt_pcapng_put_interface(block, &interface));
	return error != 0 ? error : (int)pcapng->interfaces++;
}

int mt_pcapng_write(struct mt_pcapng *pcapng, const struct mt_pcapng_packet *packet,
	const struct iovec *parts, unsigned count)
{
	uint8_t head[MT_PCAPNG_PACKET_HEAD_BYTES], tail[MT_PCAPNG_MAX_PACKET_TAIL_BYTES];
	size_t length = 0;
	int error;

	for (unsigned i = 0; i < count; i++) {
		if (parts[i].iov_len > MAX_PACKET_BYTES - length)
			return -EINVAL;
		length += parts[i].iov_len;
	}
	if (packet->interface >= pcapng->interfaces)
		return -EINVAL;
	mt_pcapng_put_packet_head(head, packet, (uint32_t)length);
	error = put(pcapng->file, head, sizeof(head));
	for (unsigned i = 0; i < count && error == 0; i++)
		error = put(pcapng->file, parts[i].iov_base, parts[i].iov_len);
	if (error == 0)
		error = put(pcapng->file, tail,
			mt_pcapng_put_packet_tail(tail, packet->flags, (uint32_t)length));
	return error;
}
