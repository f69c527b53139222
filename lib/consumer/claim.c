/* SPDX-License-Identifier: BSD-3-Clause */
/* Attaching and detaching: the daemon gives the queues, and their memory, over a socket. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "consumer/consumer.h"
#include "version.h"

enum {
	ANSWER_MS = 10000,
};

const char *mirrortap_version(void)
{
	return MT_VERSION;
}

/* --- the socket --- */

static int explain_connect(const char *path, int reason, char *error, size_t error_size)
{
	if (reason == EACCES || reason == EPERM)
		snprintf(error, error_size,
			"no permission for %s: run as root, or as a member of the group that "
			"outputs[].group names",
			path);
	else if (reason == ENOENT)
		snprintf(error, error_size,
			"%s is not there: mirrortapd is not running, has no ring output of this "
			"name, or has another file prefix",
			path);
	else if (reason == ECONNREFUSED)
		snprintf(
			error, error_size, "mirrortapd is not running: no one answers on %s", path);
	else
		snprintf(error, error_size, "%s: %s", path, strerror(reason));
	return reason == EPERM ? -EACCES : reason == ECONNREFUSED ? -ENOENT : -reason;
}

static int open_socket(struct mirrortap_consumer *consumer, const struct mirrortap_options *options,
	char *error, size_t error_size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length;

	if (options->output == NULL || options->output[0] == '\0') {
		snprintf(error, error_size, "no output is named");
		return -EINVAL;
	}
	length = mt_ring_socket_path(address.sun_path, sizeof(address.sun_path),
		options->folder != NULL ? options->folder : MT_RING_FOLDER,
		options->file_prefix != NULL ? options->file_prefix : "mirrortap", options->output);
	if (length < 0 || (size_t)length >= sizeof(address.sun_path)) {
		snprintf(error, error_size, "the path %s... is too long for a socket",
			address.sun_path);
		return -ENAMETOOLONG;
	}
	consumer->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (consumer->fd < 0
		|| connect(consumer->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return explain_connect(address.sun_path, errno, error, error_size);
	return 0;
}

static int say(
	struct mirrortap_consumer *consumer, uint32_t request, int32_t queue, const char *program)
{
	struct mt_ring_hello hello = {
		.magic = MT_RING_MAGIC,
		.abi = MT_RING_ABI,
		.request = request,
		.queue = queue,
	};

	snprintf(hello.program, sizeof(hello.program), "%s",
		program != NULL ? program : program_invocation_short_name);
	return send(consumer->fd, &hello, sizeof(hello), MSG_NOSIGNAL) == sizeof(hello) ? 0
											: -errno;
}

/* Descriptors that came with a message. Returns how many. */
static unsigned take_descriptors(struct msghdr *message, int *descriptors)
{
	unsigned count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (unsigned)(bytes / sizeof(int));
		memcpy(descriptors, CMSG_DATA(c), bytes);
	}
	return count;
}

/* One message with its descriptors. Returns its length. */
static ssize_t receive_message(struct mirrortap_consumer *consumer, void *bytes, size_t size,
	int *descriptors, unsigned *count, char *error, size_t error_size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(MT_CONSUMER_MAX_DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec part = {bytes, size};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct pollfd polled = {.fd = consumer->fd, .events = POLLIN};
	ssize_t length;

	memset(bytes, 0, size);
	*count = 0;
	if (poll(&polled, 1, ANSWER_MS) == 0) {
		snprintf(error, error_size,
			"mirrortapd does not answer; is it, or one of its workers, stuck?");
		return -ETIMEDOUT;
	}
	length = recvmsg(consumer->fd, &message, MSG_CMSG_CLOEXEC);
	if (length > 0)
		*count = take_descriptors(&message, descriptors);
	if (length >= (ssize_t)offsetof(struct mt_ring_hello, queue)
		&& *(const uint64_t *)bytes == MT_RING_MAGIC)
		return length;
	snprintf(error, error_size, "mirrortapd closed the connection%s",
		length == 0 ? ": it has ended, or there are too many consumers" : "");
	return -ECONNRESET;
}

static int hear(struct mirrortap_consumer *consumer, struct mt_ring_welcome *welcome,
	int *descriptors, unsigned *count, char *error, size_t error_size)
{
	ssize_t length = receive_message(
		consumer, welcome, sizeof(*welcome), descriptors, count, error, error_size);

	if (length < 0)
		return (int)length;
	welcome->reason[sizeof(welcome->reason) - 1] = '\0';
	if (welcome->status != 0) {
		snprintf(error, error_size, "%s", welcome->reason);
		return welcome->status < 0 ? welcome->status : -EPROTO;
	}
	if (welcome->abi != MT_RING_ABI || length != sizeof(*welcome)) {
		snprintf(error, error_size,
			"the daemon speaks version %u of the ring's interface, this consumer "
			"library version %u: install both from one build, then restart the older "
			"one",
			welcome->abi, MT_RING_ABI);
		return -EPROTO;
	}
	return 0;
}

int mt_consumer_ask_memory(struct mirrortap_consumer *consumer, uint32_t first,
	struct mt_ring_memory *memory, int *descriptors, unsigned *count, char *error,
	size_t error_size)
{
	ssize_t length;

	say(consumer, MT_RING_MEMORY, (int32_t)first, NULL);
	length = receive_message(
		consumer, memory, sizeof(*memory), descriptors, count, error, error_size);
	if (length < 0)
		return (int)length;
	if (length == sizeof(*memory))
		return 0;
	snprintf(error, error_size, "the daemon does not hand over its memory");
	return -EPROTO;
}

int mt_consumer_ask_names(
	struct mirrortap_consumer *consumer, int *descriptor, char *error, size_t error_size)
{
	int descriptors[MT_CONSUMER_MAX_DESCRIPTORS];
	struct mt_ring_welcome welcome;
	unsigned count = 0;
	int rc;

	say(consumer, MT_RING_NAMES, 0, NULL);
	rc = hear(consumer, &welcome, descriptors, &count, error, error_size);
	if (rc == 0 && count == 1) {
		*descriptor = descriptors[0];
		return 0;
	}
	while (count > 0)
		close(descriptors[--count]);
	if (rc == 0)
		snprintf(error, error_size, "the daemon does not hand over the sessions' names");
	return rc < 0 ? rc : -EPROTO;
}

/* --- the memory --- */

static bool is_sound(const struct mt_ring_area *area, uint64_t bytes)
{
	uint64_t slots_end = area->slots_offset + (uint64_t)area->length * sizeof(uint64_t);

	if (area->magic != MT_RING_MAGIC || area->abi != MT_RING_ABI || area->total_bytes != bytes
		|| area->length == 0 || (area->length & (area->length - 1)) != 0
		|| area->slots_offset < sizeof(*area) || slots_end > bytes)
		return false;
	if (area->mode != MT_RING_COPY)
		return true;
	return area->records > 0 && area->record_bytes > sizeof(struct mt_ring_record)
		&& area->records_offset >= slots_end
		&& area->records_offset + (uint64_t)area->records * area->record_bytes <= bytes;
}

static struct mirrortap_queue *map_queue(
	struct mirrortap_consumer *consumer, int memory_fd, int wake_fd, unsigned number)
{
	struct mirrortap_queue *queue =
		aligned_alloc(MT_RING_LINE, RTE_ALIGN_CEIL(sizeof(*queue), MT_RING_LINE));
	struct mt_ring_area *area;
	struct stat stat;

	if (queue == NULL || fstat(memory_fd, &stat) < 0
		|| stat.st_size < (off_t)sizeof(struct mt_ring_area))
		goto fail;
	area = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		memory_fd, 0);
	if (area == MAP_FAILED)
		goto fail;
	if (!is_sound(area, (uint64_t)stat.st_size)) {
		munmap(area, (size_t)stat.st_size);
		goto fail;
	}
	memset(queue, 0, sizeof(*queue));
	queue->consumer = consumer;
	queue->area = area;
	queue->slots = (const void *)((const char *)area + area->slots_offset);
	queue->records = (const uint8_t *)area + area->records_offset;
	queue->mask = area->length - 1;
	queue->length = area->length;
	queue->snap = area->snap != 0 ? area->snap : UINT32_MAX;
	queue->record_bytes = area->record_bytes;
	queue->records_count = area->records;
	queue->mapped_bytes = (size_t)stat.st_size;
	queue->number = (uint16_t)number;
	queue->copy = area->mode == MT_RING_COPY;
	queue->drop_old = area->drop_old != 0;
	queue->wake_fd = wake_fd;
	return queue;
fail:
	free(queue);
	return NULL;
}

static int map_queues(struct mirrortap_consumer *consumer, const struct mt_ring_welcome *welcome,
	int *descriptors, unsigned count, char *error, size_t error_size)
{
	unsigned used = 0;
	int rc = 0;

	for (unsigned q = 0; q < MT_RING_MAX_QUEUES && used + 1 < count; q++) {
		struct mirrortap_queue *queue;

		if ((welcome->queues >> q & 1) == 0)
			continue;
		queue = map_queue(consumer, descriptors[used], descriptors[used + 1], q);
		if (queue == NULL)
			break;
		close(descriptors[used]);
		used += 2;
		consumer->queues[consumer->queues_count++] = queue;
	}
	if (used == 0 || used != count
		|| consumer->queues_count != (unsigned)__builtin_popcountll(welcome->queues)) {
		snprintf(error, error_size, "the memory of the queues could not be mapped: %s",
			strerror(errno != 0 ? errno : EPROTO));
		rc = -EPROTO;
	}
	for (; used < count; used++)
		close(descriptors[used]);
	return rc;
}

int mt_consumer_claim(struct mirrortap_consumer *consumer, const struct mirrortap_options *options,
	struct mt_ring_welcome *welcome, char *error, size_t error_size)
{
	int descriptors[MT_CONSUMER_MAX_DESCRIPTORS];
	unsigned count = 0;
	int rc = open_socket(consumer, options, error, error_size);

	if (rc < 0)
		return rc;
	/* That it could not be said will be heard. */
	say(consumer, MT_RING_CLAIM, options->queue, options->program);
	rc = hear(consumer, welcome, descriptors, &count, error, error_size);
	if (rc < 0) {
		while (count > 0)
			close(descriptors[--count]);
		return rc;
	}
	return map_queues(consumer, welcome, descriptors, count, error, error_size);
}

int mt_consumer_start(struct mirrortap_consumer *consumer, char *error, size_t error_size)
{
	struct mt_ring_welcome welcome;
	int descriptors[MT_CONSUMER_MAX_DESCRIPTORS];
	unsigned count;
	int rc;

	say(consumer, MT_RING_START, 0, NULL);
	rc = hear(consumer, &welcome, descriptors, &count, error, error_size);
	for (unsigned q = 0; rc == 0 && q < consumer->queues_count; q++) {
		struct mirrortap_queue *queue = consumer->queues[q];

		queue->taken = atomic_load(&queue->area->taken);
		queue->released = atomic_load(&queue->area->released);
	}
	return rc;
}

/* --- the whole --- */

static void free_consumer(struct mirrortap_consumer *consumer)
{
	for (unsigned q = 0; q < consumer->queues_count; q++) {
		munmap(consumer->queues[q]->area, consumer->queues[q]->mapped_bytes);
		close(consumer->queues[q]->wake_fd);
		free(consumer->queues[q]);
	}
	mt_consumer_unmap_memory(consumer);
	mt_consumer_unmap_names(consumer);
	/* Last: from here on the daemon takes back what we held. */
	if (consumer->fd >= 0)
		close(consumer->fd);
	free(consumer);
}

int mirrortap_attach(const struct mirrortap_options *options, struct mirrortap_consumer **consumer,
	char *error, size_t error_size)
{
	struct mirrortap_consumer *new = calloc(1, sizeof(*new));
	struct mt_ring_welcome welcome;
	int rc;

	*consumer = NULL;
	if (error_size > 0)
		error[0] = '\0';
	if (new == NULL) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	new->fd = -1;
	rc = mt_consumer_claim(new, options, &welcome, error, error_size);
	if (rc == 0 && welcome.mode == MT_RING_ZERO_COPY)
		rc = mt_consumer_map_memory(new, &welcome, error, error_size);
	if (rc == 0)
		rc = mt_consumer_map_names(new, error, error_size);
	if (rc == 0)
		rc = mt_consumer_start(new, error, error_size);
	if (rc < 0) {
		free_consumer(new);
		return rc;
	}
	*consumer = new;
	return 0;
}

void mirrortap_detach(struct mirrortap_consumer *consumer)
{
	if (consumer == NULL)
		return;
	for (unsigned q = 0; q < consumer->queues_count; q++)
		mirrortap_release(consumer->queues[q], UINT32_MAX);
	free_consumer(consumer);
}

unsigned mirrortap_queues(const struct mirrortap_consumer *consumer)
{
	return consumer->queues_count;
}

struct mirrortap_queue *mirrortap_queue(struct mirrortap_consumer *consumer, unsigned index)
{
	return index < consumer->queues_count ? consumer->queues[index] : NULL;
}
