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
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "output/vlan.h"

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

/* Opens a queue of the interface with these flags. Returns the descriptor or -errno. */
static int open_with(const struct mt_tap *tap, short flags)
{
	struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	if (tap->queues > 1)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(request.ifr_name, tap->interface, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &request) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* One that someone made beforehand (`ip tuntap add`) may be used; one that belongs to another
 * process may not, though the kernel would let us join it. */
static int open_prepared(const struct mt_tap *tap)
{
	struct ifreq request = {0};
	int fd = open_with(tap, 0);

	if (fd < 0)
		return fd;
	if (ioctl(fd, TUNGETIFF, &request) == 0 && (request.ifr_flags & IFF_PERSIST) != 0)
		return fd;
	close(fd);
	return -EBUSY;
}

/* Opens one queue of the interface; the first one makes it. Returns the descriptor or -errno. */
static int open_queue(struct mt_tap *tap, bool first)
{
	int fd = open_with(tap, first ? IFF_TUN_EXCL : 0);

	if (fd == -EBUSY && first)
		fd = open_prepared(tap);
	if (fd >= 0)
		return fd;
	errno = -fd;
	if (fd == -EPERM)
		return set_error(tap, "cannot be made", "; run as root or with CAP_NET_ADMIN");
	if (fd == -ENOENT)
		return set_error(tap, "/dev/net/tun", "; load the tun module");
	return set_error(tap, "cannot be made", "; is the name taken by another interface?");
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

/* Under the name that it was given: a renamed interface is up by someone's own doing. */
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

/* Makes the interface and opens its queues into `fds`. */
static int open_queues(struct mt_tap *tap, int *fds)
{
	uint16_t opened = 0;
	int rc = 0;

	while (opened < tap->queues && (rc = open_queue(tap, opened == 0)) >= 0)
		fds[opened++] = rc;
	if (rc >= 0)
		rc = bring_up(tap);
	while (rc < 0 && opened > 0)
		close(fds[--opened]);
	return rc < 0 ? rc : 0;
}

int mt_tap_open(struct mt_tap *tap)
{
	return open_queues(tap, tap->fds);
}

void mt_tap_close(struct mt_tap *tap)
{
	for (uint16_t q = 0; q < tap->queues; q++)
		close(tap->fds[q]);
}

/* Is the interface in our own network namespace? Kernels before 5.2 do not tell: then yes. */
static bool is_here(int fd)
{
	struct stat ours, its;
	int its_fd = ioctl(fd, TUNGETDEVNETNS, NULL);
	bool here = true;

	if (its_fd < 0)
		return true;
	if (stat("/proc/self/ns/net", &ours) == 0 && fstat(its_fd, &its) == 0)
		here = ours.st_ino == its.st_ino && ours.st_dev == its.st_dev;
	close(its_fd);
	return here;
}

static int check_flags(struct mt_tap *tap, struct ifreq *request)
{
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (control < 0)
		return set_error(tap, "socket", "");
	if (ioctl(control, SIOCGIFFLAGS, request) < 0) {
		rc = set_error(tap, "flags", "");
	} else if ((request->ifr_flags & IFF_UP) == 0) {
		errno = ENETDOWN;
		rc = set_error(tap, "is down", "; it is brought up again");
	} else if ((request->ifr_flags & IFF_RUNNING) == 0) {
		errno = ENOLINK;
		rc = set_error(tap, "has no carrier", "; it is switched on again");
	}
	close(control);
	return rc;
}

int mt_tap_check(struct mt_tap *tap)
{
	struct ifreq request = {0};

	/* A descriptor whose interface was deleted has no interface any more, even if another one
	 * has taken its name since. */
	if (ioctl(tap->fds[0], TUNGETIFF, &request) < 0) {
		set_error(tap, "was deleted", "; it is made again");
		return -ENODEV;
	}
	if (!is_here(tap->fds[0]))
		return 0;
	return check_flags(tap, &request); /* by the name that it has now */
}

static int make_again(struct mt_tap *tap)
{
	int fds[MT_TAP_MAX_QUEUES];
	int rc = open_queues(tap, fds);

	if (rc < 0)
		return rc;
	for (uint16_t q = 0; q < tap->queues; q++) {
		if (dup3(fds[q], tap->fds[q], O_CLOEXEC) < 0)
			rc = set_error(tap, "queues", "");
		close(fds[q]);
	}
	return rc;
}

int mt_tap_mend(struct mt_tap *tap, int problem)
{
	if (problem == -ENETDOWN)
		return bring_up(tap);
	if (problem == -ENOLINK)
		return ioctl(tap->fds[0], TUNSETCARRIER, &(int){1}) < 0 ? -errno : 0;
	if (problem == -ENODEV)
		return make_again(tap);
	return problem;
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

int mt_tap_write_tagged(int fd, const struct rte_mbuf *frame, int32_t vlan)
{
	struct iovec segments[MAX_SEGMENTS + 2];
	uint8_t tag[MT_VLAN_TAG];
	int count = 0;

	if (frame->nb_segs > MAX_SEGMENTS)
		return EMSGSIZE;
	mt_vlan_write(tag, vlan);
	segments[count++] = (struct iovec){rte_pktmbuf_mtod(frame, void *), MT_VLAN_AT};
	segments[count++] = (struct iovec){tag, sizeof(tag)};
	segments[count++] = (struct iovec){
		rte_pktmbuf_mtod_offset(frame, void *, MT_VLAN_AT), frame->data_len - MT_VLAN_AT};
	for (const struct rte_mbuf *segment = frame->next; segment != NULL; segment = segment->next)
		segments[count++] =
			(struct iovec){rte_pktmbuf_mtod(segment, void *), segment->data_len};
	return writev(fd, segments, count) < 0 ? errno : 0;
}
