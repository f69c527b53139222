/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving from a ring output of mirrortapd, with libmirrortap-consumer. */
#include <errno.h>
#include <stdio.h>

#include "consumer/mirrortap_consumer.h"
#include "dump.h"
#include "gen_receive.h"

enum {
	BURST = 64,
	WAIT_MS = 10, /* without a frame, before it is looked at whether to go on */
	MAX_FRAME = UINT16_MAX,
};

struct ring_reader {
	struct gen_receiver *receiver;
	struct mirrortap_consumer *consumer;
	uint8_t linear[MAX_FRAME]; /* where chained frames are put together */
};

/* A frame as an mbuf of one segment, which is what marks are looked for in. */
static struct rte_mbuf wrap(struct ring_reader *reader, const struct mirrortap_frame *frame)
{
	uint32_t length = RTE_MIN(frame->length, (uint32_t)MAX_FRAME);
	const void *data = mirrortap_frame_read(frame, 0, length, reader->linear);

	if (data == NULL) {
		data = frame->data;
		length = RTE_MIN(frame->contiguous, (uint32_t)MAX_FRAME);
	}
	return (struct rte_mbuf){
		.buf_addr = (void *)(uintptr_t)data,
		.data_len = (uint16_t)length,
		.pkt_len = length,
		.nb_segs = 1,
	};
}

/* A burst of one queue. Returns how many frames there were, or -ESHUTDOWN. */
static int read_queue(struct ring_reader *reader, struct mirrortap_queue *queue)
{
	struct mirrortap_frame frames[BURST];
	int count = mirrortap_receive(queue, frames, BURST);
	uint64_t time_ns;

	if (count <= 0)
		return count;
	time_ns = gen_realtime_ns();
	for (int i = 0; i < count; i++) {
		struct rte_mbuf mbuf = wrap(reader, &frames[i]);

		gen_receiver_take(reader->receiver, &mbuf, time_ns);
	}
	mirrortap_release(queue, (unsigned)count);
	return count;
}

/* Until the receiver has enough, or the daemon ends. */
static void read_frames(struct ring_reader *reader)
{
	unsigned queues = mirrortap_queues(reader->consumer);

	while (gen_receiver_goes_on(reader->receiver)) {
		unsigned ended = 0;
		int sum = 0;

		for (unsigned q = 0; q < queues; q++) {
			int count = read_queue(reader, mirrortap_queue(reader->consumer, q));

			ended += count < 0;
			sum += RTE_MAX(count, 0);
		}
		/* What another queue still holds is taken before the end is told. */
		if (sum == 0 && ended > 0) {
			reader->receiver->cut_off = true;
			return;
		}
		if (sum == 0)
			mirrortap_wait_any(reader->consumer, WAIT_MS);
	}
}

static bool attach(struct ring_reader *reader)
{
	const struct gen_options *options = reader->receiver->options;
	struct mirrortap_options wanted = {
		.output = options->output, .queue = MIRRORTAP_ALL_QUEUES};
	struct dump_daemon daemon;
	char error[GEN_ERROR_SIZE];

	if (!dump_daemon_ask(&daemon, options->socket_path, options->output, options->file_prefix,
		    error, sizeof(error))) {
		gen_complain("%s", error);
		return false;
	}
	wanted.file_prefix = daemon.file_prefix;
	if (mirrortap_attach(&wanted, &reader->consumer, error, sizeof(error)) < 0) {
		gen_complain("%s", error);
		return false;
	}
	return true;
}

bool gen_receive_ring(struct gen_receiver *receiver)
{
	struct ring_reader reader = {.receiver = receiver};
	unsigned queues;

	if (!attach(&reader))
		return false;
	queues = mirrortap_queues(reader.consumer);
	if (!receiver->options->quiet)
		fprintf(stderr, "mirrorgen: reading %u queue%s of output %s\n", queues,
			queues == 1 ? "" : "s", receiver->options->output);
	gen_progress_start(&receiver->progress, "received", receiver->options->quiet);
	read_frames(&reader);
	mirrortap_detach(reader.consumer);
	return true;
}
