/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/http_connections.h"

#include <string.h>
#include <sys/socket.h>

#include "output/monotonic.h"

enum {
	/* At this soft limit the oldest connection makes room for a new one. */
	MAX_CONNECTIONS = 48,
	MAX_PER_ADDRESS = 32,
	REQUEST_SECONDS = 15, /* from the connection to the end of its first request */
};

static struct in6_addr address_of(const struct sockaddr *address)
{
	struct in6_addr result = IN6ADDR_ANY_INIT;

	if (address != NULL && address->sa_family == AF_INET6) {
		result = ((const struct sockaddr_in6 *)address)->sin6_addr;
	} else if (address != NULL && address->sa_family == AF_INET) {
		result.s6_addr[10] = result.s6_addr[11] = 0xff;
		memcpy(&result.s6_addr[12], &((const struct sockaddr_in *)address)->sin_addr, 4);
	}
	return result;
}

static unsigned count_open(
	const struct mt_http_connections *connections, const struct in6_addr *address)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MT_HTTP_HARD_MAX_CONNECTIONS; i++) {
		const struct mt_http_connection *c = &connections->list[i];

		count += c->used && !c->closing
			&& (address == NULL || IN6_ARE_ADDR_EQUAL(&c->address, address));
	}
	return count;
}

/* The library sees the end of the stream and cleans up. */
static void close_connection(struct mt_http_connection *connection)
{
	shutdown(connection->fd, SHUT_RDWR);
	connection->closing = true;
}

/* The oldest one of `address`; NULL: of the address that has the most. */
static void close_oldest(struct mt_http_connections *connections, const struct in6_addr *address)
{
	struct mt_http_connection *oldest = NULL;
	unsigned most = 0;

	for (unsigned i = 0; i < MT_HTTP_HARD_MAX_CONNECTIONS; i++) {
		struct mt_http_connection *c = &connections->list[i];
		unsigned same;

		if (!c->used || c->closing || c->kept
			|| (address != NULL && !IN6_ARE_ADDR_EQUAL(&c->address, address)))
			continue;
		same = address == NULL ? count_open(connections, &c->address) : 0;
		if (oldest == NULL || same > most
			|| (same == most && c->began_ms < oldest->began_ms)) {
			oldest = c;
			most = same;
		}
	}
	if (oldest != NULL)
		close_connection(oldest);
}

/* Those who let their first request drip. */
static void close_late(struct mt_http_connections *connections, uint64_t now_ms)
{
	for (unsigned i = 0; i < MT_HTTP_HARD_MAX_CONNECTIONS; i++) {
		struct mt_http_connection *c = &connections->list[i];

		if (c->used && !c->closing && !c->asked
			&& now_ms > c->began_ms + REQUEST_SECONDS * 1000)
			close_connection(c);
	}
}

/* Each new connection, before it is one. */
enum MHD_Result mt_http_connections_accept(
	void *context, const struct sockaddr *address, socklen_t length)
{
	struct mt_http_connections *connections = context;
	struct in6_addr from = address_of(address);

	(void)length;
	close_late(connections, mt_monotonic_ms());
	if (!connections->local && count_open(connections, &from) >= MAX_PER_ADDRESS)
		close_oldest(connections, &from);
	if (count_open(connections, NULL) >= MAX_CONNECTIONS) {
		mt_log_limited(&connections->told_full, MT_LOG_WARNING,
			"http: more than %d connections; the oldest are closed", MAX_CONNECTIONS);
		close_oldest(connections, NULL);
	}
	return MHD_YES;
}

static void begin_connection(struct mt_http_connections *connections,
	struct MHD_Connection *connection, void **socket_context)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *address =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	for (unsigned i = 0; fd != NULL && i < MT_HTTP_HARD_MAX_CONNECTIONS; i++) {
		struct mt_http_connection *c = &connections->list[i];

		if (c->used)
			continue;
		*c = (struct mt_http_connection){
			.used = true,
			.fd = fd->connect_fd,
			.began_ms = mt_monotonic_ms(),
			.address = address_of(address != NULL ? address->client_addr : NULL),
		};
		*socket_context = c;
		return;
	}
}

static void end_connection(struct mt_http_connection *c)
{
	c->used = false;
	if (c->held != NULL)
		c->drop(c->held);
	c->held = NULL;
}

void mt_http_connections_notify(void *context, struct MHD_Connection *connection,
	void **socket_context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		begin_connection(context, connection, socket_context);
	} else if (*socket_context != NULL) {
		end_connection(*socket_context);
		*socket_context = NULL;
	}
}

static struct mt_http_connection *find_connection(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

void mt_http_connection_asked(struct MHD_Connection *connection)
{
	struct mt_http_connection *from = find_connection(connection);

	if (from != NULL)
		from->asked = true;
}

bool mt_http_connection_hold(
	struct MHD_Connection *connection, void *held, void (*drop)(void *held))
{
	struct mt_http_connection *from = find_connection(connection);

	if (from == NULL)
		return false;
	from->kept = true;
	from->held = held;
	from->drop = drop;
	return true;
}
