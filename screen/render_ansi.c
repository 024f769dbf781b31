#include "screen/render_ansi.h"
void
render_ansi(const struct emulator *e, render_sink *sink, void *user)
{
	(void)e;
	(void)sink;
	(void)user;
}
