/* What the toolstack and a guest process say to each other. */
#ifndef STANDIN_GUEST_EXIT_H
#define STANDIN_GUEST_EXIT_H

#include <signal.h>

/*
 * How a guest's process, and the program in it, ends: 100 + SHUTDOWN_* (xen's
 * sched.h), out of the way of a program's ordinary exit statuses. Everything
 * else is a crash; 0 from a program is a power-off.
 */
enum {
	GUEST_POWEROFF = 100,
	GUEST_REBOOT = 101,
	GUEST_CRASH = 103,
};

/* What a real guest's kernel would read from D/control/shutdown. */
#define GUEST_SIGNAL_POWEROFF SIGTERM
#define GUEST_SIGNAL_REBOOT   SIGUSR1
#define GUEST_SIGNAL_CRASH    SIGUSR2

/*
 * With --held: the guest writes the path of its serial port and a newline
 * here, and runs once it has read one byte.
 */
#define GUEST_TALK_FD 3

#endif
