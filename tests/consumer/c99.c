/* SPDX-License-Identifier: BSD-3-Clause */
/* A plain C99 program, without DPDK's headers or flags: it compiles, links and is told why not. */
#include <mirrortap_consumer.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	struct mirrortap_options options = {0};
	struct mirrortap_consumer *consumer;
	char error[256];
	int rc;

	options.output = "none";
	options.folder = "/nonexistent";
	rc = mirrortap_attach(&options, &consumer, error, sizeof error);
	printf("%s: %d, %s\n", mirrortap_version(), rc, error);
	return rc == -ENOENT && consumer == NULL && strstr(error, "/nonexistent") != NULL ? 0 : 1;
}
