/** `moln doctor`: whether this machine is fit for Moln, line by line, each with its fix. */
import {
  checkDataFolder,
  checkDisk,
  checkIsolation,
  checkMemory,
  checkOpenFiles,
  checkRuntime,
  checkTools,
  findsTool,
  type Finding,
} from '../checks.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import { checkPorts } from '../ports.ts';
import { count } from '../words.ts';

const MARKS = { ok: ['green', 'ok  '], warn: ['yellow', 'warn'], fail: ['red', 'fail'] } as const;
const NAME_WIDTH = 12;

export const DOCTOR: CommandSpec = {
  name: 'doctor',
  summary: 'Check whether this machine has what Moln needs, and how to mend it.',
  local: true,
  run: async (context) => {
    const findings = await examine(context);
    const failed = findings.filter(({ verdict }) => verdict === 'fail').length;
    if (context.json) context.words.json({ ok: failed === 0, findings });
    else print(context, findings, failed);
    return failed === 0 ? EXIT.ok : EXIT.failed;
  },
};

async function examine(context: Context): Promise<readonly Finding[]> {
  const has = (tool: string): boolean => findsTool(context.io.env['PATH'] ?? '', tool);
  return [
    checkRuntime(process.version),
    checkMemory(),
    checkDisk(context.dataFolder),
    checkDataFolder(context.dataFolder),
    checkOpenFiles(),
    checkIsolation(process.getuid?.(), has),
    ...(await checkPorts(context.dataFolder)),
    ...checkTools(has),
  ];
}

function print(context: Context, findings: readonly Finding[], failed: number): void {
  const { words } = context;
  for (const { name, verdict, sentence, fix } of findings) {
    const [style, mark] = MARKS[verdict];
    words.line(`${words.style(style, mark)}  ${name.padEnd(NAME_WIDTH)} ${sentence}`);
    if (fix !== undefined) words.line(words.style('dim', `${' '.repeat(NAME_WIDTH + 7)}${fix}`));
  }
  words.line();
  words.line(
    failed === 0
      ? 'This machine is fit for Moln: start with "moln up"'
      : `${count(failed, 'thing')} must be mended before Moln can run here`,
  );
}
