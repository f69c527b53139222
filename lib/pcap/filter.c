/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program wants of the frames; and what it can't do with them. */
#include <stdlib.h>
#include <string.h>

#include "pcap/handle.h"

MT_PCAP_EXPORT int pcap_setfilter(pcap_t *seen, struct bpf_program *program)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	struct bpf_insn *copy;
	size_t bytes;
	int rc;

	if (pcap == NULL)
		return REAL(pcap_setfilter)(seen, program);
	rc = mt_pcap_check_active(pcap);
	if (rc < 0)
		return rc;
	if (program == NULL || !bpf_validate(program->bf_insns, (int)program->bf_len))
		return mt_pcap_fail(pcap, PCAP_ERROR, "the filter is no valid BPF program");
	bytes = program->bf_len * sizeof(*copy);
	copy = malloc(bytes); /* the program may free its own */
	if (copy == NULL)
		return mt_pcap_fail(pcap, PCAP_ERROR, "out of memory");
	memcpy(copy, program->bf_insns, bytes);
	free(pcap->filter.bf_insns);
	pcap->filter = (struct bpf_program){.bf_len = program->bf_len, .bf_insns = copy};
	return 0;
}

/* As the mirrored interface saw it: to it is in, from it is out. */
MT_PCAP_EXPORT int pcap_setdirection(pcap_t *seen, pcap_direction_t direction)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);
	int rc;

	if (pcap == NULL)
		return REAL(pcap_setdirection)(seen, direction);
	rc = mt_pcap_check_active(pcap);
	if (rc < 0)
		return rc;
	if (direction != PCAP_D_INOUT && direction != PCAP_D_IN && direction != PCAP_D_OUT)
		return mt_pcap_fail(pcap, PCAP_ERROR, "%d is no direction", (int)direction);
	pcap->direction = direction;
	return 0;
}

static int refuse_to_send(struct mt_pcap *pcap)
{
	return mt_pcap_fail(pcap, PCAP_ERROR,
		"is a copy of traffic that has passed: nothing can be sent into it");
}

MT_PCAP_EXPORT int pcap_inject(pcap_t *seen, const void *bytes, size_t length)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_inject)(seen, bytes, length) : refuse_to_send(pcap);
}

MT_PCAP_EXPORT int pcap_sendpacket(pcap_t *seen, const u_char *bytes, int length)
{
	struct mt_pcap *pcap = mt_pcap_find(seen);

	return pcap == NULL ? REAL(pcap_sendpacket)(seen, bytes, length) : refuse_to_send(pcap);
}
