/* SPDX-License-Identifier: BSD-3-Clause */
/* Receiving with libpcap: from a capture file, or from a kernel interface. Times are those of the
 * records: for an interface, when the kernel got the frame. */
#include "gen_receive.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <pcap/pcap.h>

enum {
	SNAP_LENGTH = 65535,
	BUFFER_BYTES = 64 << 20,
	WAIT_MS = 10,
	BURST = 256,
};

static const uint64_t NS_PER_SECOND = 1000000000;

static void take_record(u_char *opaque, const struct pcap_pkthdr *record, const u_char *bytes)
{
	struct gen_receiver *receiver = (struct gen_receiver *)opaque;
	uint32_t length = RTE_MIN(record->caplen, (uint32_t)SNAP_LENGTH);
	struct rte_mbuf frame = {
		.buf_addr = (void *)(uintptr_t)bytes,
		.data_len = (uint16_t)length,
		.pkt_len = length,
		.nb_segs = 1,
	};

	gen_receiver_take(receiver, &frame,
		(uint64_t)record->ts.tv_sec * NS_PER_SECOND + (uint64_t)record->ts.tv_usec);
}

static pcap_t *open_file(const char *path)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);

	if (pcap == NULL)
		gen_complain("%s%s%s", strncmp(error, path, strlen(path)) == 0 ? "" : path,
			strncmp(error, path, strlen(path)) == 0 ? "" : ": ", error);
	return pcap;
}

static pcap_t *open_interface(const char *name)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = pcap_create(name, error);
	int rc;

	if (pcap == NULL) {
		gen_complain("%s: %s", name, error);
		return NULL;
	}
	pcap_set_snaplen(pcap, SNAP_LENGTH);
	pcap_set_promisc(pcap, 1);
	pcap_set_timeout(pcap, WAIT_MS);
	pcap_set_buffer_size(pcap, BUFFER_BYTES);
	pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);
	rc = pcap_activate(pcap);
	if (rc >= 0)
		rc = pcap_setnonblock(pcap, 1, error);
	if (rc < 0) {
		const char *words = pcap_geterr(pcap);

		gen_complain("%s: %s; is there such an interface, is it up, and are you root?",
			name, words[0] != '\0' ? words : pcap_statustostr(rc));
		pcap_close(pcap);
		return NULL;
	}
	return pcap;
}

/* pcap_dispatch() itself would wait for the first frame however long that takes. */
static void wait_for_frames(pcap_t *pcap)
{
	struct pollfd waited = {.fd = pcap_get_selectable_fd(pcap), .events = POLLIN};

	poll(&waited, 1, WAIT_MS);
}

bool gen_receive_pcap(struct gen_receiver *receiver)
{
	const struct gen_options *options = receiver->options;
	bool live = options->interface != NULL;
	const char *name = live ? options->interface : options->file;
	pcap_t *pcap = live ? open_interface(name) : open_file(name);
	struct pcap_stat stats;
	int count = 1;

	if (pcap == NULL)
		return false;
	if (pcap_datalink(pcap) != DLT_EN10MB) {
		gen_complain("%s: link type %d, only Ethernet (1) can be read", name,
			pcap_datalink(pcap));
		pcap_close(pcap);
		return false;
	}
	if (live && !options->quiet)
		fprintf(stderr, "mirrorgen: listening on %s\n", name);
	gen_progress_start(&receiver->progress, "received", options->quiet);
	while (gen_receiver_goes_on(receiver)) {
		count = pcap_dispatch(pcap, BURST, take_record, (u_char *)receiver);
		if (count < 0 || (count == 0 && !live))
			break;
		if (count == 0)
			wait_for_frames(pcap);
	}
	if (count == PCAP_ERROR)
		gen_complain("%s: %s", name, pcap_geterr(pcap));
	if (live && pcap_stats(pcap, &stats) == 0)
		receiver->missed = stats.ps_drop;
	pcap_close(pcap);
	return count != PCAP_ERROR;
}
