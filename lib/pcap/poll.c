/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that wait by poll(), select() or epoll get one descriptor, of an epoll: in it are the
 * queues' own, which the daemon writes when a frame comes to one that was found empty; the
 * daemon's, for its end; and one that is readable while frames are left, as a socket is. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pcap/handle.h"

/* --- the descriptor --- */

static bool watch(struct mt_pcap *pcap, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(pcap->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void mt_pcap_watch(struct mt_pcap *pcap)
{
	bool fine = true;

	if (pcap->poll_fd < 0)
		return;
	for (unsigned q = 0; q < mirrortap_queues(pcap->consumer); q++)
		fine &= watch(pcap, mirrortap_fd(mirrortap_queue(pcap->consumer, q)));
	fine &= watch(pcap, mirrortap_daemon_fd(pcap->consumer));
	if (fine)
		mt_pcap_tell_poll(pcap);
	else
		mt_pcap_poll_close(pcap);
}

void mt_pcap_poll_close(struct mt_pcap *pcap)
{
	if (pcap->poll_fd >= 0)
		close(pcap->poll_fd);
	if (pcap->ready_fd >= 0)
		close(pcap->ready_fd);
	pcap->poll_fd = -1;
	pcap->ready_fd = -1;
}

/* Made when it is first asked for: it costs those who poll some system calls. */
static int poll_descriptor(struct mt_pcap *pcap)
{
	if (pcap->poll_fd >= 0 || mt_pcap_check_active(pcap) < 0)
		return pcap->poll_fd;
	pcap->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	pcap->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pcap->ready = false;
	if (pcap->poll_fd >= 0 && pcap->ready_fd >= 0 && watch(pcap, pcap->ready_fd))
		mt_pcap_watch(pcap);
	else
		mt_pcap_poll_close(pcap);
	if (pcap->poll_fd < 0)
		mt_pcap_fail(pcap, PCAP_ERROR, "no descriptor to poll: %s", strerror(errno));
	return pcap->poll_fd;
}

/* --- is there something? --- */

static bool any_waiting(const struct mt_pcap *pcap)
{
	for (unsigned q = 0; q < mirrortap_queues(pcap->consumer); q++) {
		struct mirrortap_counts counts;

		mirrortap_read_counts(mirrortap_queue(pcap->consumer, q), &counts);
		if (counts.waiting > 0)
			return true;
	}
	return false;
}

/* From here on the daemon tells of new frames. */
static bool arm(struct mt_pcap *pcap)
{
	bool some = false;

	for (unsigned q = 0; q < mirrortap_queues(pcap->consumer); q++)
		some |= mirrortap_arm(mirrortap_queue(pcap->consumer, q)) != 0;
	return some;
}

void mt_pcap_tell_poll(struct mt_pcap *pcap)
{
	bool ready = pcap->next < pcap->count || any_waiting(pcap) || arm(pcap);
	uint64_t count;

	if (ready == pcap->ready)
		return;
	pcap->ready = ready;
	if (ready)
		eventfd_write(pcap->ready_fd, 1);
	else
		eventfd_read(pcap->ready_fd, &count);
}

/* --- libpcap's functions --- */

MT_PCAP_EXPORT int pcap_get_selectable_fd(pcap_t *seen)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_get_selectable_fd)(seen) : poll_descriptor(pcap);
}

MT_PCAP_EXPORT int pcap_fileno(pcap_t *seen)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_fileno)(seen) : poll_descriptor(pcap);
}

/* None: the descriptor is enough. */
MT_PCAP_EXPORT const struct timeval *pcap_get_required_select_timeout(pcap_t *seen)
{
	return mt_pcap_find(seen) == NULL ? REAL(pcap_get_required_select_timeout)(seen) : NULL;
}

MT_PCAP_EXPORT int pcap_setnonblock(pcap_t *seen, int nonblock, char *error)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL)
		return REAL(pcap_setnonblock)(seen, nonblock, error);
	pcap->nonblock = nonblock != 0;
	return 0;
}

MT_PCAP_EXPORT int pcap_getnonblock(pcap_t *seen, char *error)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_getnonblock)(seen, error) : pcap->nonblock;
}
