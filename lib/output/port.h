/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of an output of type port: port.c opens it and sends, port_life.c looks after it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>
#include <rte_ring.h>

#include "output/ethdev.h"
#include "output/ethdev_life.h"
#include "output/interrupt_guard.h"
#include "output/output.h"

enum {
	MT_PORT_MTU = 9216,
	MT_PORT_COPY_LENGTH = MT_PORT_MTU + 14 + 8 + RTE_PKTMBUF_HEADROOM,
};

/* Does the peer of a memif read each of its rings? Control only. */
struct mt_port_rings {
	uint64_t looked; /* timer cycles */
	/* Frames for each transmit queue, when that was looked at. */
	uint64_t offered[RTE_ETHDEV_QUEUE_STAT_CNTRS];
	uint16_t suspect; /* a transmit queue that it did not seem to read, plus 1; 0: none */
	bool unread;      /* nor when it was looked at again */
};

struct mt_port_queue {
	uint16_t tx_queue;
	uint16_t home;          /* the queue whose owner sends for tx_queue */
	struct rte_ring *aside; /* NULL: this queue's owner sends itself */
	/* What became of frames that were set aside. Writer: the owner of `home`. */
	struct mt_output_queue sent;
};

struct mt_port_output {
	/* No worker may touch the device. Writer: control, which then waits for the workers, and
	 * the interrupt thread, likewise. Readers: workers. */
	_Atomic bool away;
	/* memif: being set up anew. Writer: who asks for it; the interrupt thread, when done. */
	_Atomic bool renewing;
	struct mt_interrupt_user user;
	/* Between control and the interrupt thread: who changes `away`, and control's sending. */
	pthread_mutex_t lock;
	uint16_t tx_queues; /* the device's; a device that returns has as many */
	struct mt_ethdev device;
	struct rte_mempool *copies; /* NULL: the device takes chained frames, and none are tagged */
	struct mt_vni_map *vlans;   /* NULL: none are tagged */
	struct rte_mempool *idle;
	struct mt_port_queue queues[MT_OUTPUT_MAX_QUEUES];
	/* Control only. */
	char *device_string;
	struct mt_ethdev_request request; /* to start the device again with */
	struct mt_ethdev_life life;
	uint64_t looked; /* timer cycles at which what is away was last looked for */
	bool memif;      /* its peer takes the shared memory with it when it goes */
	struct mt_port_rings rings;
	bool (*synchronize)(void *context);
	void *synchronize_context;
};

/* Reads the link of a device that was opened just now. Control thread, as what follows. */
void mt_port_begin(struct mt_output *output);

/* A round of control: a device that asks to be reset, is unplugged or comes back, the link. */
void mt_port_maintain(struct mt_output *output);

/* What a device without chained frames can send goes through a copy. */
void mt_port_fit_to_copies(struct mt_port_output *port);

/* Stops the device. Nothing goes on in the interrupt thread any more. */
void mt_port_end(struct mt_output *output);
