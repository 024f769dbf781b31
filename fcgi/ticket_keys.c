#include "fcgi/ticket_keys.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/config_files.h"
#include "common/key_file.h"
#include "common/log.h"
#include "fcgi/jwt.h"

struct ticket_keys {
	const struct config *config;
	size_t count;
	struct jwt_key keys[]; /* as many as the configuration has */
};

static const char *
load_file(const struct config_ticket_key *section, struct jwt_key *key)
{
	char text[KEY_FILE_MAX];
	size_t len;
	const char *fault = key_file_read(section, text, &len);

	if (!fault)
		fault = jwt_key_read(key, section->algorithm, text, len);
	sodium_memzero(text, sizeof text);
	return fault;
}

static const char *
load(const struct config_ticket_key *section, const struct config_files *files,
    struct jwt_key *key)
{
	struct config_file file;

	if (!files)
		return load_file(section, key);
	if (!config_files_key(files, section->file, &file))
		return "it did not come with the configuration";
	return jwt_key_read(key, section->algorithm, file.text, file.len);
}

struct ticket_keys *
ticket_keys_load(const struct config *config, const struct config_files *files)
{
	struct ticket_keys *keys = calloc(
	    1, sizeof *keys + config->nticket_keys * sizeof keys->keys[0]);

	if (!keys)
		return NULL;
	keys->config = config;
	keys->count = config->nticket_keys;
	for (size_t i = 0; i < config->nticket_keys; i++) {
		const struct config_ticket_key *section =
		    &config->ticket_keys[i];
		const char *fault = load(section, files, &keys->keys[i]);

		if (!fault)
			continue;
		log_error("ticket_key \"%s\": %s: %s", section->name,
		    section->file, fault);
		ticket_keys_free(keys);
		return NULL;
	}
	return keys;
}

void
ticket_keys_free(struct ticket_keys *keys)
{
	if (!keys)
		return;
	sodium_memzero(keys->keys, keys->count * sizeof keys->keys[0]);
	free(keys);
}

const struct jwt_key *
ticket_keys_find(const struct ticket_keys *keys, const char *name,
    const struct config_ticket_key **section)
{
	for (size_t i = 0; i < keys->config->nticket_keys; i++) {
		*section = &keys->config->ticket_keys[i];
		if (strcmp((*section)->name, name) == 0)
			return &keys->keys[i];
	}
	return NULL;
}
