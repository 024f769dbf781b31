/* What a person has chosen, kept in this browser; without storage it holds for this page. */

const DEFAULTS = { theme: 'system', 'font-size': 'fit', backspace: '^?', 'screen-reader': '0', 'key-bar': 'auto' };
const kept = {};

export function setting(name) {
	if (name in kept)
		return kept[name];
	try {
		return localStorage.getItem(`xenterm-${name}`) ?? DEFAULTS[name];
	} catch {
		return DEFAULTS[name];
	}
}

export function setSetting(name, value) {
	kept[name] = value;
	try {
		localStorage.setItem(`xenterm-${name}`, value);
	} catch {
		/* see above */
	}
}

const light = matchMedia('(prefers-color-scheme: light)');
const contrast = matchMedia('(prefers-contrast: more)');

/* dark, light or contrast, for a choice that may be `system`. */
export function resolveTheme(choice) {
	if (['dark', 'light', 'contrast'].includes(choice))
		return choice;
	return contrast.matches ? 'contrast' : light.matches ? 'light' : 'dark';
}

/* Calls changed() when the system's wishes change, until the signal, if there is one, is aborted. */
export function watchSystemTheme(changed, signal) {
	light.addEventListener('change', changed, { signal });
	contrast.addEventListener('change', changed, { signal });
}

/* The page's own colours. */
export function applyPageTheme() {
	document.documentElement.dataset.theme = resolveTheme(setting('theme'));
}
