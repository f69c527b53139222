/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread behind an output of type pcapng: takes frames from the rings that the workers fill,
 * makes blocks of them, writes and rotates the files. It may wait for a disk; the workers don't
 * wait for it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ring.h>

#include "output/capture_file.h"
#include "output/capture_ring.h"
#include "output/output.h"
#include "output/vni_table.h"

enum {
	MT_PCAPNG_TAKING = -1, /* as `refuse`: frames are taken */
};

struct mt_pcapng_queue {
	struct rte_ring *ring; /* single producer, the queue's owner; single consumer, the thread */
	/* What became of frames that were in the ring. Writer: the thread. */
	struct mt_output_queue written;
	/* Frames that were lost, by VNI. Writers: the queue's owner; the thread. Reader: the
	 * thread.*/
	struct mt_vni_counts *lost_before; /* they came into the ring */
	struct mt_vni_counts *lost_after;
};

/* Of one interface, in the file that is being written. */
struct mt_pcapng_interface_counts {
	uint64_t dropped;
	uint64_t written;
};

struct mt_pcapng_writer {
	/* For the workers: enum mt_output_drop of frames that can't be taken now, or
	 * MT_PCAPNG_TAKING. Writer: the thread. */
	_Atomic int refuse;
	_Atomic bool stop; /* writer: control */
	uint16_t queues_count;
	struct mt_pcapng_queue *queues;

	/* What control is told. */
	pthread_mutex_t lock;
	bool failed;
	char error[MT_OUTPUT_MAX_ERROR];

	/* The thread's own. */
	struct mt_capture_ring ring;
	struct mt_capture_file file;
	uint64_t rotate_bytes;
	uint64_t rotate_ns; /* 0: not by time */
	uint32_t snap;
	bool (*describe)(void *context, uint32_t vni, struct mt_output_session *session);
	void *describe_context;
	bool recovered;    /* what killed processes left was seen to */
	uint64_t tried_ns; /* these are monotonic */
	uint64_t flushed_ns;
	uint64_t statistics_ns;
	uint64_t begun_ns;        /* the file's first frame came */
	struct mt_vni_table vnis; /* of the file: a VNI's number is its interface's id */
	uint32_t described;       /* interfaces of the file */
	struct mt_pcapng_interface_counts interfaces[MT_VNI_NUMBERS];
	pthread_t thread;
	bool running;
};

/* Opens the first file, or says in `failed` and `error` why it can't yet, and starts the thread.
 * All but the thread's state is set up. Returns 0 or -errno. */
int mt_pcapng_writer_start(struct mt_pcapng_writer *writer);

/* Lets the thread write what is in the rings, as long as that takes no more than some seconds, and
 * end. What is left then is still in the rings. */
void mt_pcapng_writer_stop(struct mt_pcapng_writer *writer);
