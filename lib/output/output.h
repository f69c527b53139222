/* SPDX-License-Identifier: BSD-3-Clause */
/* Outputs: where inner frames go. Each type is one file with one const table of operations.
 *
 * Every queue has one owner, a worker, and only it calls send() for that queue: so an output needs
 * no locks where it has one device queue per queue. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "output/commit.h"

struct mt_ethdev_life;
struct mt_session_spec;
struct mt_tap_session;
struct mt_vni_number;

enum {
	MT_OUTPUT_MAX_QUEUES = 64,
	MT_OUTPUT_MAX_NAME = 15,
	MT_OUTPUT_MAX_ERROR = 256,
};

/* Why an output did not deliver a frame. X(SYMBOL, "name", "meaning") */
#define MT_OUTPUT_DROPS(X)                                                                    \
	X(FULL, "full", "The ring, device or interface had no room: its reader is too slow.") \
	X(NO_BUFFER, "no_buffer", "No buffer was free for a copy that the device needs.")     \
	X(ERROR, "error", "The output is in an error state, or the write failed.")            \
	X(TOO_LONG, "too_long", "The frame is longer than the output's MTU allows.")          \
	X(STOPPED, "stopped", "Not taken by its reader before the output was closed.")        \
	X(NO_SPACE, "no_space", "The file system has no room left for capture files.")        \
	X(CONSUMER_ABSENT, "consumer_absent", "No consumer was attached to the ring.")        \
	X(NO_SESSION, "no_session", "The output has interfaces for other sessions only.")     \
	X(FILTERED, "filtered", "The output's own filter rejects the frame, as it should.")   \
	X(SAMPLED, "sampled", "The output keeps 1 in N flows or packets: this is not one.")

enum mt_output_drop {
#define X(symbol, name, meaning) MT_OUTPUT_DROP_##symbol,
	MT_OUTPUT_DROPS(X)
#undef X
		MT_OUTPUT_DROP_COUNT
};

/* True for what the configuration asks for: no reason to worry. */
static inline bool mt_output_drop_is_wanted(enum mt_output_drop reason)
{
	return reason == MT_OUTPUT_DROP_NO_SESSION || reason == MT_OUTPUT_DROP_FILTERED
		|| reason == MT_OUTPUT_DROP_SAMPLED;
}

const char *mt_output_drop_name(enum mt_output_drop reason);
const char *mt_output_drop_meaning(enum mt_output_drop reason);

struct mt_output_counts {
	uint64_t offered;
	uint64_t delivered; /* handed over, or set aside for that: see read() */
	uint64_t delivered_bytes;
	uint64_t drops[MT_OUTPUT_DROP_COUNT];
	/* ring: of those delivered, not yet seen to be taken, and where that stands */
	uint64_t waiting;
	uint64_t taken;
};

/* Writer: the worker that owns the queue (the control thread once the workers have ended).
 * Readers: control. */
struct mt_output_queue {
	struct mt_commit commit;
	struct mt_output_counts counts;
} __rte_cache_aligned;

enum mt_output_state {
	MT_OUTPUT_UP,
	MT_OUTPUT_ERROR,
};

/* What a session is called where an output can say it. */
struct mt_output_session {
	char name[64];
	char description[128]; /* "": none */
};

/* What an output is made from. Strings are copied. */
struct mt_output_settings {
	const char *name;
	const char *interface; /* tap */
	const char *device;    /* port */
	uint16_t tx_queues;    /* port: to use of the device; 0: as many as suit it */
	uint32_t mtu;          /* tap: bytes behind the Ethernet header */
	/* tap, port: the VLAN that frames of a VNI are given; not in it: they stay as they are */
	const struct mt_vni_number *vlans; /* [vlans_count] */
	unsigned vlans_count;
	/* tap for each session: the VNIs that have an interface, and its name */
	const struct mt_tap_session *tap_sessions; /* [tap_sessions_count] */
	unsigned tap_sessions_count;
	uint32_t length;       /* ring, pcapng: frames that one queue holds, a power of two */
	uint32_t snap;         /* ring, pcapng: bytes of a frame that are kept; 0: all */
	const char *directory; /* pcapng */
	uint64_t rotate_bytes, keep_bytes; /* pcapng; keep_*: 0: all is kept */
	uint32_t rotate_seconds;           /* pcapng; 0: not by time */
	uint32_t keep_files;               /* pcapng */
	/* pcapng: name and description of a session; false: it has none. Called by the output's
	 * thread. NULL: none has. */
	bool (*describe)(void *context, uint32_t vni, struct mt_output_session *session);
	void *describe_context;
	uint16_t queues;
	const uint16_t *queue_worker; /* [queues]: which worker owns the queue */
	const int *queue_node;        /* [queues]: NUMA node of that worker */
	bool own_prefix;              /* ring: the file prefix is this daemon's alone */
	/* ring */
	bool copy;         /* consumers get copies, not the mbufs */
	bool drop_old;     /* when full */
	bool keep;         /* frames wait for a consumer that is absent */
	const char *group; /* that may attach besides root; NULL: none */
	/* ring: consumers are told the names of these */
	const struct mt_session_spec *sessions; /* [sessions_count] */
	unsigned sessions_count;
	/* port: waits until no worker uses what was taken away from it before the call; false: one
	 * does not leave. NULL: its device is never reset. */
	bool (*synchronize)(void *context);
	void *synchronize_context;
};

struct mt_output {
	const struct mt_output_ops *ops;
	char name[MT_OUTPUT_MAX_NAME + 1];
	uint16_t queues;
	void *private; /* of the type */
	/* Writer: whoever finds out, worker or control. Readers: all. */
	_Atomic int state;       /* enum mt_output_state */
	_Atomic uint64_t errors; /* times that it went into the error state */
	/* The last error, in words; stays after it was mended. Writer and reader: control only. */
	char error[MT_OUTPUT_MAX_ERROR];
	struct mt_output_queue *per_queue; /* [queues] */
	/* [queues] What the outputs counted whose place this one took; NULL: it took none. Writer:
	 * control, before workers see the output. Readers: all, its own thread at any time. */
	_Atomic(struct mt_output_counts *) earlier;
	struct mt_ethdev_life *life; /* of its device; NULL: it stands on none */
};

struct mt_output_ops {
	const char *type; /* as in the configuration */

	/* Opens the output; control thread, before the workers see it. Returns 0, or -errno with
	 * the reason and the remedy in output->error. */
	int (*open)(struct mt_output *output, const struct mt_output_settings *settings);

	/* Takes over one reference to each frame and counts each: bounded, never waits for a
	 * reader. Worker that owns the queue. */
	void (*send)(
		struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count);

	/* Whether send() would keep a frame of the queue now. Worker that owns the queue; NULL: it
	 * would. */
	bool (*wants)(struct mt_output *output, uint16_t queue);

	/* Counts frames as send() would that wants() says no to, without being given them. Worker
	 * that owns the queue; NULL where wants() is. */
	void (*count_unwanted)(struct mt_output *output, uint16_t queue, uint32_t count);

	/* What is left to do for a queue although no frame came. Returns how many frames it took
	 * care of: a worker that has such work must not rest. Worker that owns the queue; NULL:
	 * nothing. */
	uint16_t (*poll)(struct mt_output *output, uint16_t queue);

	/* Looks after the output about ten times a second: finds and mends errors. Control thread;
	 * NULL: nothing. */
	void (*maintain)(struct mt_output *output);

	/* Reads the counters of a queue in balance: offered = delivered + drops + in_flight, what
	 * is in flight being counted, not guessed. Any thread; NULL: nothing is ever in flight. */
	void (*read)(struct mt_output *output, uint16_t queue, struct mt_output_counts *counts,
		uint64_t *in_flight);

	/* Sessions have other names now. Control thread; returns 0 or -errno. NULL: it tells no
	 * names, or asks for each. */
	int (*rename)(
		struct mt_output *output, const struct mt_session_spec *sessions, unsigned count);

	/* Frees what is in flight, counted as stopped. Control thread, when the workers have ended
	 * or no longer see the output; NULL: nothing. */
	void (*flush)(struct mt_output *output);

	void (*close)(struct mt_output *output);
};

extern const struct mt_output_ops mt_output_tap;
extern const struct mt_output_ops mt_output_tap_sessions;
extern const struct mt_output_ops mt_output_ring;
extern const struct mt_output_ops mt_output_port;
extern const struct mt_output_ops mt_output_pcapng;

/* An output that could not be opened again when a reload had to be taken back: in error, and each
 * frame is a drop with that reason. */
extern const struct mt_output_ops mt_output_lost;

/* Makes and opens an output. Returns NULL on failure, with one line in `error`. */
struct mt_output *mt_output_create(const struct mt_output_ops *ops,
	const struct mt_output_settings *settings, char *error, size_t error_size);

void mt_output_destroy(struct mt_output *output);

/* What an output counted, for the one that takes its place: an array of output->queues, to be given
 * to free(), or NULL without memory. Of an output that no worker sees any more, and that was
 * flushed. */
struct mt_output_counts *mt_output_counts_of(struct mt_output *output);

/* The counters of one queue, in balance. */
void mt_output_read(struct mt_output *output, uint16_t queue, struct mt_output_counts *counts,
	uint64_t *in_flight);

/* Marks the output as being in error; from any thread. */
static inline void mt_output_fail(struct mt_output *output)
{
	if (atomic_exchange_explicit(&output->state, MT_OUTPUT_ERROR, memory_order_relaxed)
		== MT_OUTPUT_UP)
		atomic_fetch_add_explicit(&output->errors, 1, memory_order_relaxed);
}
