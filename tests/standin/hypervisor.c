/*
 * Preloaded into the unmodified xenstored, oxenstored, xenconsoled and
 * xenconsole: the few calls of libxenctrl, libxenevtchn, libxengnttab and
 * libxenforeignmemory that those programs make, answered from a state folder
 * (state.h) instead of by a hypervisor. They are defined without symbol
 * versions, which satisfies the programs' versioned imports.
 *
 * It deliberately knows nothing of consoles and of xenstore: that is what the
 * real daemons are there for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "state.h"

/*
 * Built with -fvisibility=hidden: only what is declared from here on (all by
 * Xen's own headers, so that a wrong signature does not compile) is exported.
 */
#pragma GCC visibility push(default)
#define XC_WANT_COMPAT_MAP_FOREIGN_API
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
int open(const char *path, int flags, ...);
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit);
#pragma GCC visibility pop

/* Something to point at: handles that need no state of their own. */
static char handle;

/*
 * Domains. Xen answers "the first domain at or above this one" (xc_domain.c:
 * xc_domain_getinfo), and callers walk the list that way.
 */
static bool
next_domain(uint32_t first, uint32_t *domid, unsigned int *flags)
{
	uint32_t end;

	/* Mostly it is this one: xenconsoled asks at every key. */
	*domid = first;
	if (state_domain_read(first, flags))
		return true;
	end = state_domid_end();
	for (*domid = first + 1; *domid < end; ++*domid)
		if (state_domain_read(*domid, flags))
			return true;
	return false;
}

xc_interface *
xc_interface_open(xentoollog_logger *logger, xentoollog_logger *build_logger,
    unsigned int flags)
{
	(void)logger, (void)build_logger, (void)flags;
	return (xc_interface *)&handle;
}

int
xc_interface_close(xc_interface *xch)
{
	(void)xch;
	return 0;
}

int
xc_domain_getinfo(
    xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
	unsigned int flags, n;
	uint32_t domid;

	(void)xch;
	for (n = 0; n < max && next_domain(first, &domid, &flags); n++) {
		memset(&info[n], 0, sizeof info[n]);
		info[n].domid = domid;
		info[n].dying = (flags & STATE_DYING) != 0;
		info[n].shutdown = (flags & STATE_SHUTDOWN) != 0;
		info[n].crashed = (flags & STATE_CRASHED) != 0;
		info[n].hvm = (flags & STATE_HVM) != 0;
		info[n].paused = (flags & STATE_PAUSED) != 0;
		first = domid + 1;
	}
	if (n == 0) {
		errno = ESRCH;
		return -1;
	}
	return (int)n;
}

/* The same for oxenstored (xenctrl_stubs.c: stub_xc_domain_getinfo). */
int
xc_domain_getinfolist(
    xc_interface *xch, uint32_t first, unsigned int max, xc_domaininfo_t *info)
{
	unsigned int flags, n;
	uint32_t domid;

	(void)xch;
	for (n = 0; n < max && next_domain(first, &domid, &flags); n++) {
		memset(&info[n], 0, sizeof info[n]);
		info[n].domain = (domid_t)domid;
		if (flags & STATE_DYING)
			info[n].flags |= XEN_DOMINF_dying;
		if (flags & STATE_SHUTDOWN)
			info[n].flags |= XEN_DOMINF_shutdown;
		if (flags & STATE_CRASHED)
			info[n].flags |= SHUTDOWN_crash
					 << XEN_DOMINF_shutdownshift;
		if (flags & STATE_HVM)
			info[n].flags |= XEN_DOMINF_hvm_guest;
		if (flags & STATE_PAUSED)
			info[n].flags |= XEN_DOMINF_paused;
		first = domid + 1;
	}
	return (int)n;
}

/* xenconsoled --log=hv: a hypervisor that prints nothing. */
int
xc_readconsolering(xc_interface *xch, char *buffer, unsigned int *chars,
    int clear, int incremental, uint32_t *index)
{
	(void)xch, (void)buffer, (void)clear, (void)incremental, (void)index;
	*chars = 0;
	return 0;
}

/* Guest memory: the same page by grant reference and by frame number. */
xengnttab_handle *
xengnttab_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger, (void)flags;
	return (xengnttab_handle *)&handle;
}

int
xengnttab_close(xengnttab_handle *xgt)
{
	(void)xgt;
	return 0;
}

int
xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t count)
{
	(void)xgt, (void)count;
	return 0;
}

void *
xengnttab_map_grant_ref(
    xengnttab_handle *xgt, uint32_t domid, uint32_t ref, int protection)
{
	(void)xgt;
	return state_page_map(domid, ref, protection);
}

int
xengnttab_unmap(xengnttab_handle *xgt, void *start, uint32_t count)
{
	(void)xgt;
	return munmap(start, (size_t)count * STATE_PAGE_SIZE);
}

xenforeignmemory_handle *
xenforeignmemory_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger, (void)flags;
	return (xenforeignmemory_handle *)&handle;
}

int
xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
	(void)fmem;
	return 0;
}

void *
xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t domid,
    int protection, size_t pages, const xen_pfn_t frames[], int errors[])
{
	(void)fmem, (void)errors;
	if (pages != 1) {
		errno = EINVAL;
		return NULL;
	}
	return state_page_map(domid, frames[0], protection);
}

int
xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *start, size_t pages)
{
	(void)fmem;
	return munmap(start, pages * STATE_PAGE_SIZE);
}

/* How oxenstored maps a guest's xenstore page (domains.ml: create). */
void *
xc_map_foreign_range(xc_interface *xch, uint32_t domid, int size,
    int protection, unsigned long frame)
{
	(void)xch;
	if (size != STATE_PAGE_SIZE) {
		errno = EINVAL;
		return NULL;
	}
	return state_page_map(domid, frame, protection);
}

/*
 * Event channels. A handle is an epoll set of ports; EPOLLONESHOT is Xen's
 * mask bit: a port that was handed out by xenevtchn_pending stays silent
 * until xenevtchn_unmask, and what came meanwhile shows then. xenconsoled's
 * rate limit is built on that.
 */
struct port {
	struct port *next;
	evtchn_port_t number;
	int fd;
	char self[STATE_PATH_MAX];
	char peer[STATE_PATH_MAX]; /* empty for a virtual interrupt */
};

struct xenevtchn_handle {
	int epoll;
	evtchn_port_t last;
	struct port *ports;
};

xenevtchn_handle *
xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	struct xenevtchn_handle *xce = calloc(1, sizeof *xce);

	(void)logger, (void)flags;
	if (xce == NULL)
		return NULL;
	xce->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (xce->epoll == -1) {
		free(xce);
		return NULL;
	}
	return xce;
}

/* Only a live update of xenstored needs it; there is none here. */
xenevtchn_handle *
xenevtchn_fdopen(struct xentoollog_logger *logger, int fd, unsigned int flags)
{
	(void)logger, (void)fd, (void)flags;
	errno = ENOSYS;
	return NULL;
}

int
xenevtchn_fd(xenevtchn_handle *xce)
{
	return xce->epoll;
}

static struct port **
find_port(struct xenevtchn_handle *xce, evtchn_port_t number)
{
	struct port **at = &xce->ports;

	while (*at != NULL && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

static int
arm(struct xenevtchn_handle *xce, struct port *port, int operation)
{
	struct epoll_event event = {
	    .events = EPOLLIN | EPOLLONESHOT,
	    .data.ptr = port,
	};

	return epoll_ctl(xce->epoll, operation, port->fd, &event);
}

static xenevtchn_port_or_error_t
bind_port(struct xenevtchn_handle *xce, struct port *port)
{
	port->fd = state_port_open(port->self);
	if (port->fd == -1) {
		free(port);
		return -1;
	}
	if (arm(xce, port, EPOLL_CTL_ADD) == -1) {
		close(port->fd);
		free(port);
		return -1;
	}
	port->number = ++xce->last;
	port->next = xce->ports;
	xce->ports = port;
	return (xenevtchn_port_or_error_t)port->number;
}

/*
 * The new port is pending at once, because the guest may have signalled
 * before anybody listened (Xen: evtchn_bind_interdomain). So a ring that a
 * dead xenconsoled left full is drained by the next one.
 */
xenevtchn_port_or_error_t
xenevtchn_bind_interdomain(
    xenevtchn_handle *xce, uint32_t domid, evtchn_port_t remote)
{
	struct port *port = calloc(1, sizeof *port);
	xenevtchn_port_or_error_t number;

	if (port == NULL)
		return -1;
	state_path(port->peer, "evtchn/%u.%u", domid, remote);
	state_path(port->self, "evtchn/%u.%u.0", domid, remote);
	number = bind_port(xce, port);
	if (number != -1)
		state_port_signal(port->fd, port->self);
	return number;
}

xenevtchn_port_or_error_t
xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
	struct port *port = calloc(1, sizeof *port);

	if (port == NULL)
		return -1;
	state_path(port->self, "evtchn/virq%u", virq);
	return bind_port(xce, port);
}

int
xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t number)
{
	struct port *port = *find_port(xce, number);

	if (port == NULL) {
		errno = EINVAL;
		return -1;
	}
	if (port->peer[0] != '\0')
		state_port_signal(port->fd, port->peer);
	return 0;
}

xenevtchn_port_or_error_t
xenevtchn_pending(xenevtchn_handle *xce)
{
	struct epoll_event event;
	struct port *port;

	if (epoll_wait(xce->epoll, &event, 1, 0) != 1) {
		errno = EAGAIN;
		return -1;
	}
	port = event.data.ptr;
	state_port_clear(port->fd);
	return (xenevtchn_port_or_error_t)port->number;
}

int
xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t number)
{
	struct port *port = *find_port(xce, number);

	if (port == NULL) {
		errno = EINVAL;
		return -1;
	}
	return arm(xce, port, EPOLL_CTL_MOD);
}

int
xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t number)
{
	struct port **at = find_port(xce, number);
	struct port *port = *at;

	if (port == NULL) {
		errno = EINVAL;
		return -1;
	}
	*at = port->next;
	close(port->fd);
	unlink(port->self);
	free(port);
	return 0;
}

int
xenevtchn_close(xenevtchn_handle *xce)
{
	while (xce->ports != NULL)
		xenevtchn_unbind(xce, xce->ports->number);
	close(xce->epoll);
	free(xce);
	return 0;
}

/* xenconsoled asks whether its channel still stands; it always does. */
int
xc_evtchn_status(xc_interface *xch, xc_evtchn_status_t *status)
{
	(void)xch;
	status->status = EVTCHNSTAT_interdomain;
	return 0;
}

/*
 * libc. The C xenstored learns of dom0's own ring from two files of the
 * kernel's /proc/xen (xenstored_posix.c: xenbus_map, xenbus_evtchn); the
 * state folder has them. oxenstored is told by its configuration file.
 */
int
open(const char *path, int flags, ...)
{
	static const char kernel[] = "/proc/xen/";
	char ours[STATE_PATH_MAX];
	mode_t mode = 0;
	va_list ap;

	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (strncmp(path, kernel, sizeof kernel - 1) == 0) {
		state_path(ours, "%s", path + sizeof kernel - 1);
		path = ours;
	}
	return openat(AT_FDCWD, path, flags, mode);
}

/* oxenstored dies where it may not raise its limit (xenstored.ml: main). */
int
setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	prlimit(0, resource, limit, NULL);
	return 0;
}
