/* SPDX-License-Identifier: BSD-3-Clause */
#include "offline.h"

#include <string.h>

#include <rte_common.h>

const char *offline_named(const char *path, const char *standard)
{
	return strcmp(path, "-") == 0 ? standard : path;
}

pcap_t *offline_open(const char *path, offline_complain *complain)
{
	const char *name = offline_named(path, "standard input");
	char error[PCAP_ERRBUF_SIZE] = "";
	const char *type;
	pcap_t *capture =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	int link;

	if (capture == NULL) {
		/* libpcap names the file where it could not be opened, and only there. */
		if (strncmp(error, name, strlen(name)) == 0)
			complain("%s", error);
		else
			complain("%s: %s", name, error);
		return NULL;
	}
	link = pcap_datalink(capture);
	if (link == DLT_EN10MB)
		return capture;
	type = pcap_datalink_val_to_name(link);
	complain("%s: link type is %s (%d), only Ethernet (EN10MB, 1) can be read; capture on one "
		 "Ethernet interface, e.g. tcpdump -i eth0 -w FILE, not -i any",
		name, type != NULL ? type : "unknown", link);
	pcap_close(capture);
	return NULL;
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
