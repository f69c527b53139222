/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a live capture as pcapng, in a buffer from which they are sent. For one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/live.h"
#include "output/pcapng_session.h"
#include "output/vni_table.h"

struct mt_live_stream {
	/* Set by the caller, who also frees `buffer`. */
	struct mt_live *live;
	uint64_t limit; /* frames at most; 0: no limit */
	uint32_t snap;  /* as the interfaces are said to have */
	bool (*describe)(void *context, uint32_t vni, struct mt_output_session *session);
	void *describe_context;

	/* What is to be sent: buffer[sent..used]. */
	uint8_t *buffer;
	size_t used;
	size_t sent;

	/* Writer: the thread. Readers: control, HTTP. */
	uint64_t frames;
	uint64_t bytes;

	struct mt_vni_table vnis; /* a VNI's number is its interface's id */
	uint32_t described;
	uint32_t statistics_next; /* interface whose statistics are to be put next */
	bool statistics_due;
	uint64_t start_ns;      /* of day */
	uint64_t statistics_ns; /* when they were last put; monotonic */
	struct {
		uint64_t dropped;
		uint64_t written;
	} interfaces[MT_VNI_NUMBERS];
};

/* Begins with the section; all else is zero. Returns 0 or -ENOMEM. */
int mt_live_stream_begin(struct mt_live_stream *stream);

/* Makes blocks of what the workers have copied, the oldest of all queues first, as far as there is
 * room, and of what was lost, each second. Does nothing behind the last frame of the limit. */
void mt_live_stream_fill(struct mt_live_stream *stream);

/* Are there all frames that it may have? */
static inline bool mt_live_stream_is_full(const struct mt_live_stream *stream)
{
	return stream->limit != 0 && stream->frames >= stream->limit;
}

/* The end: what is left of frames, and statistics of all interfaces, once no worker copies any
 * more. Returns false if there is more to put: send, and call it again. */
bool mt_live_stream_finish(struct mt_live_stream *stream);

/* `count` more bytes of the buffer were sent. */
static inline void mt_live_stream_advance(struct mt_live_stream *stream, size_t count)
{
	stream->sent += count;
	if (stream->sent == stream->used)
		stream->sent = stream->used = 0;
}
