/* SPDX-License-Identifier: BSD-3-Clause */
/* libmirrortap-consumer: reads frames from a ring output of mirrortapd.
 *
 *     mirrortap_attach()    once: claims queues of an output
 *     mirrortap_receive()   frames, as they come
 *     mirrortap_release()   says how many of them are done with, oldest first
 *     mirrortap_detach()
 *
 * A queue is served by one thread at a time; different queues by different threads. Frames are
 * Mirrortap's: read them, and do not write to them. Whoever keeps one for longer copies it, since a
 * queue that holds back as many as the output's `length` gets no more.
 *
 * Functions return 0 or a number, or an error as a negative errno. docs/consumers.md tells more and
 * has a whole example. Plain C99, and C++. */
#ifndef MIRRORTAP_CONSUMER_H
#define MIRRORTAP_CONSUMER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MIRRORTAP_API __attribute__((visibility("default")))

struct mirrortap_consumer; /* a program's attachment to one output */
struct mirrortap_queue;    /* one queue of it */

enum {
	MIRRORTAP_ALL_QUEUES = -1,
	MIRRORTAP_ANY_QUEUE = -2, /* one that no one has taken */
};

/* Set all to zero, then what is to differ: `struct mirrortap_options options = {0};` */
struct mirrortap_options {
	const char *output;      /* its name in mirrortap.yaml; needed */
	const char *file_prefix; /* of the daemon (DPDK's --file-prefix); NULL: "mirrortap" */
	const char *folder;      /* of the daemon's sockets; NULL: "/run/mirrortap" */
	const char *program;     /* a name for others to see; NULL: the program's */
	int queue;               /* its number, or MIRRORTAP_ALL_QUEUES or MIRRORTAP_ANY_QUEUE */
};

enum {
	MIRRORTAP_TRUNCATED = 1,    /* fewer bytes are here than original_length says */
	MIRRORTAP_INGRESS = 2,      /* to the source */
	MIRRORTAP_EGRESS = 4,       /* from the source */
	MIRRORTAP_BAD_CHECKSUM = 8, /* the inner checksum was seen to be wrong */
};

struct mirrortap_frame {
	const uint8_t *data;      /* the frame, from its Ethernet header on */
	uint32_t contiguous;      /* bytes at `data`; all of them but for some long frames */
	uint32_t length;          /* bytes that are here: see mirrortap_frame_read() */
	uint32_t original_length; /* bytes before truncation */
	uint32_t vni;
	uint64_t time_ns;   /* received, since 1970-01-01 UTC */
	uint8_t source[16]; /* outer source address: IPv6, or IPv4 as ::ffff:a.b.c.d */
	uint32_t flow_hash; /* the same for both directions of a conversation */
	uint16_t queue;
	uint16_t flags;       /* MIRRORTAP_* */
	const void *internal; /* Mirrortap's own */
};

/* Claims queues of an output. On failure one line that says why and what would help is in `error`,
 * and what is returned is one of: -ENOENT (no such output, queue or daemon), -EACCES (may not),
 * -EBUSY (taken by another), -EPROTO (other version of Mirrortap or DPDK), another errno. */
MIRRORTAP_API int mirrortap_attach(const struct mirrortap_options *options,
	struct mirrortap_consumer **consumer, char *error, size_t error_size);

/* Gives all frames and queues back; NULL is allowed. No frame may be used afterwards. */
MIRRORTAP_API void mirrortap_detach(struct mirrortap_consumer *consumer);

/* How many queues were claimed, and the one at `index`; NULL beyond the last. */
MIRRORTAP_API unsigned mirrortap_queues(const struct mirrortap_consumer *consumer);
MIRRORTAP_API struct mirrortap_queue *mirrortap_queue(
	struct mirrortap_consumer *consumer, unsigned index);

/* The number of a queue, as in struct mirrortap_frame. */
MIRRORTAP_API unsigned mirrortap_queue_number(const struct mirrortap_queue *queue);

/* Fills in up to `max` frames and returns how many; 0: there are none now. Never waits. -ESHUTDOWN:
 * the daemon has ended or is about to; release what is held, and detach. */
MIRRORTAP_API int mirrortap_receive(
	struct mirrortap_queue *queue, struct mirrortap_frame *frames, unsigned max);

/* Gives the `count` oldest frames back that were received and not released. */
MIRRORTAP_API void mirrortap_release(struct mirrortap_queue *queue, unsigned count);

/* `length` bytes of the frame from `offset` on: where they are, or, if they are not in one piece,
 * copied into `buffer`. NULL: the frame is shorter. */
MIRRORTAP_API const void *mirrortap_frame_read(
	const struct mirrortap_frame *frame, uint32_t offset, uint32_t length, void *buffer);

/* The name of the session with this VNI, or NULL: as the daemon was configured when the consumer
 * attached, and good until it detaches. A search in a table; any thread. */
MIRRORTAP_API const char *mirrortap_session_name(
	const struct mirrortap_consumer *consumer, uint32_t vni);

/* --- waiting: any of three ways; the first is not to wait, but to poll --- */

/* Waits until the queue, or any queue of the consumer, has a frame: busy at first, then in ever
 * longer naps up to 0.1 ms, then asleep. `timeout_ms`: -1 for ever. Returns 1, or 0 when the time
 * is over or a signal came, or -ESHUTDOWN. */
MIRRORTAP_API int mirrortap_wait(struct mirrortap_queue *queue, int timeout_ms);
MIRRORTAP_API int mirrortap_wait_any(struct mirrortap_consumer *consumer, int timeout_ms);

/* For poll(), epoll and event loops: the descriptor becomes readable about a millisecond after a
 * frame came, once mirrortap_arm() has returned 0. Where that returns 1 there are frames already,
 * and -ESHUTDOWN: none will come. mirrortap_receive() resets it. */
MIRRORTAP_API int mirrortap_fd(const struct mirrortap_queue *queue);
MIRRORTAP_API int mirrortap_arm(struct mirrortap_queue *queue);

/* Readable, with POLLHUP, when the daemon has gone. */
MIRRORTAP_API int mirrortap_daemon_fd(const struct mirrortap_consumer *consumer);

/* --- counters of a queue --- */

struct mirrortap_counts {
	/* By the daemon, since its start, as of 0.1 s ago. */
	uint64_t offered;
	uint64_t delivered;
	uint64_t dropped_full;   /* the ring was full: the consumer was too slow */
	uint64_t dropped_absent; /* there was no consumer */
	uint64_t high_water;     /* most frames that ever waited */
	/* Now. */
	uint64_t waiting;
	uint64_t held;      /* received and not released */
	uint64_t processed; /* released, since attaching */
};

MIRRORTAP_API void mirrortap_read_counts(
	const struct mirrortap_queue *queue, struct mirrortap_counts *counts);

/* "0.1.0" */
MIRRORTAP_API const char *mirrortap_version(void);

#ifdef __cplusplus
}
#endif

#endif
