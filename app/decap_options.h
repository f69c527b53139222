/* SPDX-License-Identifier: BSD-3-Clause */
/* Arguments of `mirrortap decap`. */
#pragma once

#include <stdbool.h>

#include "packet/facts.h"

enum {
	DECAP_EXIT_USAGE = 2,
};

struct decap_options {
	const char *input;
	const char *output;   /* NULL: none */
	const char *verdicts; /* NULL: none */
	struct mt_tunnels tunnels;
	bool json;
};

/* Reads the arguments; argv[0] is "decap". Returns -1 to go on, or the exit status. */
int decap_parse(int argc, char **argv, struct decap_options *options);

/* One line to standard error, "mirrortap decap: " in front. Printf-like; the newline is added. */
void decap_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
