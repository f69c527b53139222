/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/bpf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <pcap/pcap.h>

#include <rte_bpf.h>
#include <rte_errno.h>
#include <rte_malloc.h>

enum {
	SNAPLEN = 262144, /* libpcap's own bound for Ethernet */
};

struct mt_bpf {
	struct rte_bpf *program;
	uint64_t (*native)(void *frame); /* NULL: interpreted */
};

static bool compile(
	const char *expression, struct bpf_program *program, char *error, size_t error_size)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
	bool fine;

	if (pcap == NULL) {
		snprintf(error, error_size, "out of memory");
		return false;
	}
	/* No netmask: "ip broadcast" is an error then, not a guess. */
	fine = pcap_compile(pcap, program, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
	if (!fine)
		snprintf(error, error_size, "%s", pcap_geterr(pcap));
	pcap_close(pcap);
	return fine;
}

bool mt_bpf_check(const char *expression, char *error, size_t error_size)
{
	struct bpf_program program;

	if (!compile(expression, &program, error, error_size))
		return false;
	pcap_freecode(&program);
	return true;
}

static struct rte_bpf *load(const struct bpf_program *program)
{
	struct rte_bpf_prm *parameters = rte_bpf_convert(program);
	struct rte_bpf *loaded;

	if (parameters == NULL)
		return NULL;
	loaded = rte_bpf_load(parameters);
	rte_free(parameters);
	return loaded;
}

struct mt_bpf *mt_bpf_create(const char *expression, char *error, size_t error_size)
{
	struct mt_bpf *bpf = calloc(1, sizeof(*bpf));
	struct bpf_program program;
	struct rte_bpf_jit jit;

	if (bpf == NULL) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	if (!compile(expression, &program, error, error_size)) {
		free(bpf);
		return NULL;
	}
	bpf->program = load(&program);
	pcap_freecode(&program);
	if (bpf->program == NULL) {
		snprintf(error, error_size, "DPDK cannot run it: %s", rte_strerror(rte_errno));
		free(bpf);
		return NULL;
	}
	if (rte_bpf_get_jit(bpf->program, &jit) == 0)
		bpf->native = jit.func;
	return bpf;
}

void mt_bpf_destroy(struct mt_bpf *bpf)
{
	if (bpf == NULL)
		return;
	rte_bpf_destroy(bpf->program);
	free(bpf);
}

bool mt_bpf_match(const struct mt_bpf *bpf, struct rte_mbuf *frame)
{
	/* A 32-bit number of bytes to capture, by cBPF's rules; 0: no match. */
	if (bpf->native != NULL)
		return (uint32_t)bpf->native(frame) != 0;
	return (uint32_t)rte_bpf_exec(bpf->program, frame) != 0;
}
