#include "fcgi/ticket_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "fcgi/jwt.h"

/* The longest key and what is around it. */
#define FILE_MAX 1024

struct ticket_keys {
	const struct config *config;
	struct jwt_key keys[]; /* as many as the configuration has */
};

/* What is wrong with a file of this mode, or NULL. */
static const char *
mode_fault(const struct stat *st, enum ticket_algorithm algorithm)
{
	if (!S_ISREG(st->st_mode))
		return "this is no file";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "others than its owner can write it (chmod 640)";
	if (algorithm == TICKET_HS256 && (st->st_mode & S_IROTH))
		return "everybody can read this secret (chmod 640)";
	return NULL;
}

static const char *
load_from(int fd, const struct config_ticket_key *section, struct jwt_key *key)
{
	char text[FILE_MAX];
	const char *fault;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	fault = mode_fault(&st, section->algorithm);
	if (fault)
		return fault;
	n = read(fd, text, sizeof text);
	if (n < 0)
		return strerror(errno);
	if (n == sizeof text)
		return "the file is longer than any key";
	fault = jwt_key_read(key, section->algorithm, text, (size_t)n);
	sodium_memzero(text, sizeof text);
	return fault;
}

static const char *
load(const struct config_ticket_key *section, struct jwt_key *key)
{
	int fd = open(section->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *fault;

	if (fd < 0)
		return strerror(errno);
	fault = load_from(fd, section, key);
	close(fd);
	return fault;
}

struct ticket_keys *
ticket_keys_load(const struct config *config)
{
	struct ticket_keys *keys = calloc(
	    1, sizeof *keys + config->nticket_keys * sizeof keys->keys[0]);

	if (!keys)
		return NULL;
	keys->config = config;
	for (size_t i = 0; i < config->nticket_keys; i++) {
		const struct config_ticket_key *section =
		    &config->ticket_keys[i];
		const char *fault = load(section, &keys->keys[i]);

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
	sodium_memzero(
	    keys->keys, keys->config->nticket_keys * sizeof keys->keys[0]);
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
