/*
 * Where our emulator differs from xterm.js on purpose: one entry for one difference, each with its reason in
 * docs/terminal.md. An entry takes out of two states what it explains and nothing else; what is then left must be
 * equal. No wildcards: `applies` names the sequence or the state, `forgive` the fields.
 *
 *   {
 *           name: 'short, for the counts',
 *           reason: 'why ours is right for a serial console',
 *           see: 'docs/terminal.md#heading-in-small-letters',
 *           applies: (record, ours, theirs) => …,
 *           forgive: (ours, theirs, record) => { theirs.x = ours.x; },
 *   }
 */
export const deviations = [
];
