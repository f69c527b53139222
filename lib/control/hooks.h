/* SPDX-License-Identifier: BSD-3-Clause */
/* Hooks: programs that are run when a session is seen, and when it is idle. A thread of their own
 * looks at the sessions' counters once a second; no worker knows of it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "control/sessions.h"

struct mt_daemon;

enum {
	MT_HOOKS_RUNNING = 8,   /* programs at a time */
	MT_HOOKS_A_SECOND = 10, /* programs started, on average and at most at once */
};

enum mt_hook { MT_HOOK_SEEN, MT_HOOK_IDLE, MT_HOOK_COUNT };

struct mt_hooks {
	struct mt_daemon *daemon;
	pthread_t thread;
	bool started;
	_Atomic bool stop;
	/* The thread's. */
	struct mt_session_register sessions;
	bool told[MT_SESSIONS_LISTED]; /* that sessions.vnis[n] is seen, and not that it is idle */
	unsigned tokens;
	struct {
		pid_t pid; /* 0: free */
		char *program;
		uint32_t vni;
		enum mt_hook hook;
	} running[MT_HOOKS_RUNNING];
	bool complained[MT_HOOK_COUNT];
};

/* Starts the thread where the configuration has a hook and it does not run yet: when the daemon
 * starts, and after each reload. All else works without, so a failure is logged. Control thread. */
void mt_hooks_start(struct mt_daemon *daemon);

/* Ends the thread; programs that still run are left to themselves. */
void mt_hooks_stop(struct mt_hooks *hooks);
