/* libxl's part in a domain's life; see domain.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#include "domain.h"
#include "state.h"

#define STORE_PORT 1
#define PATH_SIZE  256
/* libxl_create.c: LIBXL_INIT_TIMEOUT bounds the wait for the console. */
#define TTY_WAIT_MS 10000

static int lock_fd = -1;

void
domains_lock(void)
{
	char path[STATE_PATH_MAX];

	state_path(path, "lock");
	lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock_fd == -1)
		err(1, "%s", path);
	while (flock(lock_fd, LOCK_EX) == -1)
		if (errno != EINTR)
			err(1, "%s", path);
}

void
domains_unlock(void)
{
	close(lock_fd);
	lock_fd = -1;
}

/* --- The state folder -------------------------------------------------- */

static bool
write_number(const char *path, unsigned long number)
{
	FILE *f = fopen(path, "we");

	if (f == NULL)
		return false;
	fprintf(f, "%lu\n", number);
	return fclose(f) == 0;
}

static unsigned long
read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned long number = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &number) != 1)
		number = 0;
	fclose(f);
	return number;
}

uint32_t
domain_allocate(void)
{
	char path[STATE_PATH_MAX];
	uint32_t domid = state_domid_end();

	if (domid >= STATE_DOMID_LIMIT)
		errx(1, "all domids have been used");
	state_path(path, "next-domid");
	if (!write_number(path, domid + 1))
		err(1, "%s", path);
	return domid;
}

pid_t
domain_pid(uint32_t domid)
{
	char path[STATE_PATH_MAX];

	state_path(path, "guests/%u", domid);
	return (pid_t)read_number(path);
}

void
domain_set_pid(uint32_t domid, pid_t pid)
{
	char path[STATE_PATH_MAX];

	state_path(path, "guests/%u", domid);
	if (pid == 0)
		unlink(path);
	else if (!write_number(path, (unsigned long)pid))
		warn("%s", path);
}

/* Xen tells dom0 by VIRQ_DOM_EXC that it should look at its domains. */
static void
fire_virq(void)
{
	char path[STATE_PATH_MAX];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return;
	state_path(path, "evtchn/virq%d", STATE_VIRQ_DOM_EXC);
	state_port_signal(fd, path);
	close(fd);
}

void
domain_set_flags(uint32_t domid, unsigned int flags)
{
	if (state_domain_write(domid, flags) == -1)
		warn("domain %u", domid);
	fire_virq();
}

/*
 * A name's copy in the state folder: libxl asks xenstored for the name of each
 * domain whenever it makes one, and xenstored looks at all domains at each
 * request; with a thousand of them that is most of a second.
 */
static bool
note_name(uint32_t domid, const char *name)
{
	char path[STATE_PATH_MAX];
	FILE *f;

	state_path(path, "names/%u", domid);
	f = fopen(path, "we");
	if (f == NULL)
		return false;
	fputs(name, f);
	return fclose(f) == 0;
}

static bool
has_name(uint32_t domid, const char *wanted)
{
	char path[STATE_PATH_MAX], name[DOMAIN_NAME_MAX + 1];
	size_t n;
	FILE *f;

	state_path(path, "names/%u", domid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(name, 1, sizeof name - 1, f);
	fclose(f);
	name[n] = '\0';
	return strcmp(name, wanted) == 0;
}

/* --- Nodes -------------------------------------------------------------- */

/* One transaction under way; a failure is remembered until its end. */
struct writer {
	struct xs_handle *xs;
	xs_transaction_t transaction;
	bool ok;
};

/* Who owns a node, and who else may do what; libxl's names for the three. */
enum access {
	DOM0_ONLY,   /* noperm */
	GUEST_READS, /* roperm */
	GUEST_OWNS,  /* rwperm */
};

static void
set_access(
    struct writer *w, const char *path, uint32_t domid, enum access access)
{
	struct xs_permissions perms[2] = {
	    {.id = access == GUEST_OWNS ? domid : 0, .perms = XS_PERM_NONE},
	    {.id = access == GUEST_READS ? domid : 0, .perms = XS_PERM_READ},
	};
	/* A guest's own frontend is readable by the backend, dom0. */
	unsigned int n = access == DOM0_ONLY ? 1 : 2;

	if (w->ok && !xs_set_permissions(w->xs, w->transaction, path, perms, n))
		w->ok = false;
}

static void put(struct writer *w, uint32_t domid, enum access access,
    const char *value, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Writes one node; a NULL value makes an empty directory in place of it. */
static void
put(struct writer *w, uint32_t domid, enum access access, const char *value,
    const char *format, ...)
{
	char path[PATH_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(path, sizeof path, format, ap);
	va_end(ap);
	if (!w->ok)
		return;
	if (value != NULL)
		w->ok = xs_write(w->xs, w->transaction, path, value,
		    (unsigned int)strlen(value));
	else
		w->ok =
		    (xs_rm(w->xs, w->transaction, path) || errno == ENOENT) &&
		    xs_mkdir(w->xs, w->transaction, path);
	set_access(w, path, domid, access);
}

/* Runs write in a transaction, again as long as somebody else interfered. */
static bool
in_transaction(struct xs_handle *xs, uint32_t domid,
    void (*write_nodes)(struct writer *w, uint32_t domid, const void *arg),
    const void *arg)
{
	for (;;) {
		struct writer w = {.xs = xs, .ok = true};

		w.transaction = xs_transaction_start(xs);
		if (w.transaction == XBT_NULL)
			break;
		write_nodes(&w, domid, arg);
		if (!w.ok) {
			int saved = errno;

			xs_transaction_end(xs, w.transaction, true);
			errno = saved;
			break;
		}
		if (xs_transaction_end(xs, w.transaction, false))
			return true;
		if (errno != EAGAIN)
			break;
	}
	warn("domain %u: xenstore", domid);
	return false;
}

/* libxl_create.c: libxl__domain_make. */
static void
write_domain(struct writer *w, uint32_t domid, const void *arg)
{
	const struct domain_config *config = arg;
	static const char *const directories[] = {
	    "cpu",
	    "memory",
	    "device",
	    "control",
	};
	static const char *const guest_nodes[] = {
	    "control/shutdown",
	    "control/feature-poweroff",
	    "control/feature-reboot",
	    "control/feature-suspend",
	    "control/sysrq",
	    "device/suspend/event-channel",
	    "data",
	    "drivers",
	    "feature",
	    "attr",
	    "error",
	};
	char vm[PATH_SIZE];
	size_t i;

	snprintf(vm, sizeof vm, "/vm/%s", config->uuid);
	put(w, domid, GUEST_READS, NULL, "/local/domain/%u", domid);
	put(w, domid, GUEST_READS, NULL, "%s", vm);
	put(w, domid, DOM0_ONLY, NULL, "/libxl/%u", domid);
	put(w, domid, GUEST_READS, vm, "/local/domain/%u/vm", domid);
	put(w, domid, GUEST_READS, config->name, "/local/domain/%u/name",
	    domid);
	for (i = 0; i < sizeof directories / sizeof *directories; i++)
		put(w, domid, GUEST_READS, NULL, "/local/domain/%u/%s", domid,
		    directories[i]);
	for (i = 0; i < sizeof guest_nodes / sizeof *guest_nodes; i++)
		put(w, domid, GUEST_OWNS, NULL, "/local/domain/%u/%s", domid,
		    guest_nodes[i]);
	put(w, domid, GUEST_READS, config->uuid, "%s/uuid", vm);
	put(w, domid, GUEST_READS, config->name, "%s/name", vm);
	put(w, domid, DOM0_ONLY, config->hvm_serial ? "hvm" : "pv",
	    "/libxl/%u/type", domid);
}

/* libxl_dom.c: libxl__build_post; then it introduces the domain. */
static void
write_built(struct writer *w, uint32_t domid, const void *arg)
{
	const struct domain_config *config = arg;
	char text[32];

	snprintf(text, sizeof text, "%u", domid);
	put(w, domid, GUEST_READS, "262144",
	    "/local/domain/%u/memory/static-max", domid);
	put(w, domid, GUEST_READS, "262144", "/local/domain/%u/memory/target",
	    domid);
	put(w, domid, GUEST_READS, text, "/local/domain/%u/domid", domid);
	snprintf(text, sizeof text, "%d", STORE_PORT);
	put(w, domid, GUEST_READS, text, "/local/domain/%u/store/port", domid);
	snprintf(text, sizeof text, "%d", STATE_GRANT_XENSTORE);
	put(w, domid, GUEST_READS, text, "/local/domain/%u/store/ring-ref",
	    domid);
	put(w, domid, GUEST_READS, "online",
	    "/local/domain/%u/cpu/0/availability", domid);
	put(w, domid, GUEST_READS, config->hvm_serial ? "hvm" : "linux",
	    "/vm/%s/image/ostype", config->uuid);
	snprintf(text, sizeof text, "%lld.00", (long long)time(NULL));
	put(w, domid, GUEST_READS, text, "/vm/%s/start_time", config->uuid);
}

bool
domain_build(
    struct xs_handle *xs, uint32_t domid, const struct domain_config *config)
{
	/* Before the nodes: xenstored refuses owners it does not know. */
	if (state_domain_write(domid, config->hvm_serial ? STATE_HVM : 0) ==
		-1 ||
	    !note_name(domid, config->name)) {
		warn("domain %u", domid);
		return false;
	}
	if (!in_transaction(xs, domid, write_domain, config) ||
	    !in_transaction(xs, domid, write_built, config))
		return false;
	if (!xs_introduce_domain(xs, domid, STATE_GRANT_XENSTORE, STORE_PORT)) {
		warn("domain %u: introduce", domid);
		return false;
	}
	return true;
}

/*
 * libxl_console.c: libxl__device_console_add for console 0, through
 * libxl_device.c: libxl__device_generic_add. Only backend-id is the guest's.
 * ring-ref is a frame number there, never a grant reference.
 */
static void
write_console(struct writer *w, uint32_t domid, const void *arg)
{
	char backend[PATH_SIZE], frontend[PATH_SIZE], port[16], ring[32];
	const struct {
		const char *leaf, *value;
	} leaves[] = {
	    {"limit", "1048576"},
	    {"type", "xenconsoled"},
	    {"output", "pty"},
	    {"tty", ""},
	    {"port", port},
	    {"ring-ref", ring},
	};
	size_t i;

	(void)arg;
	snprintf(backend, sizeof backend,
	    "/local/domain/0/backend/console/%u/0", domid);
	snprintf(frontend, sizeof frontend, "/local/domain/%u/console", domid);
	snprintf(port, sizeof port, "%d", DOMAIN_CONSOLE_PORT);
	snprintf(ring, sizeof ring, "%u", 0x10000 + domid);

	put(w, domid, DOM0_ONLY, NULL, "/libxl/%u/device/console/0", domid);
	put(w, domid, DOM0_ONLY, frontend,
	    "/libxl/%u/device/console/0/frontend", domid);
	put(w, domid, DOM0_ONLY, backend, "/libxl/%u/device/console/0/backend",
	    domid);
	put(w, domid, GUEST_READS, NULL, "%s", frontend);
	put(w, domid, GUEST_READS, backend, "%s/backend", frontend);
	put(w, domid, GUEST_OWNS, "0", "%s/backend-id", frontend);
	for (i = 0; i < sizeof leaves / sizeof *leaves; i++)
		put(w, domid, GUEST_READS, leaves[i].value, "%s/%s", frontend,
		    leaves[i].leaf);

	put(w, domid, GUEST_READS, NULL, "%s", backend);
	put(w, domid, GUEST_READS, frontend, "%s/frontend", backend);
	snprintf(port, sizeof port, "%u", domid);
	put(w, domid, GUEST_READS, port, "%s/frontend-id", backend);
	put(w, domid, GUEST_READS, "1", "%s/online", backend);
	put(w, domid, GUEST_READS, "1", "%s/state", backend);
	put(w, domid, GUEST_READS, "vt100", "%s/protocol", backend);
}

bool
domain_add_console(struct xs_handle *xs, uint32_t domid)
{
	return in_transaction(xs, domid, write_console, NULL);
}

struct serial {
	const char *tty;
	pid_t device_model;
};

/* libxl_create.c: device_model_postconfig_chardev. */
static void
write_serial(struct writer *w, uint32_t domid, const void *arg)
{
	const struct serial *serial = arg;
	char pid[32];

	snprintf(pid, sizeof pid, "%d", (int)serial->device_model);
	put(w, domid, GUEST_READS, pid,
	    "/local/domain/%u/image/device-model-pid", domid);
	put(w, domid, GUEST_READS, serial->tty, "/local/domain/%u/serial/0/tty",
	    domid);
}

bool
domain_add_serial(
    struct xs_handle *xs, uint32_t domid, const char *tty, pid_t device_model)
{
	struct serial serial = {tty, device_model};

	return in_transaction(xs, domid, write_serial, &serial);
}

char *
domain_read(struct xs_handle *xs, uint32_t domid, const char *leaf)
{
	char path[PATH_SIZE];
	unsigned int size;

	snprintf(path, sizeof path, "/local/domain/%u/%s", domid, leaf);
	return xs_read(xs, XBT_NULL, path, &size);
}

bool
domain_write(
    struct xs_handle *xs, uint32_t domid, const char *leaf, const char *value)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "/local/domain/%u/%s", domid, leaf);
	return xs_write(xs, XBT_NULL, path, value, (unsigned int)strlen(value));
}

bool
domain_watch(struct xs_handle *xs, uint32_t domid, const char *leaf)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "/local/domain/%u/%s", domid, leaf);
	return xs_watch(xs, path, leaf);
}

static bool
has_tty(struct xs_handle *xs, uint32_t domid)
{
	char *tty = domain_read(xs, domid, "console/tty");
	bool filled = tty != NULL && tty[0] != '\0';

	free(tty);
	return filled;
}

static long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool
domain_wait_tty(struct xs_handle *xs, uint32_t domid)
{
	struct pollfd wait = {.fd = xs_fileno(xs), .events = POLLIN};
	long deadline = now_ms() + TTY_WAIT_MS;
	char path[PATH_SIZE], **event;

	snprintf(path, sizeof path, "/local/domain/%u/console/tty", domid);
	if (!xs_watch(xs, path, "tty"))
		return false;
	while (!has_tty(xs, domid)) {
		long left = deadline - now_ms();

		if (left <= 0)
			return false;
		poll(&wait, 1, (int)left);
		while ((event = xs_check_watch(xs)) != NULL)
			free(event);
	}
	xs_unwatch(xs, path, "tty");
	return true;
}

/* libxl_domain.c: libxl__domain_rename. */
bool
domain_rename(struct xs_handle *xs, uint32_t domid, const char *name)
{
	unsigned int size = (unsigned int)strlen(name);
	char path[PATH_SIZE], *vm = domain_read(xs, domid, "vm");
	bool done;

	if (vm == NULL)
		return false;
	snprintf(path, sizeof path, "%s/name", vm);
	free(vm);
	done =
	    note_name(domid, name) && xs_write(xs, XBT_NULL, path, name, size);
	snprintf(path, sizeof path, "/local/domain/%u/name", domid);
	return xs_write(xs, XBT_NULL, path, name, size) && done;
}

uint32_t
domain_find(const char *name_or_domid)
{
	uint32_t domid, last = state_domid_end();
	unsigned int flags;
	char *rest;

	domid = (uint32_t)strtoul(name_or_domid, &rest, 10);
	if (*rest == '\0' && domid > 0 && state_domain_read(domid, &flags))
		return domid;
	for (domid = 1; domid < last; domid++)
		if (has_name(domid, name_or_domid))
			return domid;
	return 0;
}

static void
remove_nodes(struct xs_handle *xs, uint32_t domid)
{
	char path[PATH_SIZE], *vm = domain_read(xs, domid, "vm");

	snprintf(
	    path, sizeof path, "/local/domain/0/backend/console/%u", domid);
	xs_rm(xs, XBT_NULL, path);
	if (vm != NULL)
		xs_rm(xs, XBT_NULL, vm);
	free(vm);
	snprintf(path, sizeof path, "/local/domain/%u", domid);
	xs_rm(xs, XBT_NULL, path);
	snprintf(path, sizeof path, "/libxl/%u", domid);
	xs_rm(xs, XBT_NULL, path);
}

static void
remove_state(uint32_t domid)
{
	static const struct {
		const char *folder, *rest;
	} files[] = {
	    {"gnt", ".0"},
	    {"gnt", ".1"},
	    {"evtchn", ".1.0"},
	    {"evtchn", ".2"},
	    {"evtchn", ".2.0"},
	    {"names", ""},
	    {"domains", ""},
	};
	char path[STATE_PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof files / sizeof *files; i++) {
		state_path(
		    path, "%s/%u%s", files[i].folder, domid, files[i].rest);
		unlink(path);
	}
}

/*
 * libxl_domain.c: devices_destroy_cb and domain_destroy_domid: the nodes go
 * first and the domain after them. Xen fires VIRQ_DOM_EXC when the domain is
 * dead and again when it is gone (domain_kill, complete_domain_destroy).
 */
void
domain_destroy(struct xs_handle *xs, uint32_t domid)
{
	unsigned int flags = 0;
	pid_t pid = domain_pid(domid);

	if (xs != NULL)
		remove_nodes(xs, domid);
	state_domain_read(domid, &flags);
	domain_set_flags(domid, flags | STATE_DYING);
	if (pid > 0)
		kill(pid, SIGKILL);
	domain_set_pid(domid, 0);
	remove_state(domid);
	fire_virq();
}
