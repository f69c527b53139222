/* SPDX-License-Identifier: BSD-3-Clause */
/* What `mirrortap top` shows of two samples; cmd_top.c takes them, cmd_top_tables.c prints. */
#pragma once

#include <stdio.h>

#include <jansson.h>

/* The daemon's documents, read one after the other within a moment. */
struct sample {
	double seconds; /* monotonic, when they were read */
	json_t *status;
	json_t *ports;
	json_t *queues;
	json_t *outputs;
	json_t *sessions;
	json_t *ledger;
};

/* Prints the state at `after`, with rates since `before`. */
void print_samples(const struct sample *before, const struct sample *after, FILE *stream);
