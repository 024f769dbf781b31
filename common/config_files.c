#define _GNU_SOURCE
#include "common/config_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Before each file's path and text. */
struct head {
	uint32_t kind, path_len, text_len;
};

int
config_files_add(struct config_files *files, const struct config_file *file)
{
	const struct head head = {
	    file->kind, (uint32_t)strlen(file->path), (uint32_t)file->len};
	size_t more = sizeof head + head.path_len + 1 + file->len + 1;
	uint8_t *data, *at;

	if (file->len > CONFIG_FILES_MAX ||
	    files->size + more > CONFIG_FILES_MAX)
		return -EFBIG;
	/* Not realloc(), which would leave keys behind. */
	data = calloc(1, files->size + more);
	if (!data)
		return -ENOMEM;
	if (files->size > 0)
		memcpy(data, files->data, files->size);
	at = data + files->size;
	memcpy(at, &head, sizeof head);
	memcpy(at + sizeof head, file->path, head.path_len);
	memcpy(at + sizeof head + head.path_len + 1, file->text, file->len);
	more += files->size;
	config_files_free(files);
	*files = (struct config_files){data, more};
	return 0;
}

bool
config_files_next(
    const struct config_files *files, size_t *at, struct config_file *file)
{
	const char *path;
	struct head head;
	size_t rest;

	if (*at > files->size || files->size - *at < sizeof head)
		return false;
	memcpy(&head, files->data + *at, sizeof head);
	rest = files->size - *at - sizeof head;
	if (head.path_len >= rest || head.text_len >= rest - head.path_len - 1)
		return false;
	path = (const char *)files->data + *at + sizeof head;
	*file = (struct config_file){
	    head.kind, path, path + head.path_len + 1, head.text_len};
	if (path[head.path_len] != '\0' || file->text[head.text_len] != '\0')
		return false;
	*at += sizeof head + head.path_len + 1 + head.text_len + 1;
	return true;
}

bool
config_files_key(const struct config_files *files, const char *path,
    struct config_file *file)
{
	size_t at = 0;

	while (config_files_next(files, &at, file))
		if (file->kind == CONFIG_FILE_KEY &&
		    strcmp(file->path, path) == 0)
			return true;
	return false;
}

void
config_files_free(struct config_files *files)
{
	if (files->data)
		explicit_bzero(files->data, files->size);
	free(files->data);
	*files = (struct config_files){NULL, 0};
}
