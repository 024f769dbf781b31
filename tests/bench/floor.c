/*
 * Floor B: the least a FastCGI program can do.  Answers every request at once
 * with what was posted; plain libfcgi, one thread.
 */
#include <err.h>
#include <fcgiapp.h>
#include <sys/stat.h>

#define BACKLOG 64

int
main(int argc, char **argv)
{
	FCGX_Request request;
	char body[64];
	int fd;

	if (argc != 2)
		errx(2, "usage: floor SOCKET");
	umask(0); /* nginx runs as another user */
	if (FCGX_Init() != 0 || (fd = FCGX_OpenSocket(argv[1], BACKLOG)) < 0)
		errx(1, "%s: cannot listen", argv[1]);
	FCGX_InitRequest(&request, fd, 0);
	while (FCGX_Accept_r(&request) == 0) {
		int n = FCGX_GetStr(body, sizeof body, request.in);

		FCGX_FPrintF(request.out,
		    "Status: 200 OK\r\n"
		    "Content-Type: application/octet-stream\r\n\r\n");
		FCGX_PutStr(body, n, request.out);
		FCGX_Finish_r(&request);
	}
	return 0;
}
