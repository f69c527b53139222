/* SPDX-License-Identifier: BSD-3-Clause */
/* The live page of "/": one HTML document that needs nothing but /api/v1 and /healthz. */
#pragma once

#include <stddef.h>

/* What "/" is to be served with: the page itself is inline, and talks to its own origin only. */
#define MT_PAGE_TYPE "text/html; charset=utf-8"
#define MT_PAGE_POLICY                                                                \
	"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " \
	"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "    \
	"frame-ancestors 'none'"

/* The document, `length` bytes, valid until the program ends; made at the first call, from any
 * thread. Never NULL: without memory it is the page less the meanings of verdicts. */
const char *mt_page(size_t *length);
