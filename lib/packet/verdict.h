/* SPDX-License-Identifier: BSD-3-Clause */
/* Verdicts: what became of a packet. One list makes the enum, the names, the metric help and the
 * table in docs/verdicts.md (tests/docs.sh holds the two together).
 *
 * Names are stable: tools and dashboards read them. Adding one is a visible change. */
#pragma once

/* X(SYMBOL, "name", "meaning", "what to do when it rises") */
#define MT_VERDICTS(X)                                                                             \
	X(ACCEPTED, "accepted", "Decapsulated; goes on to the outputs.",                           \
		"Nothing: this is the job.")                                                       \
	X(HOST, "host", "Not mirror traffic; belongs to the host interface.",                      \
		"Look for other traffic to the mirror address if it is much.")                     \
	X(OUTER_MALFORMED, "outer_malformed",                                                      \
		"Outer Ethernet, IPv4, IPv6 or UDP header is cut short or contradicts itself.",    \
		"Capture on the sender's side; look for a broken path or an attack.")              \
	X(OUTER_FRAGMENT, "outer_fragment",                                                        \
		"Outer packet is an IP fragment of UDP; fragments are never reassembled nor "      \
		"delivered cut.",                                                                  \
		"Raise the MTU of the path or set the session's packet length lower.")             \
	X(UDP_BAD_LENGTH, "udp_bad_length",                                                        \
		"Outer UDP length is less than the 8 bytes of its own header (RFC 768).",          \
		"Look for a broken sender.")                                                       \
	X(VXLAN_TOO_SHORT, "vxlan_too_short",                                                      \
		"UDP payload on a VXLAN port is shorter than the 8 bytes of VXLAN (RFC 7348, 5).", \
		"Look for probes or a broken sender on the VXLAN port.")                           \
	X(VXLAN_NO_VNI, "vxlan_no_vni", "VXLAN header without the I bit (RFC 7348, 5).",           \
		"Look for a sender that speaks something else on this port.")                      \
	X(GENEVE_TOO_SHORT, "geneve_too_short",                                                    \
		"UDP payload on a GENEVE port is shorter than the 8 bytes of GENEVE (RFC 8926, "   \
		"3.4).",                                                                           \
		"Look for probes or a broken sender on the GENEVE port.")                          \
	X(GENEVE_BAD_VERSION, "geneve_bad_version", "GENEVE version is not 0 (RFC 8926, 3.4).",    \
		"Look for a sender that speaks something else on this port.")                      \
	X(GENEVE_BAD_OPTIONS, "geneve_bad_options",                                                \
		"GENEVE options reach beyond the packet or beyond their own length (RFC 8926, "    \
		"3.5).",                                                                           \
		"Look for a broken sender.")                                                       \
	X(GENEVE_CRITICAL_OPTION, "geneve_critical_option",                                        \
		"GENEVE option with the critical bit that is not known here (RFC 8926, 3.5).",     \
		"Look up the option's class; report it if it is AWS's.")                           \
	X(GENEVE_CONTROL, "geneve_control",                                                        \
		"GENEVE control packet: the O bit forbids forwarding its payload (RFC 8926, "      \
		"3.4).",                                                                           \
		"Nothing, if a load balancer probes its tunnels.")                                 \
	X(GENEVE_UNKNOWN_PROTOCOL, "geneve_unknown_protocol",                                      \
		"GENEVE protocol type is none of 0x6558, 0x0800, 0x86dd.",                         \
		"Look for a sender that tunnels something else.")                                  \
	X(INNER_TOO_SHORT, "inner_too_short",                                                      \
		"Inner frame is shorter than an Ethernet header (14 bytes), or the inner packet "  \
		"of a "                                                                            \
		"GENEVE tunnel is empty.",                                                         \
		"Raise the session's packet length; look for a broken sender.")                    \
	X(NO_HEADROOM, "no_headroom",                                                              \
		"A GENEVE tunnel's bare IP packet needs a made-up Ethernet header, and its "       \
		"buffer "                                                                          \
		"has no room in front.",                                                           \
		"Report the device: its driver splits headers and leaves no headroom.")            \
	X(SESSION_UNKNOWN, "session_unknown",                                                      \
		"No session has this VNI, and sessions.unknown is drop.",                          \
		"Add the session; or look for one that should not send here.")                     \
	X(SOURCE_NOT_ALLOWED, "source_not_allowed",                                                \
		"The session has sources, and the outer source address is none of them.",          \
		"Add the address to the session's sources; or look for an injection.")             \
	X(FILTER_REJECTED, "filter_rejected",                                                      \
		"A rule of the session's filter rejects the frame, or none matches it.",           \
		"Nothing, if it is meant so; mirrortap filter test tells which rule it was.")      \
	X(SAMPLED_OUT, "sampled_out",                                                              \
		"The session or rule keeps 1 in N flows or packets, and this is not one.",         \
		"Nothing: it is meant so. Lower sample to keep more.")                             \
	X(HOST_FULL, "host_full",                                                                  \
		"Not mirror traffic, and more of it than the host interface takes.",               \
		"Look for a flood of other traffic to the mirror address; mirror traffic is not "  \
		"touched by it.")                                                                  \
	X(QUEUE_FULL, "queue_full",                                                                \
		"The ring to the worker that owns the packet's queue was full.",                   \
		"Add queue-owning lcores, or relieve the outputs that they write to.")             \
	X(DUPLICATE, "duplicate",                                                                  \
		"The same packet was delivered within dedup.window_ms before, as another mirror "  \
		"point saw it.",                                                                   \
		"Nothing: it is meant so; docs/dedup.md says what counts as a duplicate.")         \
	X(STOPPED, "stopped",                                                                      \
		"Still in the ring of a queue when the daemon ended before it could be drained.",  \
		"Nothing: the end was forced, or a queue's owner did not come back.")

enum mt_verdict {
#define X(symbol, name, meaning, remedy) MT_VERDICT_##symbol,
	MT_VERDICTS(X)
#undef X
		MT_VERDICT_COUNT
};

/* Stable name of a verdict, e.g. "outer_fragment"; "?" for a value out of range. */
const char *mt_verdict_name(enum mt_verdict verdict);

/* One sentence on what the verdict means: metric help and documentation. */
const char *mt_verdict_meaning(enum mt_verdict verdict);

/* One sentence on what to do when it rises: documentation. */
const char *mt_verdict_remedy(enum mt_verdict verdict);

/* True for every verdict but `accepted` and `host`. */
static inline int mt_verdict_is_drop(enum mt_verdict verdict)
{
	return verdict > MT_VERDICT_HOST;
}

/* True for drops that the configuration asks for: no reason to worry. */
static inline int mt_verdict_is_wanted(enum mt_verdict verdict)
{
	return verdict == MT_VERDICT_FILTER_REJECTED || verdict == MT_VERDICT_SAMPLED_OUT
		|| verdict == MT_VERDICT_DUPLICATE;
}
