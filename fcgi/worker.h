/* What the parts of the worker share. */
#ifndef XENTERM_WORKER_H
#define XENTERM_WORKER_H

struct broker_link;
struct config;
struct consoles;
struct event_base;
struct failures;
struct powers;
struct reload;
struct feed;
struct server;
struct sessions;
struct tickets;

struct worker {
	const struct config *config;
	struct event_base *base;
	struct server *server;
	struct consoles *consoles;
	struct sessions *sessions;
	struct tickets *tickets;
	struct broker_link *broker;
	struct reload *reload;
	struct failures *failures;
	struct powers *powers;
	struct feed *feed;
};

#endif
