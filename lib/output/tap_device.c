/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/tap_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	MAX_SEGMENTS = 64, /* of one frame; ENA scatters over 17 */
};

static int set_error(struct mt_tap *tap, const char *what, const char *remedy)
{
	int rc = -errno;

	snprintf(tap->error, sizeof(tap->error), "interface %s: %s: %s%s", tap->interface, what,
		strerror(-rc), remedy);
	return rc;
}

/* Opens one queue of the interface; the first one makes it. Returns the descriptor or -errno. */
static int open_queue(struct mt_tap *tap)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return set_error(tap, "/dev/net/tun", "; load the tun module and run as root");
	if (tap->queues > 1)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(request.ifr_name, tap->interface, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		int rc = set_error(tap, "cannot be made",
			errno == EPERM ? "; run as root or with CAP_NET_ADMIN"
				       : "; is the name taken by another interface?");

		close(fd);
		return rc;
	}
	return fd;
}

/* Without ARP and IPv6 the kernel sends nothing on its own account, and a reader sees mirrored
 * frames only. */
static void silence(const char *interface)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", interface);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a kernel without IPv6 */
	if (write(fd, "1", 1) != 1)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
}

static int set_up(struct mt_tap *tap, int control)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, tap->interface, IFNAMSIZ);
	if (tap->has_mac) {
		request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(request.ifr_hwaddr.sa_data, tap->mac, sizeof(tap->mac));
		if (ioctl(control, SIOCSIFHWADDR, &request) < 0)
			return set_error(tap, "MAC address is refused", "");
	}
	request.ifr_mtu = (int)tap->mtu;
	if (ioctl(control, SIOCSIFMTU, &request) < 0)
		return set_error(tap, "MTU is refused", "; set it lower");
	if (ioctl(control, SIOCGIFFLAGS, &request) < 0)
		return set_error(tap, "flags", "");
	request.ifr_flags |= IFF_UP;
	if (tap->silent)
		request.ifr_flags |= IFF_NOARP;
	if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
		return set_error(tap, "cannot be brought up", "; run as root");
	return 0;
}

static int bring_up(struct mt_tap *tap)
{
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc;

	if (control < 0)
		return set_error(tap, "socket", "");
	if (tap->silent)
		silence(tap->interface);
	rc = set_up(tap, control);
	close(control);
	return rc;
}

static int open_all(struct mt_tap *tap)
{
	int fds[MT_TAP_MAX_QUEUES];
	uint16_t opened = 0;
	int rc = 0;

	while (opened < tap->queues && (rc = open_queue(tap)) >= 0)
		fds[opened++] = rc;
	if (rc >= 0)
		rc = bring_up(tap);
	if (rc < 0) {
		while (opened > 0)
			close(fds[--opened]);
		return rc;
	}
	for (uint16_t q = 0; q < tap->queues; q++)
		atomic_store_explicit(&tap->fds[q], fds[q], memory_order_release);
	return 0;
}

int mt_tap_open(struct mt_tap *tap)
{
	for (uint16_t q = 0; q < MT_TAP_MAX_QUEUES; q++) {
		tap->fds[q] = -1;
		tap->retired[q] = -1;
	}
	return open_all(tap);
}

void mt_tap_close_retired(struct mt_tap *tap)
{
	for (uint16_t q = 0; q < tap->queues; q++) {
		if (tap->retired[q] >= 0)
			close(tap->retired[q]);
		tap->retired[q] = -1;
	}
}

static void retire_all(struct mt_tap *tap)
{
	mt_tap_close_retired(tap);
	for (uint16_t q = 0; q < tap->queues; q++)
		tap->retired[q] = atomic_exchange_explicit(&tap->fds[q], -1, memory_order_acq_rel);
}

void mt_tap_close(struct mt_tap *tap)
{
	retire_all(tap);
	mt_tap_close_retired(tap);
}

int mt_tap_check(struct mt_tap *tap)
{
	struct ifreq request = {0};
	int fd = tap->fds[0];
	int control;
	int rc = 0;

	if (fd < 0)
		return -ENODEV;
	/* A descriptor whose interface was deleted has no interface any more, even if another one
	 * has taken its name since. */
	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return set_error(tap, "was deleted", "; it is made again");
	memcpy(tap->interface, request.ifr_name, IFNAMSIZ); /* it may have been renamed */
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control < 0)
		return set_error(tap, "socket", "");
	if (ioctl(control, SIOCGIFFLAGS, &request) < 0) {
		rc = set_error(tap, "flags", "");
	} else if ((request.ifr_flags & IFF_UP) == 0) {
		errno = ENETDOWN;
		rc = set_error(tap, "is down", "; it is brought up again");
	} else if ((request.ifr_flags & IFF_RUNNING) == 0) {
		errno = ENOLINK;
		rc = set_error(tap, "has no carrier", "; it is switched on again");
	}
	close(control);
	return rc;
}

int mt_tap_mend(struct mt_tap *tap, int problem)
{
	if (problem == -ENETDOWN)
		return bring_up(tap);
	if (problem == -ENOLINK)
		return ioctl(tap->fds[0], TUNSETCARRIER, &(int){1}) < 0 ? -errno : 0;
	retire_all(tap);
	return open_all(tap);
}

int mt_tap_write(int fd, const struct rte_mbuf *frame)
{
	struct iovec segments[MAX_SEGMENTS];
	int count = 0;

	if (frame->nb_segs == 1) {
		ssize_t written = write(fd, rte_pktmbuf_mtod(frame, const void *), frame->data_len);

		return written < 0 ? errno : 0;
	}
	if (frame->nb_segs > MAX_SEGMENTS)
		return EMSGSIZE;
	for (const struct rte_mbuf *segment = frame; segment != NULL; segment = segment->next) {
		segments[count].iov_base = rte_pktmbuf_mtod(segment, void *);
		segments[count++].iov_len = segment->data_len;
	}
	return writev(fd, segments, count) < 0 ? errno : 0;
}
