/* Random numbers that are the same everywhere for the same seed and index. */
export class Random {
	#a;
	#b;
	#c;
	#d = 1;

	constructor(seed, index = 0) {
		this.#a = Math.imul(seed, 0x9e3779b1) | 0;
		this.#b = Math.imul(index, 0x85ebca6b) | 0;
		this.#c = (seed ^ 0x243f6a88) | 0;
		for (let i = 0; i < 12; i++)
			this.word();
	}

	/* sfc32 */
	word() {
		const t = (this.#a + this.#b + this.#d) | 0;
		this.#d = (this.#d + 1) | 0;
		this.#a = this.#b ^ (this.#b >>> 9);
		this.#b = (this.#c + (this.#c << 3)) | 0;
		this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t | 0;
		return t >>> 0;
	}

	below(n) {
		return Math.floor(this.word() / 0x100000000 * n);
	}

	between(low, high) {
		return low + this.below(high - low + 1);
	}

	chance(p) {
		return this.word() < p * 0x100000000;
	}

	pick(list) {
		return list[this.below(list.length)];
	}

	/* From [[weight, value]...]. */
	weighted(list) {
		let at = this.below(list.reduce((sum, [weight]) => sum + weight, 0));
		for (const [weight, value] of list)
			if ((at -= weight) < 0)
				return value;
		throw new Error('unreachable');
	}
}
