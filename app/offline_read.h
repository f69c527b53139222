/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of a capture file, pcap or pcapng. Not libpcap's reader: that one takes no pcapng file
 * whose interfaces differ in snapshot length or link type (as mergecap and dumpcap make them), none
 * whose sections differ in byte order, and cuts the records of a pcap file down to the snapshot
 * length in its header, which tools that lengthen packets leave as it was. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include <pcap/pcap.h>

struct offline_reader;

/* Reads the head of the file at `path`, "-" for standard input. NULL with one line in `error` (of
 * PCAP_ERRBUF_SIZE bytes). */
struct offline_reader *offline_reader_open(const char *path, char *error);

/* The next record, valid until the next call: 1; 0 at the end of the file; -1 with one line in
 * `error` where the file is not sound, and when a record is longer than OFFLINE_MAX_RECORD or not
 * of Ethernet. record->ts.tv_usec are nanoseconds. */
int offline_reader_next(struct offline_reader *reader, const struct pcap_pkthdr **record,
	const uint8_t **bytes, char *error);

FILE *offline_reader_file(const struct offline_reader *reader);

/* NULL is fine. */
void offline_reader_close(struct offline_reader *reader);
