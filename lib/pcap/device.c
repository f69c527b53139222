/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of devices, and which there are: each ring output has a socket in the daemon's folder. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "output/ring_area.h"
#include "pcap/handle.h"

static const char SUFFIX[] = ".ring";

bool mt_pcap_is_ours(const char *device)
{
	return device != NULL && strncmp(device, MT_PCAP_PREFIX, strlen(MT_PCAP_PREFIX)) == 0;
}

const char *mt_pcap_file_prefix(void)
{
	const char *prefix = getenv("MIRRORTAP_FILE_PREFIX");

	return prefix != NULL && prefix[0] != '\0' ? prefix : "mirrortap";
}

/* What follows the "@". */
static bool parse_queue(const char *text, int *queue)
{
	char *end;
	long number;

	if (strcmp(text, "any") == 0) {
		*queue = MIRRORTAP_ANY_QUEUE;
		return true;
	}
	number = strtol(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || number >= MT_RING_MAX_QUEUES)
		return false;
	*queue = (int)number;
	return true;
}

bool mt_pcap_parse_device(const char *name, struct mt_pcap_device *device, char *error)
{
	const char *output = name + strlen(MT_PCAP_PREFIX);
	const char *at = strrchr(output, '@');
	size_t length = at != NULL ? (size_t)(at - output) : strlen(output);

	*device = (struct mt_pcap_device){.queue = MIRRORTAP_ALL_QUEUES};
	if (length == 0 || length >= sizeof(device->output)
		|| memchr(output, '/', length) != NULL) {
		snprintf(error, PCAP_ERRBUF_SIZE,
			"%.64s: names no output; a device of Mirrortap is " MT_PCAP_PREFIX
			"OUTPUT or " MT_PCAP_PREFIX "OUTPUT@QUEUE",
			name);
		return false;
	}
	memcpy(device->output, output, length);
	if (at != NULL && !parse_queue(at + 1, &device->queue)) {
		snprintf(error, PCAP_ERRBUF_SIZE,
			"%.80s: \"%.16s\" is no queue; allowed are 0 to %d, or any (one that is "
			"free)",
			name, at + 1, MT_RING_MAX_QUEUES - 1);
		return false;
	}
	snprintf(device->name, sizeof(device->name), "%s", name);
	return true;
}

/* --- which there are --- */

/* Does a daemon listen there? One that was killed leaves its sockets behind. */
static bool is_alive(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive = false;

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		goto out;
	memcpy(address.sun_path, path, strlen(path));
	/* That this process may not read it is another matter. */
	alive = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EACCES
		|| errno == EAGAIN;
out:
	if (fd >= 0)
		close(fd);
	return alive;
}

/* PREFIX.OUTPUT.ring: the output's name, or NULL. */
static char *output_of(const char *file)
{
	const char *prefix = mt_pcap_file_prefix();
	size_t begin = strlen(prefix) + 1;
	size_t length = strlen(file);
	char path[PATH_MAX];

	if (length <= begin + strlen(SUFFIX) || strncmp(file, prefix, begin - 1) != 0
		|| file[begin - 1] != '.' || strcmp(file + length - strlen(SUFFIX), SUFFIX) != 0)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", MT_RING_FOLDER, file);
	return is_alive(path) ? strndup(file + begin, length - begin - strlen(SUFFIX)) : NULL;
}

/* Calls `found` with each output's name, which is then its own. */
static void for_each_output(void (*found)(void *opaque, char *output), void *opaque)
{
	struct dirent **files;
	int count = scandir(MT_RING_FOLDER, &files, NULL, alphasort);

	for (int f = 0; f < count; f++) {
		char *output = output_of(files[f]->d_name);

		if (output != NULL)
			found(opaque, output);
		free(files[f]);
	}
	if (count >= 0)
		free(files);
}

struct text {
	char *text;
	size_t size;
	size_t used;
};

static void add_to_text(void *opaque, char *output)
{
	struct text *text = opaque;

	if (text->used < text->size)
		text->used += (size_t)snprintf(text->text + text->used, text->size - text->used,
			"%s" MT_PCAP_PREFIX "%s", text->used != 0 ? ", " : "", output);
	free(output);
}

void mt_pcap_list_devices(char *text, size_t size)
{
	struct text list = {text, size, 0};

	snprintf(text, size, "none");
	for_each_output(add_to_text, &list);
}

/* Made as libpcap makes them, so that its pcap_freealldevs() frees them. */
static void add_to_devices(void *opaque, char *output)
{
	pcap_if_t ***end = opaque;
	pcap_if_t *device = calloc(1, sizeof(*device));

	if (device == NULL || asprintf(&device->name, MT_PCAP_PREFIX "%s", output) < 0
		|| asprintf(&device->description, "Mirrortap's ring output %s", output) < 0) {
		free(device); /* out of memory: its texts are a lesser matter */
		free(output);
		return;
	}
	device->flags = PCAP_IF_UP | PCAP_IF_RUNNING | PCAP_IF_CONNECTION_STATUS_NOT_APPLICABLE;
	**end = device;
	*end = &device->next;
	free(output);
}

MT_PCAP_EXPORT int pcap_findalldevs(pcap_if_t **devices, char *error)
{
	int rc = REAL(pcap_findalldevs)(devices, error);
	pcap_if_t **end = devices;

	if (rc < 0)
		return rc;
	/* Behind the others: programs that take the first one shall take the one they always took.
	 */
	while (*end != NULL)
		end = &(*end)->next;
	for_each_output(add_to_devices, &end);
	return rc;
}

/* Several networks are in a mirror: none is the device's. */
MT_PCAP_EXPORT int pcap_lookupnet(
	const char *device, bpf_u_int32 *network, bpf_u_int32 *mask, char *error)
{
	if (!mt_pcap_is_ours(device))
		return REAL(pcap_lookupnet)(device, network, mask, error);
	*network = 0;
	*mask = 0;
	return 0;
}
