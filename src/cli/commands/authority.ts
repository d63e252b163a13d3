/** `moln authority`: what the nodes of the cluster are known by, and replacing it while everything runs. */
import type { AuthorityStatus } from '../../api/model.ts';
import { isoTime } from '../../base/time.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';

const LOOK_EVERY_MS = 500;

function show(context: Context, authority: AuthorityStatus): number {
  const { words } = context;
  if (context.json) {
    words.json(authority);
    return EXIT.ok;
  }
  const { sentence, fingerprint, pin, since, until, rotatesAt, rotation } = authority;
  words.line(words.style('bold', sentence));
  const row = (label: string, value: string): void =>
    words.line(`  ${words.style('dim', label.padEnd(11))} ${value}`);
  row('Fingerprint', fingerprint);
  if (pin !== fingerprint) row('Pin', `${pin}  ${words.style('dim', '(until this is through)')}`);
  row('Since', isoTime(since));
  row('Until', isoTime(until));
  if (rotation === undefined) {
    row('Rotation', `by itself at ${isoTime(rotatesAt)}`);
    return EXIT.ok;
  }
  row('Rotation', `since ${isoTime(rotation.startedAt)}, because ${rotation.why}`);
  for (const lack of rotation.waitsFor) row('Waits', lack.sentence);
  return EXIT.ok;
}

const ROTATE: CommandSpec = {
  name: 'rotate',
  summary: 'Replace the authority and all certificates while everything runs.',
  examples: [['moln authority rotate', 'Ctrl-C only stops watching: it goes on by itself']],
  run: async (context) => {
    const { words, clock, json, io, signal } = context;
    const client = context.client();
    await client.rotateAuthority();
    let said = '';
    for (;;) {
      const authority = await client.authority();
      const { rotation, sentence } = authority;
      if (rotation === undefined) {
        if (json) words.json(authority);
        else words.line(`The authority was rotated: ${authority.fingerprint}`);
        return EXIT.ok;
      }
      const { waitsFor } = rotation;
      if (waitsFor.length > 0 && waitsFor.every(({ isAway }) => isAway)) {
        // That may take days.
        return show(context, authority);
      }
      if (sentence !== said && !json) io.stderr.write(`${sentence}\n`);
      said = sentence;
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  },
};

export const AUTHORITY: CommandSpec = {
  name: 'authority',
  summary: 'Show the certificate authority of the cluster, and rotate it.',
  examples: [
    ['moln authority', 'how long it lasts, and how far a rotation is'],
    ['moln authority rotate', 'instead of waiting until it is rotated by itself'],
  ],
  run: async (context) => show(context, await context.client().authority()),
  commands: [ROTATE],
};
