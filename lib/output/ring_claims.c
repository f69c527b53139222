/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may read a ring output: a thread that answers consumers on the output's socket, gives each
 * queue to one of them, notices when one has gone, and wakes those that sleep. Workers know of all
 * this no more than a number. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_version.h>

#include "output/monotonic.h"
#include "output/ring.h"
#include "version.h"

enum {
	MAX_SPARE = 8, /* connections besides one for each queue */
	MAX_CONNECTIONS = MT_RING_MAX_QUEUES + MAX_SPARE,
	BACKLOG = 64,
	WAKE_MS = 1,       /* how often sleepers are looked after, or consumers that begin */
	LOOK_MS = 20,      /* otherwise */
	WAKEFUL_MS = 1000, /* how long after the last sleeper */
	COUNTS_MS = 100,
	STALLED_MS = 1000,
	FAREWELL_MS = 1000,
	NO_ONE = -1,
};

/* All but `claim` of a queue and what is atomic is guarded by `lock`. */
struct mt_ring_claims {
	struct mt_output *output;
	pthread_t thread;
	pthread_mutex_t lock;
	_Atomic bool stop;
	_Atomic uint64_t refused;
	int stop_fd;
	int listen_fd;
	int names_fd; /* mt_ring_names */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char made_folder[64];
	uint64_t counted_ms;
	uint64_t slept_ms; /* a consumer was last seen asleep */
	struct connection {
		int fd; /* NO_ONE: free */
		bool starting;
		bool started;
		uint64_t queues;
		pid_t pid;
		uid_t uid;
		char program[MT_RING_MAX_PROGRAM + 1];
	} connections[MAX_CONNECTIONS];
	struct seat {
		int owner; /* connection, or NO_ONE */
		int wake_fd;
		uint32_t last_claim;
		uint64_t polls;
		uint64_t polled_ms; /* when `polls` was seen to change */
		bool asleep;
	} seats[MT_RING_MAX_QUEUES];
};

static struct mt_ring_queue *queue_of(const struct mt_ring_claims *claims, unsigned queue)
{
	const struct mt_ring_output *ring = claims->output->private;

	return &ring->queues[queue];
}

/* --- answers --- */

static void make_welcome(const struct mt_ring_claims *claims, struct mt_ring_welcome *welcome)
{
	*welcome = (struct mt_ring_welcome){
		.magic = MT_RING_MAGIC,
		.abi = MT_RING_ABI,
		.queues_count = claims->output->queues,
		.mode = queue_of(claims, 0)->copy ? MT_RING_COPY : MT_RING_ZERO_COPY,
	};
	snprintf(welcome->dpdk_version, sizeof(welcome->dpdk_version), "%s", rte_version());
	snprintf(welcome->version, sizeof(welcome->version), "%s", MT_VERSION);
	mt_ring_mbuf_layout(welcome->mbuf_layout);
}

/* Never waits: a consumer that does not read its answers gets none. */
static bool answer(const struct connection *connection, const void *bytes, size_t length,
	const int *descriptors, unsigned count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(2 * MT_RING_MAX_QUEUES * sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (count > 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	return sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length;
}

__attribute__((format(printf, 4, 5))) static void refuse(struct mt_ring_claims *claims,
	const struct connection *connection, int status, const char *format, ...)
{
	struct mt_ring_welcome welcome;
	va_list arguments;

	make_welcome(claims, &welcome);
	welcome.status = status;
	va_start(arguments, format);
	vsnprintf(welcome.reason, sizeof(welcome.reason), format, arguments);
	va_end(arguments);
	atomic_fetch_add_explicit(&claims->refused, 1, memory_order_relaxed);
	answer(connection, &welcome, sizeof(welcome), NULL, 0);
}

/* --- queues are given and taken --- */

static void leave(struct mt_ring_claims *claims, int index)
{
	struct connection *connection = &claims->connections[index];

	for (unsigned q = 0; q < claims->output->queues; q++) {
		struct seat *seat = &claims->seats[q];

		if (seat->owner != index)
			continue;
		/* The worker takes back what the consumer held. */
		atomic_store_explicit(
			&queue_of(claims, q)->claim, seat->last_claim << 1, memory_order_release);
		close(seat->wake_fd);
		seat->wake_fd = -1;
		seat->owner = NO_ONE;
	}
	close(connection->fd);
	*connection = (struct connection){.fd = NO_ONE};
}

/* Which queues a consumer can have. Returns 0 when it was told why it can have none. */
static uint64_t choose_queues(
	struct mt_ring_claims *claims, const struct connection *connection, int32_t wanted)
{
	const struct mt_output *output = claims->output;
	uint64_t chosen = 0;

	if (wanted < MT_RING_ANY_QUEUE || wanted >= (int32_t)output->queues) {
		refuse(claims, connection, -ENOENT, "output %s has the queues 0 to %u, no queue %d",
			output->name, output->queues - 1, wanted);
		return 0;
	}
	for (unsigned q = 0; q < output->queues; q++) {
		const struct seat *seat = &claims->seats[q];

		if (wanted >= 0 && (unsigned)wanted != q)
			continue;
		if (seat->owner == NO_ONE) {
			chosen |= UINT64_C(1) << q;
			if (wanted == MT_RING_ANY_QUEUE)
				return chosen;
		} else if (wanted != MT_RING_ANY_QUEUE) {
			refuse(claims, connection, -EBUSY,
				"queue %u of output %s is taken by process %d (%s); end it, or "
				"take another queue",
				q, output->name, claims->connections[seat->owner].pid,
				claims->connections[seat->owner].program);
			return 0;
		}
	}
	if (chosen == 0)
		refuse(claims, connection, -EBUSY,
			"all %u queues of output %s are taken; raise dataplane.queues, or end one "
			"of their consumers",
			output->queues, output->name);
	return chosen;
}

static void claim(struct mt_ring_claims *claims, int index, const struct mt_ring_hello *hello)
{
	struct connection *connection = &claims->connections[index];
	int descriptors[2 * MT_RING_MAX_QUEUES];
	struct mt_ring_welcome welcome;
	unsigned count = 0;
	uint64_t chosen;

	memcpy(connection->program, hello->program, sizeof(connection->program));
	connection->program[MT_RING_MAX_PROGRAM] = '\0';
	for (char *c = connection->program; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	chosen = choose_queues(claims, connection, hello->queue);
	if (chosen == 0)
		return;
	for (unsigned q = 0; q < claims->output->queues; q++) {
		struct seat *seat = &claims->seats[q];

		if ((chosen >> q & 1) == 0)
			continue;
		/* The one before may have left anything there. */
		memcpy(queue_of(claims, q)->area, queue_of(claims, q)->header,
			MT_RING_HEADER_BYTES);
		seat->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		seat->owner = index;
		seat->asleep = false;
		seat->polled_ms = mt_monotonic_ms();
		connection->queues |= UINT64_C(1) << q;
		descriptors[count++] = queue_of(claims, q)->memory_fd;
		descriptors[count++] = seat->wake_fd;
	}
	make_welcome(claims, &welcome);
	welcome.queues = chosen;
	if (welcome.mode == MT_RING_ZERO_COPY) {
		struct mt_ring_pages memory;

		mt_ring_pages_find(&memory);
		welcome.memory_from = memory.from;
		welcome.memory_to = memory.to;
		welcome.memory_parts = memory.failed ? 0 : memory.count;
		free(memory.parts);
	}
	if (!answer(connection, &welcome, sizeof(welcome), descriptors, count))
		leave(claims, index); /* an eventfd could not be had, or it is gone already */
}

/* Opened anew, since EAL's own descriptors allow writing. */
static void give_memory(const struct mt_ring_claims *claims, const struct connection *connection,
	const struct mt_ring_hello *hello)
{
	struct mt_ring_memory answered = {.magic = MT_RING_MAGIC, .abi = MT_RING_ABI};
	int descriptors[MT_RING_PARTS];
	struct mt_ring_pages memory;

	(void)claims;
	mt_ring_pages_find(&memory);
	for (uint32_t p = (uint32_t)hello->queue;
		p < memory.count && answered.count < MT_RING_PARTS && !memory.failed; p++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", memory.parts[p].fd);
		descriptors[answered.count] = open(path, O_RDONLY | O_CLOEXEC);
		if (descriptors[answered.count] < 0)
			break; /* fewer than were promised: the consumer says so */
		answered.parts[answered.count++] = memory.parts[p].place;
	}
	answer(connection, &answered, sizeof(answered), descriptors, answered.count);
	for (unsigned d = 0; d < answered.count; d++)
		close(descriptors[d]);
	free(memory.parts);
}

static void give_names(const struct mt_ring_claims *claims, const struct connection *connection)
{
	struct mt_ring_welcome welcome;

	make_welcome(claims, &welcome);
	answer(connection, &welcome, sizeof(welcome), &claims->names_fd, 1);
}

/* Its queues are the consumer's when the workers have all back from the one before. */
static bool try_start(struct mt_ring_claims *claims, int index)
{
	struct connection *connection = &claims->connections[index];
	struct mt_ring_welcome welcome;

	for (unsigned q = 0; q < claims->output->queues; q++) {
		if (claims->seats[q].owner == index
			&& atomic_load_explicit(&queue_of(claims, q)->settled, memory_order_acquire)
				!= claims->seats[q].last_claim)
			return false;
	}
	for (unsigned q = 0; q < claims->output->queues; q++) {
		struct seat *seat = &claims->seats[q];
		struct mt_ring_queue *queue = queue_of(claims, q);

		if (seat->owner != index)
			continue;
		atomic_store(&queue->area->processed, 0);
		atomic_store(&queue->area->sleeping, 0);
		seat->last_claim++;
		atomic_store_explicit(
			&queue->claim, seat->last_claim << 1 | 1, memory_order_release);
	}
	connection->starting = false;
	connection->started = true;
	make_welcome(claims, &welcome);
	welcome.queues = connection->queues;
	if (!answer(connection, &welcome, sizeof(welcome), NULL, 0))
		leave(claims, index);
	return true;
}

/* --- the socket --- */

static void hear(struct mt_ring_claims *claims, int index)
{
	struct connection *connection = &claims->connections[index];
	struct mt_ring_hello hello = {0};
	ssize_t length = recv(connection->fd, &hello, sizeof(hello), MSG_DONTWAIT);

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0) {
		leave(claims, index);
		return;
	}
	if (length < (ssize_t)offsetof(struct mt_ring_hello, request)
		|| hello.magic != MT_RING_MAGIC) {
		leave(claims, index);
		return;
	}
	if (hello.abi != MT_RING_ABI || length != sizeof(hello))
		refuse(claims, connection, -EPROTO,
			"the consumer library speaks version %u of the ring's interface, the "
			"daemon version %u: install both from one build, then restart the older "
			"one",
			hello.abi, MT_RING_ABI);
	else if (hello.request == MT_RING_CLAIM && connection->queues == 0)
		claim(claims, index, &hello);
	else if (hello.request == MT_RING_MEMORY && connection->queues != 0
		&& queue_of(claims, 0)->copy == false)
		give_memory(claims, connection, &hello);
	else if (hello.request == MT_RING_NAMES && connection->queues != 0)
		give_names(claims, connection);
	else if (hello.request == MT_RING_START && connection->queues != 0)
		connection->starting = !connection->started;
	else
		refuse(claims, connection, -EINVAL, "request %u is not known, or out of turn",
			hello.request);
}

static void welcome_new(struct mt_ring_claims *claims)
{
	int fd = accept4(claims->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred credentials = {0};
	socklen_t size = sizeof(credentials);

	if (fd < 0)
		return;
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
	for (unsigned c = 0; c < MAX_CONNECTIONS; c++) {
		if (claims->connections[c].fd != NO_ONE)
			continue;
		claims->connections[c] = (struct connection){
			.fd = fd, .pid = credentials.pid, .uid = credentials.uid};
		return;
	}
	atomic_fetch_add_explicit(&claims->refused, 1, memory_order_relaxed);
	close(fd); /* it reads this as the end */
}

/* --- those that sleep, and counters --- */

/* `sleeping` and `taken` are the consumer's: whatever stands there, no more comes of it than a
 * write to its own eventfd each millisecond. */
static void wake_sleepers(struct mt_ring_claims *claims, uint64_t now)
{
	for (unsigned q = 0; q < claims->output->queues; q++) {
		struct seat *seat = &claims->seats[q];
		struct mt_ring_area *area = queue_of(claims, q)->area;

		if (seat->owner == NO_ONE || !claims->connections[seat->owner].started)
			continue;
		seat->asleep = atomic_load(&area->sleeping) != 0;
		if (!seat->asleep)
			continue;
		claims->slept_ms = now;
		if (atomic_load(&area->head) == atomic_load(&area->taken)
			&& atomic_load(&area->closing) == 0)
			continue;
		atomic_store(&area->sleeping, 0);
		if (eventfd_write(seat->wake_fd, 1) < 0)
			continue; /* EAGAIN: it has been told 2^64 times */
	}
}

static void show_counts(struct mt_ring_claims *claims, uint64_t now)
{
	for (unsigned q = 0; q < claims->output->queues; q++) {
		struct seat *seat = &claims->seats[q];
		struct mt_ring_queue *queue = queue_of(claims, q);
		uint64_t polls = atomic_load_explicit(&queue->area->polls, memory_order_relaxed);
		struct mt_output_counts counts;
		uint64_t in_flight;

		if (seat->owner == NO_ONE)
			continue;
		if (polls != seat->polls)
			seat->polled_ms = now;
		seat->polls = polls;
		mt_output_read(claims->output, q, &counts, &in_flight);
		atomic_store_explicit(&queue->area->offered, counts.offered, memory_order_relaxed);
		atomic_store_explicit(
			&queue->area->delivered, counts.delivered, memory_order_relaxed);
		atomic_store_explicit(&queue->area->dropped_full, counts.drops[MT_OUTPUT_DROP_FULL],
			memory_order_relaxed);
		atomic_store_explicit(&queue->area->dropped_absent,
			counts.drops[MT_OUTPUT_DROP_CONSUMER_ABSENT], memory_order_relaxed);
		atomic_store_explicit(&queue->area->high_water, mt_counter(&queue->high_water),
			memory_order_relaxed);
	}
}

/* --- the thread --- */

static int look(struct mt_ring_claims *claims)
{
	uint64_t now = mt_monotonic_ms();
	bool hurry = false;

	for (int c = 0; c < MAX_CONNECTIONS; c++)
		if (claims->connections[c].starting && !try_start(claims, c))
			hurry = true;
	wake_sleepers(claims, now);
	if (now >= claims->counted_ms + COUNTS_MS) {
		claims->counted_ms = now;
		show_counts(claims, now);
	}
	return hurry || now < claims->slept_ms + WAKEFUL_MS ? WAKE_MS : LOOK_MS;
}

static void *attend(void *opaque)
{
	struct mt_ring_claims *claims = opaque;
	struct pollfd polled[MAX_CONNECTIONS + 2];
	int wait_ms = LOOK_MS;

	polled[MAX_CONNECTIONS] = (struct pollfd){.fd = claims->listen_fd, .events = POLLIN};
	polled[MAX_CONNECTIONS + 1] = (struct pollfd){.fd = claims->stop_fd, .events = POLLIN};
	while (!atomic_load(&claims->stop)) {
		bool anyone = false;

		for (int c = 0; c < MAX_CONNECTIONS; c++) {
			polled[c] =
				(struct pollfd){.fd = claims->connections[c].fd, .events = POLLIN};
			anyone |= polled[c].fd != NO_ONE;
		}
		poll(polled, MAX_CONNECTIONS + 2, anyone ? wait_ms : -1);
		pthread_mutex_lock(&claims->lock);
		for (int c = 0; c < MAX_CONNECTIONS; c++)
			if (polled[c].fd != NO_ONE && polled[c].revents != 0)
				hear(claims, c);
		if (polled[MAX_CONNECTIONS].revents != 0)
			welcome_new(claims);
		wait_ms = look(claims);
		pthread_mutex_unlock(&claims->lock);
	}
	return NULL;
}

/* --- beginning and end --- */

static bool someone_answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool answers =
		fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;

	if (fd >= 0)
		close(fd);
	return answers;
}

/* Root alone may attach, or a group too. */
static int set_owner(struct mt_output *output, const char *path, const char *name)
{
	struct group *group = name != NULL ? getgrnam(name) : NULL;

	if (name != NULL && group == NULL) {
		snprintf(output->error, sizeof(output->error),
			"group %s is not known here; make it (groupadd), or name another one",
			name);
		return -ENOENT;
	}
	if (group != NULL && chown(path, (uid_t)-1, group->gr_gid) < 0)
		return -errno;
	return chmod(path, group != NULL ? 0660 : 0600) < 0 ? -errno : 0;
}

static int listen_on(struct mt_ring_claims *claims, const struct mt_output_settings *settings)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct mt_output *output = claims->output;
	mode_t mask;
	int rc;

	memcpy(address.sun_path, claims->path, sizeof(address.sun_path));
	if (mkdir(MT_RING_FOLDER, 0755) == 0)
		snprintf(claims->made_folder, sizeof(claims->made_folder), "%s", MT_RING_FOLDER);
	if (someone_answers(&address)) {
		snprintf(output->error, sizeof(output->error),
			"another mirrortapd answers on %s; give this one another --file-prefix in "
			"dataplane.eal",
			claims->path);
		claims->path[0] = '\0';
		return -EADDRINUSE;
	}
	unlink(claims->path);
	claims->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177); /* never, not even for a moment, open to others */
	rc = claims->listen_fd < 0
			|| bind(claims->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0
		? -errno
		: 0;
	umask(mask);
	if (rc == 0)
		rc = set_owner(output, claims->path, settings->group);
	if (rc == 0 && listen(claims->listen_fd, BACKLOG) < 0)
		rc = -errno;
	if (rc < 0 && output->error[0] == '\0')
		snprintf(output->error, sizeof(output->error), "%s: %s", claims->path,
			strerror(-rc));
	return rc;
}

static struct mt_ring_claims *make_claims(struct mt_output *output)
{
	struct mt_ring_claims *claims = calloc(1, sizeof(*claims));
	const char *folder = rte_eal_get_runtime_dir();
	const char *slash = strrchr(folder, '/');

	if (claims == NULL)
		return NULL;
	claims->output = output;
	claims->listen_fd = -1;
	claims->names_fd = -1;
	claims->stop_fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&claims->lock, NULL);
	for (unsigned c = 0; c < MAX_CONNECTIONS; c++)
		claims->connections[c].fd = NO_ONE;
	for (unsigned q = 0; q < MT_RING_MAX_QUEUES; q++)
		claims->seats[q] = (struct seat){.owner = NO_ONE, .wake_fd = -1};
	/* EAL's folder ends in the prefix. */
	mt_ring_socket_path(claims->path, sizeof(claims->path), MT_RING_FOLDER,
		slash != NULL ? slash + 1 : folder, output->name);
	return claims;
}

static void free_claims(struct mt_ring_claims *claims)
{
	for (int c = 0; c < MAX_CONNECTIONS; c++)
		if (claims->connections[c].fd != NO_ONE)
			leave(claims, c);
	if (claims->listen_fd >= 0)
		close(claims->listen_fd);
	if (claims->names_fd >= 0)
		close(claims->names_fd);
	if (claims->stop_fd >= 0)
		close(claims->stop_fd);
	if (claims->path[0] != '\0')
		unlink(claims->path);
	if (claims->made_folder[0] != '\0')
		rmdir(claims->made_folder); /* if it is empty */
	pthread_mutex_destroy(&claims->lock);
	free(claims);
}

int mt_ring_claims_start(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct mt_ring_output *ring = output->private;
	struct mt_ring_claims *claims = make_claims(output);
	int rc;

	if (claims == NULL)
		return -ENOMEM;
	rc = listen_on(claims, settings);
	/* EAL lets several such processes have one prefix. */
	if (rc == -EADDRINUSE && !settings->own_prefix) {
		free_claims(claims);
		output->error[0] = '\0';
		return 0;
	}
	if (rc == 0) {
		claims->names_fd = mt_ring_names_make(settings->sessions, settings->sessions_count);
		rc = RTE_MIN(claims->names_fd, 0);
	}
	if (rc == 0)
		rc = -rte_ctrl_thread_create(&claims->thread, "mt-ring", NULL, attend, claims);
	if (rc < 0) {
		free_claims(claims);
		return rc;
	}
	ring->claims = claims;
	return 0;
}

int mt_ring_claims_rename(
	struct mt_output *output, const struct mt_session_spec *sessions, unsigned count)
{
	struct mt_ring_claims *claims = ((struct mt_ring_output *)output->private)->claims;
	int names_fd;

	if (claims == NULL)
		return 0;
	names_fd = mt_ring_names_make(sessions, count);
	if (names_fd < 0)
		return names_fd;
	pthread_mutex_lock(&claims->lock);
	close(claims->names_fd);
	claims->names_fd = names_fd;
	pthread_mutex_unlock(&claims->lock);
	return 0;
}

static bool anyone_left(const struct mt_ring_claims *claims)
{
	for (unsigned c = 0; c < MAX_CONNECTIONS; c++)
		if (claims->connections[c].started)
			return true;
	return false;
}

void mt_ring_claims_stop(struct mt_output *output)
{
	struct mt_ring_output *ring = output->private;
	struct mt_ring_claims *claims = ring->claims;
	uint64_t end = (ring->flushed_ms != 0 ? ring->flushed_ms : mt_monotonic_ms()) + FAREWELL_MS;
	bool left = false;

	if (claims == NULL)
		return;
	/* A consumer that still reads when the frames' memory goes would have to be waited for
	 * there. */
	while (!left && mt_monotonic_ms() < end) {
		pthread_mutex_lock(&claims->lock);
		left = !anyone_left(claims);
		pthread_mutex_unlock(&claims->lock);
		if (!left)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	atomic_store(&claims->stop, true);
	eventfd_write(claims->stop_fd, 1);
	pthread_join(claims->thread, NULL);
	ring->claims = NULL;
	free_claims(claims);
}

/* --- what others see --- */

static const char *state_of(
	const struct connection *connection, const struct seat *seat, uint64_t age_ms)
{
	if (!connection->started)
		return "attaching";
	if (seat->asleep)
		return "asleep";
	return age_ms > STALLED_MS ? "stalled" : "reading";
}

void mt_ring_claims_status(struct mt_output *output, uint16_t queue, struct mt_ring_status *status)
{
	struct mt_ring_output *ring = output->private;
	struct mt_ring_claims *claims = ring->claims;
	const struct seat *seat = &claims->seats[queue];

	pthread_mutex_lock(&claims->lock);
	status->attaches = seat->last_claim;
	if (seat->owner != NO_ONE) {
		const struct connection *connection = &claims->connections[seat->owner];
		uint64_t now = mt_monotonic_ms();

		status->attached = connection->started;
		status->heartbeat_age_ms = now > seat->polled_ms ? now - seat->polled_ms : 0;
		status->state = state_of(connection, seat, status->heartbeat_age_ms);
		status->pid = connection->pid;
		status->uid = connection->uid;
		memcpy(status->program, connection->program, sizeof(status->program));
	}
	pthread_mutex_unlock(&claims->lock);
}

uint64_t mt_ring_claims_refused(const struct mt_ring_claims *claims)
{
	return atomic_load_explicit(&claims->refused, memory_order_relaxed);
}
