/*
 * xenterm-broker: follows xenstore, finds, verifies, locks and opens guests'
 * console ttys, and keeps them and their history while the worker changes.
 * Runs as root, with two capabilities and a list of system calls; never looks
 * at what a guest prints.
 */
#include <event2/event.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/confine.h"
#include "broker/console.h"
#include "broker/domains.h"
#include "broker/keep.h"
#include "broker/lock.h"
#include "broker/power.h"
#include "broker/reload.h"
#include "broker/state.h"
#include "broker/worker.h"
#include "common/config.h"
#include "common/limits.h"
#include "common/listener.h"
#include "common/log.h"
#include "common/privdrop.h"
#include "common/program.h"

/* A ring, a tty and a lock for each console, the same in flight to the
 * worker, and our own. */
#define DESCRIPTORS (6 * LIMIT_CONSOLES + 64)

#define SOCKET_PATH sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct broker {
	struct event_base *base;
	struct keep *keep;
	struct state *state;
	struct locks *locks;
	struct worker *worker;
	struct consoles *consoles;
	struct domains *domains;
	struct powers *powers;
	struct reload *reload;
};

/* For the worker's user: its group may connect, its uid is asked for. */
static int
listen_for_worker(
    const struct config *config, char path[SOCKET_PATH], uid_t *uid)
{
	struct listener_access access = {.mode = 0660};

	if (privdrop_lookup(config->user, uid, &access.gid) < 0)
		log_fatal("there is no user %s", config->user);
	return program_listen(
	    config, "broker.sock", SOCK_SEQPACKET, &access, path, SOCKET_PATH);
}

/* What the service manager has kept of the broker before this one, if it is
 * of this version. */
static void
take_state(struct broker *broker)
{
	broker->keep = keep_create();
	if (!broker->keep)
		log_fatal("no memory");
	broker->state = state_create(broker->keep);
	if (!broker->state)
		log_fatal("no memory");
}

/* Consoles take their locks over, and all else is given up. */
static void
take_over(struct broker *broker)
{
	locks_adopt(broker->locks, broker->keep);
	consoles_adopt(broker->consoles, broker->keep);
	locks_sweep(broker->locks);
	keep_destroy(broker->keep);
}

static void
assemble(struct broker *broker, struct config *config, int listener, uid_t uid)
{
	broker->base = event_base_new();
	if (!broker->base)
		log_fatal("no event loop");
	broker->locks = locks_create(config->lock_dir);
	broker->worker =
	    worker_create(broker->base, listener, uid, broker->keep);
	if (!broker->locks || !broker->worker)
		log_fatal("no memory");
	broker->consoles = consoles_create(&(struct consoles_parts){
	    .base = broker->base,
	    .config = config,
	    .locks = broker->locks,
	    .state = broker->state,
	    .wake = worker_wake,
	    .ctx = broker->worker,
	});
	if (!broker->consoles)
		log_fatal("no memory");
	broker->domains = domains_create(
	    broker->base, config, consoles_listener(broker->consoles));
	if (!broker->domains)
		log_fatal("no memory");
	worker_set_consoles(broker->worker, broker->consoles);
	consoles_set_domains(broker->consoles, broker->domains);
	broker->powers = powers_create(
	    broker->base, config, broker->domains, worker_wake, broker->worker);
	if (!broker->powers)
		log_fatal("no memory");
	worker_set_powers(broker->worker, broker->powers);
	broker->reload = reload_create(
	    broker->base, config, broker->consoles, broker->worker);
	if (!broker->reload)
		log_fatal("no memory");
	worker_set_reload(broker->worker, reload_ask, broker->reload);
}

static void
take_apart(struct broker *broker)
{
	reload_destroy(broker->reload);
	worker_destroy(broker->worker);
	powers_destroy(broker->powers);
	domains_destroy(broker->domains);
	consoles_destroy(broker->consoles);
	locks_destroy(broker->locks);
	state_destroy(broker->state);
	event_base_free(broker->base);
}

int
main(int argc, char **argv)
{
	struct config *config = program_start("xenterm-broker", argc, argv);
	struct broker broker;
	char path[SOCKET_PATH];
	uid_t uid;
	int listener, error;

	program_raise_files(DESCRIPTORS);
	listener = listen_for_worker(config, path, &uid);
	take_state(&broker);
	program_close_rest();
	broker_drop();
	program_background();
	assemble(&broker, config, listener, uid);
	take_over(&broker);
	domains_start(broker.domains);
	consoles_begin(broker.consoles);
	error = broker_confine();
	if (error)
		log_fatal("seccomp: %s", strerror(-error));
	program_run(
	    broker.base, &(struct program_reload){reload_ask, broker.reload});
	take_apart(&broker);
	if (*path)
		unlink(path);
	close(listener);
	config_free(config);
	return 0;
}
