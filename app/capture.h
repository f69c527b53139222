/* SPDX-License-Identifier: BSD-3-Clause */
/* `mirrortap capture`: frames of the running daemon as pcapng. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct capture_options {
	const char *filter;  /* NULL: all frames */
	const char *session; /* NULL: all */
	const char *vni;     /* a number; NULL: all */
	const char *count;   /* a number; NULL: until it is ended */
	const char *snap;    /* a number; NULL: whole frames */
	const char *output;  /* "-": standard output */
	bool check;          /* the filter only */
	bool quiet;
};

/* Returns -1 to go on, or the exit status after it has said on standard error what is wrong. */
int capture_parse(int argc, char **argv, struct capture_options *options);

/* One line on standard error. */
void capture_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
