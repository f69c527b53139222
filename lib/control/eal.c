/* SPDX-License-Identifier: BSD-3-Clause */
#define ALLOW_EXPERIMENTAL_API /* rte_vect_*_max_simd_bitwidth, until DPDK 23.11 */
#include "control/eal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_vect.h>

#include "control/devices.h"
#include "control/log.h"
#include "datapath/decapsulate_simd.h"
#include "output/interrupt_guard.h"

enum {
	MAX_ARGUMENTS = 128,
	NO_HUGE_EXTRA_MIB = 64, /* for what EAL and drivers take besides the plan */
};

#define EAL_FOLDER "/var/run/dpdk" /* of root, without $RUNTIME_DIRECTORY */

struct arguments {
	char *list[MAX_ARGUMENTS + 1];
	int count;
};

static void __attribute__((format(printf, 2, 3)))
add(struct arguments *arguments, const char *format, ...)
{
	va_list args;

	if (arguments->count >= MAX_ARGUMENTS)
		return;
	va_start(args, format);
	if (vasprintf(&arguments->list[arguments->count], format, args) >= 0)
		arguments->count++;
	va_end(args);
}

/* The value of `--NAME=VALUE` or `--NAME VALUE` among the user's arguments; "" for one without a
 * value; NULL if it is not there. */
static const char *find_argument(const struct mt_config *config, const char *name)
{
	size_t length = strlen(name);

	for (unsigned i = 0; i < config->dataplane.eal_count; i++) {
		const char *argument = config->dataplane.eal[i];

		if (strncmp(argument, name, length) != 0)
			continue;
		if (argument[length] == '=')
			return argument + length + 1;
		if (argument[length] == '\0')
			return i + 1 < config->dataplane.eal_count ? config->dataplane.eal[i + 1]
								   : "";
	}
	return NULL;
}

/* PCI is scanned for the devices that are named and for no others. */
static void add_pci(struct arguments *arguments, const struct mt_config *config)
{
	unsigned found = 0;

	for (unsigned i = 0; i < config->ports_count; i++) {
		if (mt_device_is_pci(config->ports[i].device)) {
			add(arguments, "--allow=%s", config->ports[i].device);
			found++;
		}
	}
	for (unsigned i = 0; i < config->outputs_count; i++) {
		if (config->outputs[i].device != NULL
			&& mt_device_is_pci(config->outputs[i].device)) {
			add(arguments, "--allow=%s", config->outputs[i].device);
			found++;
		}
	}
	if (found == 0 && find_argument(config, "--no-pci") == NULL)
		add(arguments, "--no-pci");
}

static void make_arguments(const struct mt_config *config, const struct mt_plan *plan,
	struct mt_eal *eal, struct arguments *arguments)
{
	const char *prefix = find_argument(config, "--file-prefix");

	eal->no_huge = find_argument(config, "--no-huge") != NULL;
	eal->own_prefix = !eal->no_huge && find_argument(config, "--in-memory") == NULL
		&& find_argument(config, "--no-shconf") == NULL;
	snprintf(eal->file_prefix, sizeof(eal->file_prefix), "%s",
		prefix != NULL ? prefix : "mirrortap");
	add(arguments, "mirrortapd");
	add(arguments, "--lcores=%s", config->dataplane.lcores);
	add(arguments, "--main-lcore=%u", plan->control_lcore);
	add(arguments, "--proc-type=primary");
	if (find_argument(config, "--log-level") == NULL) {
		add(arguments, "--log-level=warning");
		/* It warns at each start that no one uses its old protocol. */
		add(arguments, "--log-level=lib.telemetry:error");
	}
	if (prefix == NULL)
		add(arguments, "--file-prefix=%s", eal->file_prefix);
	add_pci(arguments, config);
	if (eal->no_huge && find_argument(config, "-m") == NULL) {
		/* Twice, because no buffer may cross a page then: one of 2.4 KB takes a page of
		 * 4 KiB. What is not used is not taken from the system. */
		add(arguments, "-m");
		add(arguments, "%llu",
			2 * (unsigned long long)(plan->total_bytes >> 20) + NO_HUGE_EXTRA_MIB);
	}
	for (unsigned i = 0; i < config->dataplane.eal_count; i++)
		add(arguments, "%s", config->dataplane.eal[i]);
}

static unsigned long free_hugepages(void)
{
	static const char root[] = "/sys/kernel/mm/hugepages";
	DIR *dir = opendir(root);
	unsigned long sum = 0;
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char path[512];
		unsigned long n = 0;
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s/free_hugepages", root, entry->d_name);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		if (fscanf(file, "%lu", &n) == 1)
			sum += n;
		fclose(file);
	}
	if (dir != NULL)
		closedir(dir);
	return sum;
}

/* Calls `visit` for each place where hugetlbfs is mounted. Returns their number. */
static unsigned each_hugetlbfs(
	void (*visit)(const char *folder, const struct mt_eal *eal), const struct mt_eal *eal)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent *mount;
	unsigned count = 0;

	if (mounts == NULL)
		return 0;
	while ((mount = getmntent(mounts)) != NULL) {
		if (strcmp(mount->mnt_type, "hugetlbfs") != 0)
			continue;
		count++;
		if (visit != NULL)
			visit(mount->mnt_dir, eal);
	}
	endmntent(mounts);
	return count;
}

/* The process that runs as primary under this prefix, by its lock on EAL's configuration (EAL's own
 * way to know, eal_config_create). 0: none; locks of our own do not count. */
static pid_t running_primary(const char *file_prefix)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[160];
	int fd;

	snprintf(path, sizeof(path), EAL_FOLDER "/%s/config", file_prefix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	/* To close it gives up our own lock: so this is not for one that has started EAL. */
	if (fcntl(fd, F_GETLK, &lock) < 0)
		lock.l_type = F_UNLCK;
	close(fd);
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static int check_hugepages(
	const struct mt_eal *eal, const struct mt_plan *plan, char *error, size_t error_size)
{
	unsigned long long pages = (plan->total_bytes >> 21) + 32;

	if (free_hugepages() == 0) {
		snprintf(error, error_size,
			"no free hugepages; reserve some: echo %llu > "
			"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, or set "
			"dataplane.eal: [\"--no-huge\"] to do without",
			pages);
		return -ENOMEM;
	}
	if (each_hugetlbfs(NULL, eal) == 0) {
		snprintf(error, error_size,
			"hugetlbfs is not mounted; mount it: mount -t hugetlbfs "
			"none /dev/hugepages");
		return -ENOENT;
	}
	return 0;
}

/* What EAL would say in many lines, or not at all. */
static int check_machine(const struct mt_config *config, const struct mt_plan *plan,
	const struct mt_eal *eal, char *error, size_t error_size)
{
	pid_t other;
	int rc;

	if (geteuid() != 0) {
		snprintf(error, error_size,
			"not root: hugepages and devices need it; run with sudo "
			"or as the systemd service");
		return -EPERM;
	}
	other = running_primary(eal->file_prefix);
	if (other != 0) {
		snprintf(error, error_size,
			"process %d runs with --file-prefix=%s already; end it, or give this one "
			"another prefix: dataplane.eal: [\"--file-prefix=NAME\"]",
			other, eal->file_prefix);
		return -EBUSY;
	}
	rc = mt_devices_check(config, MT_SYSFS, error, error_size);
	if (rc == 0 && !eal->no_huge)
		rc = check_hugepages(eal, plan, error, error_size);
	return rc;
}

/* EAL's explanation of its arguments is a page long and goes to standard output, which is for the
 * final ledger. */
static int init_quietly(int count, char **list)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int out = dup(STDOUT_FILENO);
	int rc;

	fflush(stdout);
	if (null >= 0 && out >= 0)
		dup2(null, STDOUT_FILENO);
	rc = rte_eal_init(count, list);
	fflush(stdout);
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		close(out);
	}
	if (null >= 0)
		close(null);
	return rc;
}

static void explain_failure(const struct mt_config *config, const struct mt_eal *eal, int rc,
	char *error, size_t error_size)
{
	char list[192] = "";
	size_t used = 0;

	for (unsigned i = 0; i < config->dataplane.eal_count && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
			i == 0 ? "" : " ", config->dataplane.eal[i]);
	if (rc == -EINVAL && used > 0)
		snprintf(error, error_size,
			"DPDK refuses its arguments, the lines above say which; correct "
			"dataplane.eal: %s",
			list);
	else
		snprintf(error, error_size,
			"DPDK did not start (%s), the lines above say where; does another process "
			"run with --file-prefix=%s, or are the arguments in dataplane.eal wrong?",
			rte_strerror(-rc), eal->file_prefix);
}

/* Runs EAL's start-up. It leaves its files where it fails in the middle. */
static int init(const struct mt_config *config, struct mt_eal *eal, struct arguments *arguments,
	char *error, size_t error_size)
{
	char *copy[MAX_ARGUMENTS + 1];
	int rc;

	/* Standard output is for the final ledger. EAL permutes the list it is given. */
	rte_openlog_stream(stderr);
	/* Under systemd EAL would keep its files there, where consumers don't look. */
	unsetenv("RUNTIME_DIRECTORY");
	memcpy(copy, arguments->list, sizeof(copy));
	rc = init_quietly(arguments->count, copy);
	if (rc >= 0)
		rc = 0;
	else
		rc = rte_errno != 0 ? -rte_errno : -EBUSY; /* EAL does not always say */
	snprintf(eal->runtime_dir, sizeof(eal->runtime_dir), "%s", rte_eal_get_runtime_dir());
	if (rc < 0) {
		explain_failure(config, eal, rc, error, error_size);
		if (running_primary(eal->file_prefix) == 0)
			mt_eal_remove_files(eal);
	}
	return rc;
}

int mt_eal_start(const struct mt_config *config, const struct mt_plan *plan, struct mt_eal *eal,
	char *error, size_t error_size)
{
	struct arguments arguments = {0};
	int rc;

	make_arguments(config, plan, eal, &arguments);
	rc = check_machine(config, plan, eal, error, error_size);
	if (rc == 0)
		rc = init(config, eal, &arguments, error, error_size);
	for (int i = 0; i < arguments.count; i++)
		free(arguments.list[i]);
	if (rc == 0 && eal->no_huge)
		mt_log(MT_LOG_WARNING, "running without hugepages: slower");
	return rc;
}

/* Removes the plain files of `folder` whose names begin with `prefix`. */
static void remove_files(const char *folder, const char *prefix)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0
			&& strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
}

static void remove_hugepage_files(const char *folder, const struct mt_eal *eal)
{
	char prefix[96];

	snprintf(prefix, sizeof(prefix), "%smap_", eal->file_prefix);
	remove_files(folder, prefix);
}

void mt_eal_remove_files(const struct mt_eal *eal)
{
	if (!eal->no_huge)
		each_hugetlbfs(remove_hugepage_files, eal);
	if (eal->runtime_dir[0] != '\0') {
		remove_files(eal->runtime_dir, "");
		rmdir(eal->runtime_dir);
	}
}

void mt_eal_stop(struct mt_eal *eal)
{
	mt_interrupts_end();
	rte_eal_cleanup();
	mt_eal_remove_files(eal);
}

uint16_t mt_eal_simd_bits(void)
{
	/* EAL's own default is 256, and drivers go by it too: so it is raised only where wider
	 * vectors pay. Refused where the option was given, which wins. */
	if (mt_decapsulate_simd_bits() >= RTE_VECT_SIMD_512)
		rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512);
	return rte_vect_get_max_simd_bitwidth();
}
