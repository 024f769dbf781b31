/* Every ceiling in the programs, with its reason. */
#ifndef XENTERM_LIMITS_H
#define XENTERM_LIMITS_H

/* A guest's name in bytes. xl sets none; longer ones are shown by uuid. */
#define LIMIT_NAME 127

/* "xenconsole (pid 4711)": who else has a console's lock. */
#define LIMIT_HOLDER 63

/* Consoles on one host. Xen hosts end at some hundred guests. */
#define LIMIT_CONSOLES 2048

/* Consoles of one kind in one guest: libxl gives a guest four serial ports. */
#define LIMIT_CONSOLES_OF_KIND 4

/* A console's ring: what xenconsoled keeps for a reader that is late. */
#define LIMIT_RING_DEFAULT (1024 * 1024)
#define LIMIT_RING_MIN	   (64 * 1024)
#define LIMIT_RING_MAX	   (64 * 1024 * 1024)

/* One read of a pty: the kernel hands out at most a page at a time. */
#define LIMIT_READ (16 * 1024)

/*
 * Reads of one pty in a row before the others have their turn.  A flooding
 * guest must not keep the keys of the others waiting, nor its own Ctrl-C: a
 * read contends for the tty with the guest that fills it, and takes up to 70 us
 * (docs/performance.md).
 */
#define LIMIT_READS_PER_TURN 4
/* Of one that is given up: it may hold 64 KiB, and a page more in its line
 * discipline. */
#define LIMIT_READS_TO_END 32

/* A reply that fits into any socket's send buffer (net.core.wmem_default has
 * been 208 KiB for long, its floor is some KiB). */
#define LIMIT_INLINE_REPLY (4 * 1024)

/* Console bytes in one answer: with its frame in a quarter of 208 KiB, so the
 * reactor writes it without help, see conn_finish(). */
#define LIMIT_OUTPUT (48 * 1024)

/* Without a snapshot so much of the ring's end is replayed. */
#define LIMIT_SNAPSHOT (64 * 1024)

/* A viewer waits so long for its snapshot: over the death of a screen process
 * that hangs, to its successor's. */
#define LIMIT_SNAPSHOT_MS (3 * LIMIT_SCREEN_SECONDS * 1000 / 2)

/* Bytes of output in a recording that is made of the ring, and lines, each of
 * which is an event: some ten milliseconds of work, whatever the guest has
 * printed. */
#define LIMIT_CAST	 (1024 * 1024)
#define LIMIT_CAST_LINES 32768

/* Bytes of one input request, and those waiting for one guest. */
#define LIMIT_INPUT	  (16 * 1024)
#define LIMIT_INPUT_QUEUE (64 * 1024)

/* The longest body any route takes, and with it a whole FastCGI request:
 * it must fit into the socket's buffer, see fcgi/server.h. */
#define LIMIT_BODY    LIMIT_INPUT
#define LIMIT_REQUEST (96 * 1024)

/* A query string, a path, a JSON string: what a URL in use can hold. */
#define LIMIT_QUERY  1024
#define LIMIT_PATH   256
#define LIMIT_STRING 256
#define LIMIT_USER   255

/* A user's groups as nginx tells them: kept with each of his sessions. */
#define LIMIT_GROUPS 1024

/* Connections from nginx: parked polls and what is under way. */
#define LIMIT_CONNS 32768

/* A FastCGI request that is not complete after so long is given up. */
#define LIMIT_REQUEST_SECONDS 10

/* A reply of which a peer has taken nothing for so many seconds is cut, as a
 * stream is.  nginx reads no faster than the browser behind it, and a socket
 * tells only when three quarters of its buffer have gone: some KiB a second. */
#define LIMIT_REPLY_SECONDS 60

/* Bytes of replies, and of streams, that wait for slow peers, all together:
 * four of the longest that there are, or the histories of 256 consoles. */
#define LIMIT_UNSENT (256 * 1024 * 1024)

/* Sessions in all, and of one user; the configuration can have less. */
#define LIMIT_SESSIONS		16384
#define LIMIT_SESSIONS_PER_USER 4096

/* Polls and streams one session may have: one, and those the network forgot. */
#define LIMIT_POLLS_PER_SESSION 4

/* Seconds a poll may wait; the shipped nginx snippet gives up at 75. */
#define LIMIT_WAIT	   60
#define LIMIT_WAIT_DEFAULT 25

/* Milliseconds after which a stream says again where it stands, whether or not
 * there was anything: for the timeouts of what lies between. */
#define LIMIT_STREAM_MS LIMIT_SNAPSHOT_MS

/* A stream of which nothing was taken for so many of these is cut. */
#define LIMIT_STREAM_STUCK 4

/* Seconds without a request until a session's user is not listed as a viewer
 * any more: a page that is there polls again at once, or after a short
 * back-off. */
#define LIMIT_ABSENT 10

/* The name an AjaxTerm page gives itself: a random number of nine digits. */
#define LIMIT_VIEWER_NAME 64

/* Milliseconds an AjaxTerm page's keys wait for their echo: it polls again
 * anyhow, but only a while later. */
#define LIMIT_AJAXTERM_ECHO 20

/* Milliseconds an input's answer may wait for its echo. */
#define LIMIT_ECHO 1000

/* Making a session waits so long for the broker to open the tty. */
#define LIMIT_OPEN_MS 3000

/* expect: steps of one call, patterns of one step, a name's and a pattern's
 * bytes, and parentheses that are told of. */
#define LIMIT_EXPECT_STEPS    64
#define LIMIT_EXPECT_PATTERNS 16
#define LIMIT_EXPECT_NAME     32
#define LIMIT_PATTERN	      1024
#define LIMIT_PATTERN_GROUPS  16

/* Steps that one call takes, some of them repeatedly; seconds of one step and
 * of all. */
#define LIMIT_EXPECT_TURNS   256
#define LIMIT_EXPECT_TIMEOUT 3600
#define LIMIT_EXPECT_SECONDS 3600
#define EXPECT_TIMEOUT	     10 /* unless a step says it */

/* Bytes of output in which a pattern is looked for, and which are told as what
 * came before it: the last ones.  With steps that are all full of it an answer
 * has LIMIT_EXPECT_ANSWER bytes of such text. */
#define LIMIT_EXPECT_WINDOW (64 * 1024)
#define LIMIT_EXPECT_ANSWER (1024 * 1024)

/* Looking for one pattern once: items tried and characters run over, some
 * milliseconds.  Ordinary patterns take a few for each character. */
#define LIMIT_PATTERN_WORK 1000000

/* The grid: what terminals of people can be, and what an emulator can hold. */
#define LIMIT_ROWS 200
#define LIMIT_COLS 400

/* The screen's memory: lines above it, their cells in bytes (those of 80
 * columns), and one block of the emulator with it. */
#define LIMIT_SCROLLBACK       2000
#define LIMIT_SCROLLBACK_BYTES (LIMIT_SCROLLBACK * 80 * 8)
#define LIMIT_SCREEN_STATE     (4 * 1024 * 1024)

/* The memfds of what a worker leaves to the next one: of a console, see
 * fcgi/console_store.h, and all sessions, see fcgi/session_store.h.  The broker
 * makes them this large, so that a worker of another version fits in too. */
#define LIMIT_CONSOLE_STORE (256 * 1024)
#define LIMIT_SESSION_STORE (64 * 1024 * 1024)

/* The memfd of a console's checkpoints, see screen/checkpoint.h. */
#define LIMIT_CHECKPOINT (4096 + 2 * LIMIT_SCREEN_STATE)

/* One rendering: 240,000 cells of the above, each with colours of its own,
 * take some 11 MiB as ANSI. */
#define LIMIT_RENDERING (16 * 1024 * 1024)

/* A screen process that has not answered after so long is replaced; twice as
 * long as the worst rendering takes on a slow machine. */
#define LIMIT_SCREEN_SECONDS 10

/* Screen processes, beside one for each session there may be (and console, if
 * those are fewer): of consoles that are looked at for a moment, or worked off
 * while nobody watches, and those that are ending. */
#define LIMIT_SCREENS_SPARE 64

/* Seconds of processor time after which a screen process is replaced. */
#define LIMIT_SCREEN_CPU 600

/* Renderings that may wait for one console: its viewers, each once. */
#define LIMIT_RENDERINGS LIMIT_SESSIONS_PER_USER

/* The terminal's answers are dropped while so much waits for the guest: one
 * that asks without reading shall not fill the queue of who types. */
#define LIMIT_REPLIES (4 * 1024)

/* Viewers named in one event; the count is always complete. */
#define LIMIT_VIEWERS_LISTED 100

/* A launch ticket's text: a JWT with names as long as they may be. */
#define LIMIT_TICKET 2048

/* Seconds a ticket may live: from a panel's answer to the browser's call. */
#define LIMIT_TICKET_SECONDS 300

/* Seconds a panel's clock may differ from ours; with NTP it is far less. */
#define LIMIT_TICKET_LEEWAY 5

/* Tickets that wait to be used, and signed ones that have been and could be
 * tried again: 50 launches a second. */
#define LIMIT_TICKETS	   4096
#define LIMIT_TICKETS_USED 16384

/* A key that signs tickets, in bytes: no shorter than what it makes. */
#define LIMIT_TICKET_KEY_MIN 32
#define LIMIT_TICKET_KEY     256

/* Descriptors that a service manager hands to a program that starts: for each
 * console those that the broker keeps, and the listening sockets. */
#define LIMIT_SERVICE_FDS (8 * LIMIT_CONSOLES + 16)

/* Seconds a message to the service manager may wait for it. */
#define LIMIT_SERVICE_SECONDS 1

/* Guests that may be asked to shut down at a time, and the seconds that one has
 * to say that it will: its kernel's answer, not the shutdown itself. */
#define LIMIT_POWER	    64
#define LIMIT_POWER_SECONDS 10

/* Rules of one kind in the configuration. */
#define LIMIT_RULES 1024

#endif
