/* The bytes a fuzzer hands out, taken one after the other. */
#ifndef XENTERM_FUZZ_INPUT_H
#define XENTERM_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *at, *end;
};

/* 0 when there are no more. */
static inline uint8_t
next(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* Copies at most len bytes; how many there were. */
static inline size_t
take(struct input *in, void *to, size_t len)
{
	if (len > (size_t)(in->end - in->at))
		len = (size_t)(in->end - in->at);
	memcpy(to, in->at, len);
	in->at += len;
	return len;
}

/* What libFuzzer calls, and replay.c with what it has found. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
