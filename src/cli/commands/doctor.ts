/** `moln doctor`: whether this machine is fit for Moln, line by line, each with its fix. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  checkDataFolder,
  checkDisk,
  checkIsolation,
  checkMemory,
  checkOpenFiles,
  checkRuntime,
  checkTools,
  type Finding,
} from '../checks.ts';
import { isMolnError, messageOf } from '../../base/errors.ts';
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

const RUNNERS: string = fileURLToPath(new URL('../../apps/runners', import.meta.url));

async function examine(context: Context): Promise<readonly Finding[]> {
  // Loaded here alone: other commands should start fast.
  const { chooseDriver, findTools, gatherDriverFacts } = await import('../../apps/apps.ts');
  const folders = {
    data: context.dataFolder,
    node: realpathSync(process.execPath),
    runners: RUNNERS,
  };
  const [driverFacts, tools] = await Promise.all([gatherDriverFacts(folders), findTools()]);
  return [
    checkRuntime(process.version),
    checkMemory(),
    checkDisk(context.dataFolder),
    checkDataFolder(context.dataFolder),
    checkOpenFiles(),
    checkIsolation(chooseDriver(driverFacts)),
    ...checkPorts(context.dataFolder),
    ...checkTools(tools),
    ...(await checkCertificates(context)),
  ];
}

/** Of the node that runs here, if one does. */
async function checkCertificates(context: Context): Promise<readonly Finding[]> {
  const name = 'certificates';
  try {
    const { warnings } = await context.client().certificates();
    const fix = 'See "moln certificate list"';
    if (warnings.length > 0) {
      return warnings.map(({ text }) => ({ name, verdict: 'warn', sentence: text, fix }));
    }
    return [{ name, verdict: 'ok', sentence: 'No certificate is about to fail', fix: undefined }];
  } catch (error) {
    if (isMolnError(error, 'CLI_NO_NODE')) return [];
    const sentence = `The node here does not say how its certificates are: ${messageOf(error)}`;
    return [{ name, verdict: 'warn', sentence, fix: 'See "moln status"' }];
  }
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
