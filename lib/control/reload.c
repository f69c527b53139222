/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/reload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "control/change.h"
#include "control/daemon.h"
#include "control/log.h"

int mt_reload_init(struct mt_reload *reload)
{
	pthread_mutex_init(&reload->asking, NULL);
	pthread_mutex_init(&reload->lock, NULL);
	pthread_cond_init(&reload->changed, NULL);
	reload->status.generation = 1;
	reload->status.applied_seconds = (uint64_t)time(NULL);
	reload->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return reload->wake_fd < 0 ? -errno : 0;
}

static void note(struct mt_daemon *daemon, bool check, struct mt_reload_answer *answer)
{
	struct mt_reload_status *status = &daemon->reload.status;

	pthread_mutex_lock(&daemon->reload.lock);
	answer->generation = status->generation;
	if (!check) {
		status->last_seconds = (uint64_t)time(NULL);
		if (answer->rc == 0) {
			status->generation++;
			status->applied++;
			status->applied_seconds = status->last_seconds;
		} else {
			status->refused++;
		}
		answer->generation = status->generation;
		status->last = *answer;
	}
	pthread_mutex_unlock(&daemon->reload.lock);
}

void mt_reload_now(struct mt_daemon *daemon, bool check, struct mt_reload_answer *answer)
{
	*answer = (struct mt_reload_answer){0};
	answer->rc = mt_change(daemon, check, answer->text, sizeof(answer->text));
	note(daemon, check, answer);
	if (check)
		return;
	if (answer->rc == 0)
		mt_log(MT_LOG_NOTICE, "reload: configuration %" PRIu64 " is in force: %s",
			answer->generation, answer->text);
	else
		mt_log(MT_LOG_ERROR, "reload refused: %s", answer->text);
}

void mt_reload_serve(struct mt_daemon *daemon)
{
	struct mt_reload *reload = &daemon->reload;
	struct mt_reload_answer answer;
	bool wanted, check;
	uint64_t times;

	if (read(reload->wake_fd, &times, sizeof(times)) != sizeof(times))
		return;
	pthread_mutex_lock(&reload->lock);
	wanted = reload->wanted;
	check = reload->check;
	pthread_mutex_unlock(&reload->lock);
	if (!wanted)
		return;
	mt_reload_now(daemon, check, &answer);
	pthread_mutex_lock(&reload->lock);
	reload->answer = answer;
	reload->wanted = false;
	pthread_cond_broadcast(&reload->changed);
	pthread_mutex_unlock(&reload->lock);
}

void mt_reload_ask(struct mt_daemon *daemon, bool check, struct mt_reload_answer *answer)
{
	struct mt_reload *reload = &daemon->reload;

	pthread_mutex_lock(&reload->asking);
	pthread_mutex_lock(&reload->lock);
	reload->check = check;
	reload->wanted = true;
	eventfd_write(reload->wake_fd, 1);
	while (reload->wanted && !reload->closed)
		pthread_cond_wait(&reload->changed, &reload->lock);
	if (reload->wanted)
		*answer = (struct mt_reload_answer){
			.rc = -ESHUTDOWN,
			.generation = reload->status.generation,
			.text = "the daemon is stopping; nothing was changed",
		};
	else
		*answer = reload->answer;
	reload->wanted = false;
	pthread_mutex_unlock(&reload->lock);
	pthread_mutex_unlock(&reload->asking);
}

void mt_reload_close(struct mt_daemon *daemon)
{
	pthread_mutex_lock(&daemon->reload.lock);
	daemon->reload.closed = true;
	pthread_cond_broadcast(&daemon->reload.changed);
	pthread_mutex_unlock(&daemon->reload.lock);
}

void mt_reload_read(struct mt_daemon *daemon, struct mt_reload_status *status)
{
	pthread_mutex_lock(&daemon->reload.lock);
	*status = daemon->reload.status;
	pthread_mutex_unlock(&daemon->reload.lock);
}

void mt_reload_free(struct mt_daemon *daemon)
{
	close(daemon->reload.wake_fd);
	pthread_cond_destroy(&daemon->reload.changed);
	pthread_mutex_destroy(&daemon->reload.lock);
	pthread_mutex_destroy(&daemon->reload.asking);
}
