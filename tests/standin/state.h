/*
 * The state folder of the stand-in hypervisor ($STANDIN_DIR), which the
 * preloaded library, the guests and the toolstack share:
 *
 *   domains/<domid>           which domains exist; the file holds flags
 *   gnt/<domid>.<ref>         one page of guest memory, 4096 bytes
 *   evtchn/<domid>.<port>     a guest's end of an event channel
 *   evtchn/<domid>.<port>.0   dom0's end of the same channel
 *   evtchn/virq<n>            dom0's end of a virtual interrupt
 *   guests/<domid>            process id of the guest (toolstack only)
 *   names/<domid>             what it is called (toolstack only)
 *   lock, next-domid          toolstack only
 *
 * An event channel carries no data: an end is a datagram socket, and "a
 * datagram is queued" means "pending".
 */
#ifndef STANDIN_STATE_H
#define STANDIN_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

/* What an AF_UNIX address can hold; paths in the state folder fit into it. */
#define STATE_PATH_MAX	sizeof(((struct sockaddr_un *)0)->sun_path)
#define STATE_PAGE_SIZE 4096

/* The references libxl reserves; grant_table.h: GNTTAB_RESERVED_*. */
#define STATE_GRANT_CONSOLE  0
#define STATE_GRANT_XENSTORE 1

/* xen.h: VIRQ_DOM_EXC, "a domain shut down, crashed or is gone". */
#define STATE_VIRQ_DOM_EXC 3

/* The flags of a domain, in the file as the letters below. */
enum state_flag {
	STATE_DYING = 1,    /* d */
	STATE_SHUTDOWN = 2, /* s */
	STATE_CRASHED = 4,  /* c */
	STATE_HVM = 8,	    /* h */
	STATE_PAUSED = 16,  /* p */
};

/* Domids end here; xen.h: DOMID_FIRST_RESERVED. */
#define STATE_DOMID_LIMIT 0x7FF0U

/* Makes the path of something in the state folder; aborts if it is too long. */
void state_path(char path[STATE_PATH_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Is there such a domain? Then *flags tells of it. */
bool state_domain_read(uint32_t domid, unsigned int *flags);
/* Adds the domain, or changes its flags, in one step. */
int state_domain_write(uint32_t domid, unsigned int flags);
/* One above the highest domid ever used. */
uint32_t state_domid_end(void);

/* Maps a guest's page shared, making it (zeroed) if need be. NULL: errno. */
void *state_page_map(uint32_t domid, unsigned long ref, int protection);

/* Binds an end of a channel, in place of an older one. -1: errno. */
int state_port_open(const char path[STATE_PATH_MAX]);
/* Makes the end at path pending. Nobody there, or pending already: fine. */
void state_port_signal(int from, const char path[STATE_PATH_MAX]);
/* Takes what is queued: the end is no longer pending. */
void state_port_clear(int fd);

#endif
