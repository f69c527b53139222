/* SPDX-License-Identifier: BSD-3-Clause */
#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_RECORD = 262144, /* libpcap's own bound for Ethernet */
};

static const uint64_t NS_PER_SECOND = 1000000000;

bool dump_pcap_open(struct dump_pcap *pcap, const char *path, char *error, size_t error_size)
{
	*pcap = (struct dump_pcap){.name = strcmp(path, "-") == 0 ? "standard output" : path};
	pcap->linear = malloc(MAX_RECORD);
	pcap->format = pcap_open_dead_with_tstamp_precision(
		DLT_EN10MB, MAX_RECORD, PCAP_TSTAMP_PRECISION_NANO);
	if (pcap->linear == NULL || pcap->format == NULL) {
		snprintf(error, error_size, "out of memory");
		dump_pcap_close(pcap);
		return false;
	}
	pcap->file = pcap_dump_open(pcap->format, path);
	if (pcap->file == NULL) {
		/* libpcap names the file. */
		snprintf(error, error_size, "%s", pcap_geterr(pcap->format));
		dump_pcap_close(pcap);
		return false;
	}
	return true;
}

bool dump_pcap_write(struct dump_pcap *pcap, const struct mirrortap_frame *frame)
{
	uint32_t length = frame->length < MAX_RECORD ? frame->length : MAX_RECORD;
	struct pcap_pkthdr header = {
		.ts.tv_sec = (time_t)(frame->time_ns / NS_PER_SECOND),
		.ts.tv_usec = (suseconds_t)(frame->time_ns % NS_PER_SECOND), /* precision: ns */
		.caplen = length,
		.len = frame->original_length > frame->length ? frame->original_length
							      : frame->length,
	};
	const void *bytes = mirrortap_frame_read(frame, 0, length, pcap->linear);

	if (bytes == NULL) {
		errno = EBADMSG; /* its length says more than the segments hold */
		return false;
	}
	pcap_dump((u_char *)pcap->file, &header, bytes);
	/* It does not say how it went. */
	return !ferror(pcap_dump_file(pcap->file));
}

bool dump_pcap_flush(struct dump_pcap *pcap)
{
	return pcap_dump_flush(pcap->file) == 0;
}

bool dump_pcap_close(struct dump_pcap *pcap)
{
	bool fine = true;

	if (pcap->file != NULL) {
		fine = dump_pcap_flush(pcap) && !ferror(pcap_dump_file(pcap->file));
		pcap_dump_close(pcap->file);
	}
	if (pcap->format != NULL)
		pcap_close(pcap->format);
	free(pcap->linear);
	*pcap = (struct dump_pcap){0};
	return fine;
}
