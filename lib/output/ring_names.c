/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/ring.h"

static int by_vni(const void *a, const void *b)
{
	const struct mt_ring_name *one = a, *other = b;

	return (one->vni > other->vni) - (one->vni < other->vni);
}

static struct mt_ring_names *make_table(
	const struct mt_session_spec *sessions, unsigned count, size_t *bytes)
{
	struct mt_ring_names *names;

	count = RTE_MIN(count, (unsigned)MT_RING_MAX_NAMES);
	*bytes = sizeof(*names) + count * sizeof(names->list[0]);
	names = calloc(1, *bytes);
	if (names == NULL)
		return NULL;
	names->magic = MT_RING_MAGIC;
	names->abi = MT_RING_ABI;
	names->count = count;
	for (unsigned s = 0; s < count; s++) {
		names->list[s].vni = sessions[s].vni;
		snprintf(names->list[s].name, sizeof(names->list[s].name), "%s",
			sessions[s].name != NULL ? sessions[s].name : "");
	}
	qsort(names->list, count, sizeof(names->list[0]), by_vni);
	return names;
}

/* What consumers map can't be changed any more, by anyone. */
static int write_sealed(int fd, const void *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t written = write(fd, (const char *)bytes + done, length - done);

		if (written < 0 && errno != EINTR)
			return -errno;
		done += written > 0 ? (size_t)written : 0;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

int mt_ring_names_make(const struct mt_session_spec *sessions, unsigned count)
{
	size_t bytes;
	struct mt_ring_names *names = make_table(sessions, count, &bytes);
	int fd, rc;

	if (names == NULL)
		return -ENOMEM;
	fd = memfd_create("mirrortap-names", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	rc = fd < 0 ? -errno : write_sealed(fd, names, bytes);
	free(names);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}
