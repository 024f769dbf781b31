/*
 * A list of system calls; every other one ends the process with SIGSYS.
 *
 * The list is a table in the program that it confines.
 */
#ifndef XENTERM_SANDBOX_H
#define XENTERM_SANDBOX_H

#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* Holds when (argument & mask) == value; a mask of 0 asks nothing. */
struct sandbox_argument {
	unsigned number; /* from 0 */
	uint64_t mask, value;
};

struct sandbox_rule {
	int call;  /* SCMP_SYS(name), or a negative number: not here */
	int error; /* 0: allowed; else the call fails with this errno */
	struct sandbox_argument arguments[2]; /* all must hold */
};

/* A call with whatever it is asked for. */
#define ALLOW(name)                    \
	{                              \
		.call = SCMP_SYS(name) \
	}

/* fcntl() with this command.  F_SETOWN and F_SETSIG, by which a descriptor
 * sends signals, are nobody's. */
#define ALLOW_FCNTL(command)                            \
	{                                               \
		.call = SCMP_SYS(fcntl), .arguments = { \
			{1, UINT32_MAX, command}        \
		}                                       \
	}

/* Memory, none of which is run as code. */
#define ALLOW_MEMORY                                                           \
	ALLOW(brk), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise),              \
	    {.call = SCMP_SYS(mmap), .arguments = {{2, PROT_EXEC, 0}}},        \
	{                                                                      \
		.call = SCMP_SYS(mprotect), .arguments = { {2, PROT_EXEC, 0} } \
	}

/* Confines all threads of this process, for good; it must have given up
 * gaining privileges (PR_SET_NO_NEW_PRIVS).  Returns 0 or a negative errno. */
int sandbox_enter(const struct sandbox_rule *rules, size_t nrules);

#endif
