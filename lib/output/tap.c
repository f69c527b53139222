/* SPDX-License-Identifier: BSD-3-Clause */
/* TAP: a kernel interface on which any tool sees the inner frames.
 *
 * Written with bare writes to /dev/net/tun instead of through DPDK's net_tap: a write per frame is
 * all that net_tap does too, but an interface that was deleted under it cannot be had back without
 * unplugging a port that workers are using, and its transmit stops at the first frame that is too
 * long. Here each queue is one file descriptor, in the order of the kernel's queues, so that
 * AF_PACKET fanout by queue (PACKET_FANOUT_QM) keeps conversations together. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "output/output.h"

enum {
	MAX_SEGMENTS = 64,          /* of one frame; ENA scatters over 17 */
	ETHERNET_OVERHEAD = 14 + 8, /* header and two VLAN tags, which an MTU does not count */
};

struct tap_output {
	char interface[IFNAMSIZ];
	unsigned mtu;
	/* Writer: control, which replaces all of them when the interface is lost. Readers: the
	 * queues' owners; -1 while there is none. A worker may still hold a descriptor that was
	 * replaced, so old ones are closed one maintenance round (100 ms) later. */
	_Atomic int fds[MT_OUTPUT_MAX_QUEUES];
	int retired[MT_OUTPUT_MAX_QUEUES]; /* control only */
};

static int set_error(struct mt_output *output, const char *what, const char *remedy)
{
	int rc = -errno;
	struct tap_output *tap = output->private;

	snprintf(output->error, sizeof(output->error), "interface %s: %s: %s%s", tap->interface,
		what, strerror(-rc), remedy);
	return rc;
}

/* Opens one queue of the interface; the first one makes it. Returns the descriptor or -errno. */
static int open_queue(struct mt_output *output)
{
	struct tap_output *tap = output->private;
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return set_error(output, "/dev/net/tun", "; load the tun module and run as root");
	if (output->queues > 1)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(request.ifr_name, tap->interface, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		int rc = set_error(output, "cannot be made",
			errno == EPERM ? "; run as root or with CAP_NET_ADMIN"
				       : "; is the name taken by another interface?");

		close(fd);
		return rc;
	}
	return fd;
}

/* The kernel must never send on this interface on its own account: a reader should see mirrored
 * frames only, so no ARP and no IPv6. */
static void keep_quiet(const char *interface)
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

static int bring_up(struct mt_output *output)
{
	struct tap_output *tap = output->private;
	struct ifreq request = {0};
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (control < 0)
		return set_error(output, "socket", "");
	keep_quiet(tap->interface);
	memcpy(request.ifr_name, tap->interface, IFNAMSIZ);
	request.ifr_mtu = (int)tap->mtu;
	if (ioctl(control, SIOCSIFMTU, &request) < 0)
		rc = set_error(output, "MTU is refused", "; set outputs[].mtu lower");
	if (rc == 0 && ioctl(control, SIOCGIFFLAGS, &request) < 0)
		rc = set_error(output, "flags", "");
	request.ifr_flags |= IFF_UP | IFF_NOARP;
	if (rc == 0 && ioctl(control, SIOCSIFFLAGS, &request) < 0)
		rc = set_error(output, "cannot be brought up", "; run as root");
	close(control);
	return rc;
}

static int open_all(struct mt_output *output)
{
	struct tap_output *tap = output->private;
	int fds[MT_OUTPUT_MAX_QUEUES];
	uint16_t opened = 0;
	int rc = 0;

	while (opened < output->queues && (rc = open_queue(output)) >= 0)
		fds[opened++] = rc;
	if (rc >= 0)
		rc = bring_up(output);
	if (rc < 0) {
		while (opened > 0)
			close(fds[--opened]);
		return rc;
	}
	for (uint16_t q = 0; q < output->queues; q++)
		atomic_store_explicit(&tap->fds[q], fds[q], memory_order_release);
	return 0;
}

static void close_retired(struct mt_output *output)
{
	struct tap_output *tap = output->private;

	for (uint16_t q = 0; q < output->queues; q++) {
		if (tap->retired[q] >= 0)
			close(tap->retired[q]);
		tap->retired[q] = -1;
	}
}

static void retire_all(struct mt_output *output)
{
	struct tap_output *tap = output->private;

	close_retired(output);
	for (uint16_t q = 0; q < output->queues; q++)
		tap->retired[q] = atomic_exchange_explicit(&tap->fds[q], -1, memory_order_acq_rel);
}

static void tap_close(struct mt_output *output)
{
	retire_all(output);
	close_retired(output);
	free(output->private);
}

static int tap_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct tap_output *tap = calloc(1, sizeof(*tap));
	int rc;

	if (tap == NULL)
		return -ENOMEM;
	output->private = tap;
	tap->mtu = settings->mtu;
	snprintf(tap->interface, sizeof(tap->interface), "%s", settings->interface);
	for (uint16_t q = 0; q < MT_OUTPUT_MAX_QUEUES; q++) {
		tap->retired[q] = -1;
		tap->fds[q] = -1;
	}
	rc = open_all(output);
	if (rc < 0)
		free(tap);
	return rc;
}

/* Writes one frame. Returns 0 or the errno. */
static int write_frame(int fd, const struct rte_mbuf *frame)
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

static enum mt_output_drop drop_reason(struct mt_output *output, int error)
{
	switch (error) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return MT_OUTPUT_DROP_FULL;
	case EMSGSIZE:
	case EINVAL:
		return MT_OUTPUT_DROP_TOO_LONG;
	default: /* EIO: down; EBADFD: deleted */
		mt_output_fail(output);
		return MT_OUTPUT_DROP_ERROR;
	}
}

static void tap_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct tap_output *tap = output->private;
	struct mt_output_queue *q = &output->per_queue[queue];
	uint16_t drops[MT_OUTPUT_DROP_COUNT] = {0};
	uint16_t delivered = 0;
	uint64_t bytes = 0;
	int fd = atomic_load_explicit(&tap->fds[queue], memory_order_acquire);

	for (uint16_t i = 0; i < count; i++) {
		int error;

		/* One failed write says it for the rest of the burst. */
		if (fd < 0 || drops[MT_OUTPUT_DROP_ERROR] > 0) {
			drops[MT_OUTPUT_DROP_ERROR]++;
			continue;
		}
		if (frames[i]->pkt_len > tap->mtu + ETHERNET_OVERHEAD) {
			drops[MT_OUTPUT_DROP_TOO_LONG]++;
			continue;
		}
		error = write_frame(fd, frames[i]);
		if (error == 0) {
			delivered++;
			bytes += frames[i]->pkt_len;
		} else {
			drops[drop_reason(output, error)]++;
		}
	}
	mt_commit_begin(&q->commit);
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.delivered, delivered);
	mt_count(&q->counts.delivered_bytes, bytes);
	for (unsigned r = 0; delivered < count && r < MT_OUTPUT_DROP_COUNT; r++)
		mt_count(&q->counts.drops[r], drops[r]);
	mt_commit_end(&q->commit);
	rte_pktmbuf_free_bulk(frames, count);
}

/* Asks the kernel whether the interface is there and up. Returns 0 or -errno. */
static int check_interface(struct mt_output *output)
{
	struct tap_output *tap = output->private;
	struct ifreq request = {0};
	int fd = tap->fds[0];
	int control;
	int rc = 0;

	if (fd < 0)
		return -ENODEV;
	/* A descriptor whose interface was deleted has no interface any more, even if another one
	 * has taken its name since. */
	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return set_error(output, "was deleted", "; it is made again");
	memcpy(tap->interface, request.ifr_name, IFNAMSIZ); /* it may have been renamed */
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control < 0)
		return set_error(output, "socket", "");
	if (ioctl(control, SIOCGIFFLAGS, &request) < 0) {
		rc = set_error(output, "flags", "");
	} else if ((request.ifr_flags & IFF_UP) == 0) {
		errno = ENETDOWN;
		rc = set_error(output, "is down", "; it is brought up again");
	} else if ((request.ifr_flags & IFF_RUNNING) == 0) {
		errno = ENOLINK;
		rc = set_error(output, "has no carrier", "; it is switched on again");
	}
	close(control);
	return rc;
}

static void tap_maintain(struct mt_output *output)
{
	struct tap_output *tap = output->private;
	int rc;

	close_retired(output);
	rc = check_interface(output);
	if (rc == 0) {
		atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
		return;
	}
	/* Seen in error for one round at least, so that an operator can notice. */
	if (atomic_load_explicit(&output->state, memory_order_relaxed) == MT_OUTPUT_UP) {
		mt_output_fail(output);
		return;
	}
	if (rc == -ENETDOWN) {
		if (bring_up(output) < 0)
			return;
	} else if (rc == -ENOLINK) {
		if (ioctl(tap->fds[0], TUNSETCARRIER, &(int){1}) < 0)
			return;
	} else {
		retire_all(output);
		if (open_all(output) < 0)
			return;
	}
	atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
}

const struct mt_output_ops mt_output_tap = {
	.type = "tap",
	.open = tap_open,
	.send = tap_send,
	.maintain = tap_maintain,
	.close = tap_close,
};
