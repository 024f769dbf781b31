/*
 * Floor B: the least a FastCGI program can do.  Answers every request at once
 * with what was posted; plain libfcgi, one thread.
 *
 * With a tty it is both floors in one: what was posted is written there, and
 * the answer is what comes back: a key's way through the simplest program.
 */
#include <err.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 64

static void
echo_at(int tty, char *bytes, int n)
{
	ssize_t got = write(tty, bytes, (size_t)n);

	for (int at = 0; got >= 0 && at < n; at += (int)got)
		if ((got = read(tty, bytes + at, (size_t)(n - at))) == 0)
			errx(1, "the tty has ended");
	if (got < 0)
		err(1, "tty");
}

int
main(int argc, char **argv)
{
	FCGX_Request request;
	char body[64];
	int fd, tty = -1;

	if (argc != 2 && argc != 3)
		errx(2, "usage: floor SOCKET [TTY]");
	if (argc == 3 && (tty = open(argv[2], O_RDWR | O_NOCTTY)) < 0)
		err(1, "%s", argv[2]);
	umask(0); /* nginx runs as another user */
	if (FCGX_Init() != 0 || (fd = FCGX_OpenSocket(argv[1], BACKLOG)) < 0)
		errx(1, "%s: cannot listen", argv[1]);
	FCGX_InitRequest(&request, fd, 0);
	while (FCGX_Accept_r(&request) == 0) {
		int n = FCGX_GetStr(body, sizeof body, request.in);

		if (tty >= 0)
			echo_at(tty, body, n);
		FCGX_FPrintF(request.out,
		    "Status: 200 OK\r\n"
		    "Content-Type: application/octet-stream\r\n\r\n");
		FCGX_PutStr(body, n, request.out);
		FCGX_Finish_r(&request);
	}
	return 0;
}
