/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include <rte_mbuf_core.h>

#include "packet/decapsulate.h"
#include "packet/inner.h"

enum {
	MAX_BYTES = 1 << 30, /* all of it is held in memory */
};

struct reader {
	struct gen_capture *capture;
	struct mt_tunnels tunnels;
	uint32_t frames_room;
	uint32_t bytes_used;
	uint32_t bytes_room;
};

static struct rte_mbuf one_segment(const uint8_t *bytes, uint32_t length)
{
	return (struct rte_mbuf){.buf_addr = (void *)(uintptr_t)bytes,
		.data_len = (uint16_t)length,
		.pkt_len = length,
		.nb_segs = 1};
}

/* Makes `array` long enough for `needed` things of `size` bytes. */
static bool grow(void **array, uint32_t *room, uint32_t needed, size_t size)
{
	uint32_t more = *room != 0 ? *room : 4096;
	void *grown;

	if (needed <= *room)
		return true;
	while (more < needed)
		more *= 2;
	grown = realloc(*array, more * size);
	if (grown == NULL)
		return false;
	*array = grown;
	*room = more;
	return true;
}

/* Room for one more frame of `length` bytes, or NULL. */
static uint8_t *append(struct reader *reader, uint32_t length)
{
	struct gen_capture *capture = reader->capture;
	struct gen_captured *frame;

	if (reader->bytes_used > MAX_BYTES - length
		|| !grow((void **)&capture->bytes, &reader->bytes_room, reader->bytes_used + length,
			1)
		|| !grow((void **)&capture->frames, &reader->frames_room, capture->count + 1,
			sizeof(*capture->frames)))
		return NULL;
	frame = &capture->frames[capture->count++];
	*frame = (struct gen_captured){.offset = reader->bytes_used, .length = (uint16_t)length};
	reader->bytes_used += length;
	if (length > capture->longest)
		capture->longest = length;
	return capture->bytes + frame->offset;
}

/* Which conversation, and which of its two ways. */
static void classify(struct reader *reader)
{
	struct gen_captured *frame = &reader->capture->frames[reader->capture->count - 1];
	const uint8_t *bytes = reader->capture->bytes + frame->offset;
	struct rte_mbuf mbuf = one_segment(bytes, frame->length);
	struct mt_facts facts = {.inner_length = frame->length, .original_length = frame->length};

	mt_inner_read(&mbuf, &reader->tunnels.hash, &facts);
	frame->flow_hash = facts.flow_hash;
	frame->ingress = memcmp(bytes, bytes + 6, 6) > 0;
}

static bool take(struct reader *reader, const uint8_t *bytes, uint32_t length)
{
	uint8_t header[MT_ETHERNET_LENGTH];
	uint32_t made_up = 0;
	struct mt_facts facts;
	struct rte_mbuf mbuf;
	uint8_t *to;

	if (length > UINT16_MAX) {
		reader->capture->skipped++;
		return true;
	}
	mbuf = one_segment(bytes, length);
	mt_packet_decapsulate(&mbuf, &reader->tunnels, &facts);
	if (facts.verdict == MT_VERDICT_ACCEPTED) {
		if (facts.made_up_ethertype != 0) {
			mt_packet_make_up_ethernet(header, facts.made_up_ethertype);
			made_up = sizeof(header);
		}
		bytes += facts.strip;
		length = facts.inner_length;
	}
	if (length < GEN_MIN_INNER || length > GEN_MAX_INNER) {
		reader->capture->skipped++;
		return true;
	}
	to = append(reader, length);
	if (to == NULL)
		return false;
	memcpy(to, header, made_up);
	memcpy(to + made_up, bytes, length - made_up);
	classify(reader);
	return true;
}

static bool take_all(
	struct reader *reader, pcap_t *pcap, const char *path, char error[GEN_ERROR_SIZE])
{
	struct pcap_pkthdr *record;
	const uint8_t *bytes;
	int result;

	if (pcap_datalink(pcap) != DLT_EN10MB) {
		snprintf(error, GEN_ERROR_SIZE,
			"%s: link type %d, only Ethernet (1) can be read; capture on one Ethernet "
			"interface, not -i any",
			path, pcap_datalink(pcap));
		return false;
	}
	while ((result = pcap_next_ex(pcap, &record, &bytes)) == 1) {
		if (!take(reader, bytes, record->caplen)) {
			snprintf(error, GEN_ERROR_SIZE,
				"%s: too long for memory; cut it, e.g. by editcap -r", path);
			return false;
		}
	}
	if (result == PCAP_ERROR) {
		snprintf(error, GEN_ERROR_SIZE, "%s: %s", path, pcap_geterr(pcap));
		return false;
	}
	if (reader->capture->count == 0)
		snprintf(error, GEN_ERROR_SIZE, "%s: no frame of %d to %d bytes in it", path,
			GEN_MIN_INNER, GEN_MAX_INNER);
	return reader->capture->count != 0;
}

bool gen_capture_read(struct gen_capture *capture, const char *path, const struct gen_ends *ends,
	char error[GEN_ERROR_SIZE])
{
	struct reader reader = {.capture = capture};
	char reason[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = pcap_open_offline(path, reason);
	bool fine;

	*capture = (struct gen_capture){0};
	if (pcap == NULL) {
		/* libpcap names the file where it could not be opened, and only there. */
		snprintf(error, GEN_ERROR_SIZE, "%s%s%s",
			strncmp(reason, path, strlen(path)) == 0 ? "" : path,
			strncmp(reason, path, strlen(path)) == 0 ? "" : ": ", reason);
		return false;
	}
	reader.tunnels = gen_tunnels(ends);
	fine = take_all(&reader, pcap, path, error);
	pcap_close(pcap);
	if (!fine)
		gen_capture_free(capture);
	return fine;
}

void gen_capture_free(struct gen_capture *capture)
{
	free(capture->frames);
	free(capture->bytes);
	*capture = (struct gen_capture){0};
}
