/* Browsers have had it for long; Debian 12's node does not yet. */
globalThis.CustomEvent ??= class CustomEvent extends Event {
	constructor(type, options) {
		super(type, options);
		this.detail = options?.detail ?? null;
	}
};
