/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "control/daemon.h"
#include "control/log.h"
#include "output/tap.h"
#include "policy/policy.h"

enum {
	ROUND_MS = 100, /* ended programs are waited for so often */
	ROUNDS_A_SECOND = 10,
	FIRST_OTHER_FD = 3,
};

static const char *const hook_names[] = {"on_session_seen", "on_session_idle"};

static const char *program_of(const struct mt_hooks *hooks, enum mt_hook hook)
{
	const struct mt_config_sessions *config = &hooks->daemon->config->sessions;

	return hook == MT_HOOK_SEEN ? config->on_session_seen : config->on_session_idle;
}

/* Once for each hook: what is wrong with one run is wrong with all, mostly. */
static void complain(struct mt_hooks *hooks, enum mt_hook hook, const char *program, uint32_t vni,
	const char *what, int number)
{
	if (hooks->complained[hook])
		return;
	hooks->complained[hook] = true;
	mt_log(MT_LOG_ERROR, "sessions.%s: %s %s %d, for VNI %u; later failures are not told",
		hook_names[hook], program, what, number, vni);
}

/* The interface where tools find the session: its own, or the one of all. */
static const char *interface_of(const struct mt_config *config, uint32_t vni)
{
	for (unsigned o = 0; o < config->outputs_count; o++)
		for (unsigned s = 0; s < config->outputs[o].tap_sessions_count; s++)
			if (config->outputs[o].tap_sessions[s].vni == vni)
				return config->outputs[o].tap_sessions[s].interface;
	for (unsigned o = 0; o < config->outputs_count; o++)
		if (config->outputs[o].type == MT_OUTPUT_TAP && !config->outputs[o].per_session)
			return config->outputs[o].interface;
	return "-";
}

/* Nothing of the daemon's goes with it: descriptors, blocked or ignored signals. */
static int spawn(pid_t *pid, const char *program, char *const *arguments)
{
	static char *const environment[] = {(char *)(uintptr_t) "PATH=/usr/local/sbin:/usr/local/"
								"bin:/usr/sbin:/usr/bin:/sbin:/bin",
		NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, FIRST_OTHER_FD);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes,
		POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	if (rc == 0)
		rc = posix_spawn(pid, program, &files, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* What a program is to be run with, copied: the daemon may be held only for a moment, and a file
 * system that hangs holds up who starts a program of it. */
struct errand {
	char *program;
	char *name;
	char interface[IFNAMSIZ];
};

static void free_errand(struct errand *errand)
{
	free(errand->program);
	free(errand->name);
}

/* Returns false: out of memory. `program` is NULL where the hook has none. */
static bool prepare(struct mt_hooks *hooks, enum mt_hook hook, uint32_t vni, struct errand *errand)
{
	const char *program, *name = NULL;
	bool prepared = true;

	*errand = (struct errand){0};
	mt_daemon_hold(hooks->daemon);
	program = program_of(hooks, hook);
	if (program != NULL) {
		if (hooks->daemon->policy != NULL)
			name = mt_policy_session_name(hooks->daemon->policy, vni);
		errand->program = strdup(program);
		errand->name = strdup(name != NULL ? name : "-");
		snprintf(errand->interface, sizeof(errand->interface), "%s",
			interface_of(hooks->daemon->config, vni));
		prepared = errand->program != NULL && errand->name != NULL;
	}
	mt_daemon_let_go(hooks->daemon);
	return prepared;
}

/* Takes over the errand's program, which is told of if it fails. */
static void run(struct mt_hooks *hooks, unsigned slot, enum mt_hook hook, uint32_t vni,
	struct errand *errand)
{
	char number[16];
	char *const arguments[] = {errand->program, number, errand->name, errand->interface, NULL};
	int rc;

	snprintf(number, sizeof(number), "%u", vni);
	rc = spawn(&hooks->running[slot].pid, errand->program, arguments);
	if (rc != 0) {
		hooks->running[slot].pid = 0;
		complain(hooks, hook, errand->program, vni, "cannot be run, errno", rc);
		return;
	}
	hooks->running[slot].program = errand->program;
	hooks->running[slot].vni = vni;
	hooks->running[slot].hook = hook;
	errand->program = NULL;
}

static void reap(struct mt_hooks *hooks)
{
	for (unsigned r = 0; r < MT_HOOKS_RUNNING; r++) {
		int status;

		if (hooks->running[r].pid == 0
			|| waitpid(hooks->running[r].pid, &status, WNOHANG) == 0)
			continue;
		hooks->running[r].pid = 0;
		if (WIFSIGNALED(status))
			complain(hooks, hooks->running[r].hook, hooks->running[r].program,
				hooks->running[r].vni, "was ended by signal", WTERMSIG(status));
		else if (WEXITSTATUS(status) != 0)
			complain(hooks, hooks->running[r].hook, hooks->running[r].program,
				hooks->running[r].vni, "exited with", WEXITSTATUS(status));
		free(hooks->running[r].program);
		hooks->running[r].program = NULL;
	}
}

/* False: nothing can be started now. */
static bool tell(struct mt_hooks *hooks, enum mt_hook hook, uint32_t vni)
{
	struct errand errand;
	unsigned slot = 0;
	bool told;

	while (slot < MT_HOOKS_RUNNING && hooks->running[slot].pid != 0)
		slot++;
	told = prepare(hooks, hook, vni, &errand);
	if (told && errand.program != NULL) {
		told = slot < MT_HOOKS_RUNNING && hooks->tokens > 0;
		if (told) {
			hooks->tokens--;
			run(hooks, slot, hook, vni, &errand);
		}
	}
	free_errand(&errand);
	return told;
}

/* Tells of each listed session that is not as it was last told. What cannot be told now is seen
 * again in the next second, if it is still so. */
static void look(struct mt_hooks *hooks)
{
	struct mt_session_list list;
	struct timespec time;
	uint64_t idle_ns, now_ns;
	int rc;

	mt_daemon_hold(hooks->daemon);
	idle_ns = UINT64_C(1000000000) * hooks->daemon->config->sessions.idle_seconds;
	rc = mt_sessions_list(&hooks->daemon->datapath, &hooks->sessions, &list);
	mt_daemon_let_go(hooks->daemon);
	if (rc < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &time);
	now_ns = UINT64_C(1000000000) * (uint64_t)time.tv_sec + (uint64_t)time.tv_nsec;
	/* In the order of the register. */
	for (uint32_t s = 0; s < list.count; s++) {
		const struct mt_session *session = &list.sessions[s];
		bool active = session->counts.last_ns + idle_ns > now_ns;

		if (session->counts.packets == 0 || active == hooks->told[s])
			continue;
		if (!tell(hooks, active ? MT_HOOK_SEEN : MT_HOOK_IDLE, session->vni))
			break;
		hooks->told[s] = active;
	}
	mt_sessions_free(&list);
}

static void *work(void *context)
{
	struct mt_hooks *hooks = context;

	for (unsigned round = 0; !atomic_load(&hooks->stop); round++) {
		reap(hooks);
		if (round % ROUNDS_A_SECOND == 0) {
			hooks->tokens = MT_HOOKS_A_SECOND;
			look(hooks);
		}
		nanosleep(&(struct timespec){.tv_nsec = ROUND_MS * 1000000L}, NULL);
	}
	reap(hooks);
	return NULL;
}

void mt_hooks_start(struct mt_daemon *daemon)
{
	const struct mt_config_sessions *config = &daemon->config->sessions;
	struct mt_hooks *hooks = &daemon->hooks;
	int rc;

	if (hooks->started || (config->on_session_seen == NULL && config->on_session_idle == NULL))
		return;
	hooks->daemon = daemon;
	pthread_mutex_init(&hooks->sessions.lock, NULL);
	rc = pthread_create(&hooks->thread, NULL, work, hooks);
	hooks->started = rc == 0;
	if (rc != 0)
		mt_log(MT_LOG_ERROR, "hooks: thread: %s", strerror(rc));
}

void mt_hooks_stop(struct mt_hooks *hooks)
{
	if (!hooks->started)
		return;
	atomic_store(&hooks->stop, true);
	pthread_join(hooks->thread, NULL);
	for (unsigned r = 0; r < MT_HOOKS_RUNNING; r++)
		free(hooks->running[r].program);
	hooks->started = false;
}
