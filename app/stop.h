/* SPDX-License-Identifier: BSD-3-Clause */
/* Ctrl-C and SIGTERM, for the programs that run until then. */
#pragma once

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP only set a flag; a system call that waits is interrupted.
 */
void stop_on_signals(void);

/* True once a signal came or stop_now() was called. From any thread. */
bool stop_wanted(void);

void stop_now(void);
