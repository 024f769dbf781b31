#include "common/proto.h"

const char *
proto_state_name(uint32_t state)
{
	static const char *const names[STATE_COUNT] = {
	    [STATE_UP] = "up",
	    [STATE_WAITING] = "waiting",
	    [STATE_BUSY] = "busy",
	    [STATE_RELEASED] = "released",
	    [STATE_REFUSED] = "refused",
	    [STATE_GONE] = "gone",
	};

	return state < STATE_COUNT ? names[state] : "unknown";
}
