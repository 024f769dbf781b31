/*
 * Domains as libxl makes, tells of and destroys them: entries in the state
 * folder and nodes in xenstore, in libxl's order and with libxl's content as
 * far as a console needs it.
 */
#ifndef STANDIN_DOMAIN_H
#define STANDIN_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct xs_handle;

/* libxl.h: names have no limit there; a bound keeps this simple. */
#define DOMAIN_NAME_MAX 64
#define DOMAIN_UUID_LEN 36

struct domain_config {
	char name[DOMAIN_NAME_MAX + 1];
	char uuid[DOMAIN_UUID_LEN + 1];
	bool hvm_serial; /* hvm, with serial="pty" */
	bool control;	 /* its kernel acts on control/shutdown */
};

/* The port of the console's event channel, in every domain. */
#define DOMAIN_CONSOLE_PORT 2

/* Operations on domains are serialised per host. Nested calls: no. */
void domains_lock(void);
void domains_unlock(void);

/* The rest wants the lock held, except where it says so. */

/* A free domid, used for the first time on this host. */
uint32_t domain_allocate(void);
/* Nodes up to @introduceDomain. False, with a message, on failure. */
bool domain_build(
    struct xs_handle *xs, uint32_t domid, const struct domain_config *config);
/* console/0, which xenconsoled then serves. */
bool domain_add_console(struct xs_handle *xs, uint32_t domid);
/* Waits for xenconsoled, bounded; without the lock. */
bool domain_wait_tty(struct xs_handle *xs, uint32_t domid);
/* The serial port and the device model serving it. */
bool domain_add_serial(
    struct xs_handle *xs, uint32_t domid, const char *tty, pid_t device_model);
/* xs may be NULL (xenstored is dead): then no nodes are removed. */
void domain_destroy(struct xs_handle *xs, uint32_t domid);
bool domain_rename(struct xs_handle *xs, uint32_t domid, const char *name);

/* Changes flags, and fires VIRQ_DOM_EXC as Xen's domain_shutdown does. */
void domain_set_flags(uint32_t domid, unsigned int flags);

/* 0 when there is none. A number is taken as a domid if it exists. */
uint32_t domain_find(const char *name_or_domid);
/* Reads D/leaf; NULL when it is not there; the caller frees. No lock. */
char *domain_read(struct xs_handle *xs, uint32_t domid, const char *leaf);
/* Writes and watches one, as the guest's kernel does. No lock. */
bool domain_write(
    struct xs_handle *xs, uint32_t domid, const char *leaf, const char *value);
bool domain_watch(struct xs_handle *xs, uint32_t domid, const char *leaf);

/* The guest's process, 0 when it has ended. Valid under the lock only. */
pid_t domain_pid(uint32_t domid);
void domain_set_pid(uint32_t domid, pid_t pid);

#endif
