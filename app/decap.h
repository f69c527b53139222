/* SPDX-License-Identifier: BSD-3-Clause */
/* `mirrortap decap`: mirror traffic out of a capture file, with the daemon's packet code. */
#pragma once

/* Runs the subcommand; argv[0] is "decap". Needs no EAL, root, ports or hugepages. Returns the exit
 * status: 0, 1 for failure, 2 for usage. */
int decap_main(int argc, char **argv);
