/** Questions to a person, and secrets from standard input. */
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { usageError } from './errors.ts';
import { type CliIo, isConversation } from './io.ts';

const SECRET_BYTES_MAX: number = 64 * 1024;

/** One line of answer. Throws `CLI_USAGE` when nobody is there to answer. */
export async function ask(io: CliIo, question: string): Promise<string> {
  if (!isConversation(io))
    throw usageError('This needs an answer and nobody is there', 'Give --yes');
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  try {
    return (await answerOf(lines, question)).trim();
  } finally {
    lines.close();
  }
}

/** Throws `CLI_USAGE` when the input ends (Ctrl-D): readline would wait for ever. */
async function answerOf(lines: Interface, question: string): Promise<string> {
  const ended = once(lines, 'close').then(() => {
    throw usageError('No answer was given', 'Type one and press Enter');
  });
  return Promise.race([lines.question(question), ended]);
}

/** A value that must not stand on the command line: typed unseen on a terminal, else all of stdin. */
export async function readSecret(io: CliIo, name: string): Promise<string> {
  if (!isConversation(io)) return readValue(io);
  io.stderr.write(`Value of ${name} (not shown): `);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: io.stdin, output: unseen, terminal: true });
  try {
    return await answerOf(lines, '');
  } finally {
    lines.close();
    io.stderr.write('\n');
  }
}

/** Without the one newline that `echo` adds. */
async function readValue(io: CliIo): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of io.stdin as AsyncIterable<Buffer | string>) {
    const buffer = Buffer.from(chunk as string);
    bytes += buffer.length;
    if (bytes > SECRET_BYTES_MAX) {
      throw usageError(
        `The value on stdin is above ${SECRET_BYTES_MAX} bytes`,
        'Keep large things in a file of the app',
      );
    }
    chunks.push(buffer);
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
