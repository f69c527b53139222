/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of sessions: a table that the daemon made and no one can change. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "consumer/consumer.h"

static bool is_sound(const struct mt_ring_names *names, size_t bytes)
{
	if (names->magic != MT_RING_MAGIC || names->abi != MT_RING_ABI
		|| names->count > MT_RING_MAX_NAMES
		|| bytes != sizeof(*names) + names->count * sizeof(names->list[0]))
		return false;
	for (uint32_t n = 0; n < names->count; n++)
		if (names->list[n].name[MT_RING_MAX_NAME] != '\0'
			|| (n > 0 && names->list[n - 1].vni >= names->list[n].vni))
			return false;
	return true;
}

static bool map(struct mirrortap_consumer *consumer, int fd)
{
	struct stat stat;
	void *memory;

	if (fstat(fd, &stat) < 0 || stat.st_size < (off_t)sizeof(struct mt_ring_names))
		return false;
	/* Linux before 6.7 shares no memory that is sealed against writing. */
	memory = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (memory == MAP_FAILED)
		return false;
	consumer->names = memory;
	consumer->names_bytes = (size_t)stat.st_size;
	return is_sound(memory, (size_t)stat.st_size);
}

int mt_consumer_map_names(struct mirrortap_consumer *consumer, char *error, size_t error_size)
{
	int fd = -1;
	int rc = mt_consumer_ask_names(consumer, &fd, error, error_size);

	if (rc < 0)
		return rc;
	if (!map(consumer, fd)) {
		snprintf(error, error_size, "the names of sessions could not be mapped");
		rc = -EPROTO;
	}
	close(fd);
	return rc;
}

void mt_consumer_unmap_names(struct mirrortap_consumer *consumer)
{
	if (consumer->names != NULL)
		munmap((void *)(uintptr_t)consumer->names, consumer->names_bytes);
}

static int by_vni(const void *key, const void *entry)
{
	uint32_t vni = *(const uint32_t *)key;
	const struct mt_ring_name *name = entry;

	return (vni > name->vni) - (vni < name->vni);
}

const char *mirrortap_session_name(const struct mirrortap_consumer *consumer, uint32_t vni)
{
	const struct mt_ring_names *names = consumer->names;
	const struct mt_ring_name *found =
		bsearch(&vni, names->list, names->count, sizeof(names->list[0]), by_vni);

	return found != NULL ? found->name : NULL;
}
