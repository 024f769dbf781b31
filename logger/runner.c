#define _GNU_SOURCE
#include "logger/runner.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"

struct call {
	const struct config_hook *hook;
	char body[RUNNER_BODY + 1];
};

static size_t
ignore(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * n;
}

static void
post(const struct call *call)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers =
	    curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode error = CURLE_OUT_OF_MEMORY;

	if (curl && headers) {
		curl_easy_setopt(curl, CURLOPT_URL, call->hook->url);
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)RUNNER_SECONDS);
		curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
		error = curl_easy_perform(curl);
	}
	if (error)
		log_warn(
		    "hook %s: %s", call->hook->name, curl_easy_strerror(error));
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
}

/* The command with the event on its standard input; 0 or a negative errno. */
static int
start(const struct call *call, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
						  POSIX_SPAWN_SETSIGDEF |
						  POSIX_SPAWN_SETPGROUP);
	error = posix_spawn(pid, call->hook->command[0], &files, &attributes,
	    call->hook->command, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	close(ends[0]);
	/* It fits into the pipe: nobody is waited for. */
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	if (error == 0 && write(ends[1], call->body, strlen(call->body)) < 0)
		log_warn("hook %s: does not read", call->hook->name);
	close(ends[1]);
	return -error;
}

/* SIGCHLD is blocked, and so waits until it is taken. */
static bool
ends_in_time(pid_t pid, int *status)
{
	const uint64_t end = clock_ms() + RUNNER_SECONDS * 1000;
	uint64_t now;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(pid, status, WNOHANG) == 0) {
		struct timespec left;

		now = clock_ms();
		if (now >= end)
			return false;
		left.tv_sec = (time_t)((end - now) / 1000);
		left.tv_nsec = (long)((end - now) % 1000 * 1000000);
		sigtimedwait(&child, NULL, &left);
	}
	return true;
}

static void
run(const struct call *call)
{
	pid_t pid;
	int error = start(call, &pid), status = 0;

	if (error) {
		log_warn("hook %s: %s", call->hook->name, strerror(-error));
		return;
	}
	if (!ends_in_time(pid, &status)) {
		log_warn("hook %s: takes too long", call->hook->name);
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	if (status != 0 && WIFEXITED(status))
		log_warn("hook %s: ends with status %d", call->hook->name,
		    WEXITSTATUS(status));
}

/* False: there is no more. */
static bool
read_all(int sock, void *to, size_t len)
{
	ssize_t n;

	do
		n = recv(sock, to, len, MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	return n >= 0 && (size_t)n == len;
}

static bool
is_over(int sock)
{
	struct pollfd end = {.fd = sock, .events = POLLRDHUP};

	return poll(&end, 1, 0) != 0;
}

_Noreturn void
runner_run(int sock, const struct config_hook *hooks, size_t count)
{
	static struct call call;
	struct runner_call head;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	prctl(PR_SET_NAME, "xenterm-hooks");
	/* They are the other process', whose end then is ours. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	curl_global_init(CURL_GLOBAL_ALL);
	while (read_all(sock, &head, sizeof head) && head.hook < count &&
	       head.len <= RUNNER_BODY && read_all(sock, call.body, head.len) &&
	       !is_over(sock)) {
		call.hook = &hooks[head.hook];
		call.body[head.len] = '\0';
		if (*call.hook->url)
			post(&call);
		else
			run(&call);
	}
	_exit(0);
}
