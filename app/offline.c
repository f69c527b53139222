/* SPDX-License-Identifier: BSD-3-Clause */
#include "offline.h"

#include <inttypes.h>
#include <string.h>

#include <rte_common.h>

const char *offline_named(const char *path, const char *standard)
{
	return strcmp(path, "-") == 0 ? standard : path;
}

struct offline_reader *offline_open(const char *path, offline_complain *complain)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	struct offline_reader *capture = offline_reader_open(path, error);

	if (capture == NULL)
		complain("%s: %s", offline_named(path, "standard input"), error);
	return capture;
}

bool offline_take_all(struct offline_reader *capture, const char *path, offline_take *take,
	void *context, offline_complain *complain)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	const struct pcap_pkthdr *record;
	const uint8_t *bytes;
	uint64_t taken = 0;
	int result;

	while ((result = offline_reader_next(capture, &record, &bytes, error)) == 1) {
		if (!take(context, record, bytes))
			return false;
		taken++;
	}
	if (result == 0)
		return true;
	complain("%s: record %" PRIu64 ": %s; the %" PRIu64 " before it were taken",
		offline_named(path, "standard input"), taken + 1, error, taken);
	return false;
}

void offline_segments(struct rte_mbuf *segments, const uint8_t *bytes, uint32_t length)
{
	struct rte_mbuf *segment = segments;

	segments->pkt_len = length;
	for (;;) {
		segment->buf_addr = (void *)(uintptr_t)bytes;
		segment->data_off = 0;
		segment->data_len = (uint16_t)RTE_MIN(length, (uint32_t)UINT16_MAX);
		bytes += segment->data_len;
		length -= segment->data_len;
		segment->next = length != 0 ? segment + 1 : NULL;
		if (length == 0)
			return;
		segment++;
	}
}

void offline_apply_record_length(const struct pcap_pkthdr *record, struct mt_facts *facts)
{
	uint32_t made_up = facts->made_up_ethertype != 0 ? MT_ETHERNET_LENGTH : 0;

	if (record->len <= record->caplen || (facts->flags & MT_FLAG_TRUNCATED) != 0)
		return;
	if (facts->strip + facts->inner_length - made_up != record->caplen)
		return; /* only padding was cut */
	facts->original_length = record->len - facts->strip + made_up;
	facts->flags |= MT_FLAG_TRUNCATED;
}
