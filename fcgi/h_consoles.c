/* GET api/v1/consoles: what the user may see. */
#include <json-c/json.h>

#include "common/config.h"
#include "fcgi/access.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/handlers.h"
#include "fcgi/json_build.h"
#include "fcgi/json_view.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/worker.h"

void
handle_consoles(struct worker *w, struct request *r)
{
	struct json_object *list = json_object_new_array();
	struct json_object *body = json_object_new_object();
	struct console *c = NULL;

	while ((c = consoles_next(w->consoles, c)) != NULL) {
		uint32_t rights = access_rights(
		    w->config, r->user, r->groups, console_guest(c));

		if (rights & RIGHT_LIST)
			json_append(&list, json_console(c, rights));
	}
	json_put(&body, "consoles", list);
	reply_json(r->conn, 200, body);
}
