#define _GNU_SOURCE
#include "fcgi/spawner.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"

/* Its start takes some milliseconds, a loaded machine's some more. */
#define GREETING_MS 10000

struct spawner {
	int fd;
	pid_t pid;
	uint32_t last_id;
	unsigned max, running; /* processes of which we do not know the end */
	bool complained;
	struct event *readable;
};

int
spawner_open(const char *program)
{
	int fd = open(program, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && faccessat(fd, "", X_OK, AT_EMPTY_PATH) < 0) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -errno : fd;
}

static void
become_program(int program, int sock, unsigned max)
{
	char number[16];
	char *const argv[] = {"xenterm-screen", "-n", number, NULL};
	sigset_t none;

	snprintf(number, sizeof number, "%u", max);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(sock, STDIN_FILENO) == STDIN_FILENO)
		fexecve(program, argv, environ);
	_exit(127);
}

/* False: it is not the program that belongs to this worker. */
static bool
is_greeted(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	struct packet packet;
	bool right;

	if (poll(&pollfd, 1, GREETING_MS) != 1 || msg_receive(fd, &packet) != 1)
		return false;
	right = packet.size == sizeof packet.msg.hello &&
		packet.msg.hello.type == SPAWN_HELLO &&
		packet.msg.hello.version == SCREEN_PROTO_VERSION;
	packet_close(&packet);
	return right;
}

struct spawner *
spawner_start(int program, unsigned max)
{
	struct spawner *spawner = calloc(1, sizeof *spawner);
	int ends[2];

	if (!spawner ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		free(spawner);
		close(program);
		log_error("xenterm-screen: %s", strerror(errno));
		return NULL;
	}
	spawner->max = max;
	spawner->fd = ends[0];
	spawner->pid = fork();
	if (spawner->pid == 0)
		become_program(program, ends[1], max);
	close(ends[1]);
	close(program);
	if (spawner->pid > 0 && is_greeted(spawner->fd))
		return spawner;
	log_error("xenterm-screen does not start, or is not of this version");
	spawner_stop(spawner);
	return NULL;
}

void
spawner_stop(struct spawner *spawner)
{
	if (!spawner)
		return;
	if (spawner->readable)
		event_free(spawner->readable);
	if (spawner->fd >= 0)
		close(spawner->fd);
	/* It ends by itself, and is init's then: no call of ours may wait. */
	free(spawner);
}

static void
on_ended(void *ctx, struct packet *packet)
{
	const struct spawn_ended *msg = &packet->msg.spawn_ended;
	struct spawner *spawner = ctx;

	if (spawner->running > 0)
		spawner->running--;
	if (spawner->running <= spawner->max / 2)
		spawner->complained = false;
	if (WIFSIGNALED(msg->status))
		log_warn("screen process %u: ended by signal %d (%s)", msg->id,
		    WTERMSIG(msg->status), strsignal(WTERMSIG(msg->status)));
	else if (WEXITSTATUS(msg->status) != 0)
		log_warn("screen process %u: ended with status %d", msg->id,
		    WEXITSTATUS(msg->status));
}

static const struct msg_rule rules[] = {
    {SPAWN_ENDED, sizeof(struct spawn_ended), 0, on_ended},
};

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct spawner *spawner = arg;
	struct packet packet;
	int status = msg_receive(fd, &packet);

	(void)what;
	if (status == -EAGAIN)
		return;
	if (status == 1)
		status = msg_dispatch(
		    rules, sizeof rules / sizeof rules[0], spawner, &packet);
	else if (status == 0)
		status = -ECONNRESET;
	if (status == 0)
		return;
	log_error("xenterm-screen has ended (%s): viewers that come get raw "
		  "output until xenterm-fcgi is restarted",
	    strerror(-status));
	event_free(spawner->readable);
	spawner->readable = NULL;
	close(spawner->fd);
	spawner->fd = -1;
}

int
spawner_watch(struct spawner *spawner, struct event_base *base)
{
	spawner->readable = event_new(
	    base, spawner->fd, EV_READ | EV_PERSIST, on_readable, spawner);
	if (!spawner->readable || event_add(spawner->readable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static bool
is_full(struct spawner *spawner)
{
	bool full = spawner->running >= spawner->max;

	if (full && !spawner->complained)
		log_warn("there are %u screen processes, as many as "
			 "sessions_total and the consoles allow: others wait",
		    spawner->running);
	spawner->complained |= full;
	return full;
}

int
spawner_screen(struct spawner *spawner, int ring, int checkpoint, uint32_t *id)
{
	struct spawn_msg msg = {.type = SPAWN_START};
	int ends[2], fds[3], error;

	if (spawner->fd < 0)
		return -ENOTCONN;
	if (is_full(spawner))
		return -EAGAIN;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	msg.id = ++spawner->last_id;
	fds[0] = ends[1];
	fds[1] = ring;
	fds[2] = checkpoint;
	error = msg_send(spawner->fd, &msg, sizeof msg, fds, 3);
	close(ends[1]);
	if (error) {
		close(ends[0]);
		return error;
	}
	spawner->running++;
	*id = msg.id;
	return ends[0];
}

void
spawner_kill(struct spawner *spawner, uint32_t id)
{
	const struct spawn_msg msg = {SPAWN_KILL, id};

	if (spawner->fd >= 0)
		msg_send(spawner->fd, &msg, sizeof msg, NULL, 0);
}
