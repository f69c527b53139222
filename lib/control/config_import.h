/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions and filters out of what the AWS command line prints: describe-traffic-mirror-sessions,
 * describe-traffic-mirror-filters, describe-network-interfaces. Shapes:
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TrafficMirrorSession.html,
 * API_TrafficMirrorFilter.html, API_TrafficMirrorFilterRule.html, API_NetworkInterface.html. */
#pragma once

#include "control/config_policy.h"

struct mt_config_import;

/* Reads the files that sessions.import names, if it does; else *import is empty. Returns 0, or
 * -errno with the message written: where in the configuration, in which file, where in it. */
int mt_config_import_open(
	struct mt_config_lines *lines, struct mt_config *config, struct mt_config_import **import);

void mt_config_import_close(struct mt_config_import *import);

/* The most that the two functions below add. */
unsigned mt_config_import_filters_count(const struct mt_config_import *import);
unsigned mt_config_import_sessions_count(const struct mt_config_import *import);

/* Adds the filters whose id no filter of the configuration has as its name. */
int mt_config_import_filters(
	struct mt_config_import *import, struct mt_filter *filters, unsigned *count);

/* Adds the sessions of VNIs that the configuration does not list; one for each VNI. `filters` are
 * all there are. */
int mt_config_import_sessions(struct mt_config_import *import, const struct mt_filter *filters,
	unsigned filters_count, struct mt_session_spec *sessions, unsigned *count);
