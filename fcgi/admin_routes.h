/* The calls of the admin interface. */
#ifndef XENTERM_ADMIN_ROUTES_H
#define XENTERM_ADMIN_ROUTES_H

#include "fcgi/route.h"

extern const struct route_table admin_table;

#endif
