/* What Linux' SysRq keys do (Documentation/admin-guide/sysrq.rst), in words; those that a person at a console asks for. */
export const SYSRQ = [
	['h', 'h: list of the keys'],
	['s', 's: write everything to disk (sync)'],
	['u', 'u: make the disks read-only'],
	['b', 'b: reboot at once'],
	['o', 'o: power off at once'],
	['e', 'e: end all processes but init (SIGTERM)'],
	['i', 'i: kill all processes but init (SIGKILL)'],
	['f', 'f: free memory by killing a process'],
	['w', 'w: list what is blocked'],
	['t', 't: list all tasks'],
	['m', 'm: memory in use'],
	['l', 'l: what the processors are doing'],
	['c', 'c: crash, for a dump'],
];

/* What is to be confirmed first, and why. */
export const HARSH = {
	u: 'Programs in the guest that write to a disk fail from then on.',
	b: 'The guest restarts at once: nothing is written to disk or ended in order. Send s, and u, before.',
	o: 'The guest is switched off at once: nothing is written to disk or ended in order. Send s, and u, before.',
	e: 'Every program in the guest is asked to end.',
	i: 'Every program in the guest is killed, and what it has not written is lost.',
	f: 'The guest kills the program that uses most memory.',
	c: 'The guest crashes.',
};
