/* SPDX-License-Identifier: BSD-3-Clause */
/* What depends on the snapshot length and the precision of times: see handle.h. */
#include <stdio.h>
#include <stdio_ext.h>
#include <sys/single_threaded.h>

#include "pcap/handle.h"

MT_PCAP_EXPORT int pcap_snapshot(pcap_t *seen)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int rc;

	if (pcap == NULL)
		return REAL(pcap_snapshot)(seen);
	rc = mt_pcap_check_active(pcap);
	return rc < 0 ? rc : pcap->snaplen;
}

MT_PCAP_EXPORT int pcap_get_tstamp_precision(pcap_t *seen)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_get_tstamp_precision)(seen) : pcap->precision;
}

/* A program of one thread need not take the file's lock twice for each frame, which is a third of
 * what tcpdump does with one. An error is asked for at the handle that the program has. */
static pcap_dumper_t *finish(struct mt_pcap *pcap, pcap_dumper_t *dumper)
{
	if (dumper == NULL)
		snprintf(
			pcap_geterr(pcap->seen), PCAP_ERRBUF_SIZE, "%s", pcap_geterr(pcap->format));
	else if (__libc_single_threaded)
		__fsetlocking(pcap_dump_file(dumper), FSETLOCKING_BYCALLER);
	return dumper;
}

MT_PCAP_EXPORT pcap_dumper_t *pcap_dump_open(pcap_t *seen, const char *path)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL)
		return REAL(pcap_dump_open)(seen, path);
	if (mt_pcap_check_active(pcap) < 0)
		return NULL;
	return finish(pcap, REAL(pcap_dump_open)(pcap->format, path));
}

MT_PCAP_EXPORT pcap_dumper_t *pcap_dump_fopen(pcap_t *seen, FILE *file)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL)
		return REAL(pcap_dump_fopen)(seen, file);
	if (mt_pcap_check_active(pcap) < 0)
		return NULL;
	return finish(pcap, REAL(pcap_dump_fopen)(pcap->format, file));
}

MT_PCAP_EXPORT pcap_dumper_t *pcap_dump_open_append(pcap_t *seen, const char *path)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	if (pcap == NULL)
		return REAL(pcap_dump_open_append)(seen, path);
	if (mt_pcap_check_active(pcap) < 0)
		return NULL;
	return finish(pcap, REAL(pcap_dump_open_append)(pcap->format, path));
}
