#define _GNU_SOURCE
#include "common/privdrop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"

#define WORDS _LINUX_CAPABILITY_U32S_3

int
privdrop_lookup(const char *user, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam(user);

	if (!pw)
		return -ENOENT;
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

void
privdrop_to(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		log_fatal("cannot become uid %u, gid %u: %s", uid, gid,
		    strerror(errno));
	if (getresuid(&ruid, &euid, &suid) < 0 || ruid != uid || euid != uid ||
	    suid != uid)
		log_fatal("uid %u is not what was asked for", euid);
	if (getresgid(&rgid, &egid, &sgid) < 0 || rgid != gid || egid != gid ||
	    sgid != gid)
		log_fatal("gid %u is not what was asked for", egid);
	if (getgroups(0, NULL) != 0)
		log_fatal("further groups are left after dropping them");
	if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		log_fatal("root could be had back after dropping it");
}

/* libc has these without a header. */

static int
capabilities_get(struct __user_cap_data_struct sets[WORDS])
{
	struct __user_cap_header_struct header = {
	    _LINUX_CAPABILITY_VERSION_3, 0};

	return (int)syscall(SYS_capget, &header, sets);
}

static int
capabilities_set(const struct __user_cap_data_struct sets[WORDS])
{
	struct __user_cap_header_struct header = {
	    _LINUX_CAPABILITY_VERSION_3, 0};

	return (int)syscall(SYS_capset, &header, sets);
}

/* The sets with these and no others; inheritable ones, and with them ambient
 * ones, there are none. */
static void
only(const struct privdrop_capability *kept, size_t count,
    struct __user_cap_data_struct sets[WORDS])
{
	memset(sets, 0, WORDS * sizeof *sets);
	for (size_t i = 0; i < count; i++) {
		const unsigned bit = CAP_TO_MASK(kept[i].number);

		sets[CAP_TO_INDEX(kept[i].number)].permitted |= bit;
		sets[CAP_TO_INDEX(kept[i].number)].effective |= bit;
	}
}

void
privdrop_keep(const struct privdrop_capability *kept, size_t count)
{
	struct __user_cap_data_struct had[WORDS], wanted[WORDS], more[WORDS];

	if (capabilities_get(had) < 0)
		log_fatal("capget: %s", strerror(errno));
	for (size_t i = 0; i < count; i++)
		if (!(had[CAP_TO_INDEX(kept[i].number)].permitted &
			CAP_TO_MASK(kept[i].number)))
			log_fatal("the capability %s is missing, %s",
			    kept[i].name, kept[i].reason);
	only(kept, count, wanted);
	if (capabilities_set(wanted) < 0)
		log_fatal("capset: %s", strerror(errno));
	if (capabilities_get(had) < 0 ||
	    memcmp(had, wanted, sizeof wanted) != 0)
		log_fatal("capabilities are left after dropping them");
	memcpy(more, wanted, sizeof more);
	more[CAP_TO_INDEX(CAP_SYS_ADMIN)].permitted |=
	    CAP_TO_MASK(CAP_SYS_ADMIN);
	if (capabilities_set(more) == 0)
		log_fatal("capabilities could be had back after dropping them");
}

void
privdrop_harden(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_fatal("prctl: %s", strerror(errno));
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_fatal("privileges could still be gained by exec");
}
