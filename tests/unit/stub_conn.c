#include "fcgi/server.h"

void
conn_park(struct conn *conn, void (*gone)(void *ctx), void *ctx)
{
	(void)conn;
	(void)gone;
	(void)ctx;
}
