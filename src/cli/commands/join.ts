/** `moln join LINE`: makes this machine a node of another's cluster, then lives with it as `moln up` does. */
import type { CommandSpec } from '../command.ts';
import { usageError } from '../errors.ts';
import { readUpOptions, UP_OPTIONS } from '../up.ts';
import { runForeground } from './up.ts';

export const JOIN: CommandSpec = {
  name: 'join',
  summary: 'Make this machine a node of the cluster that the invite is from, in the foreground.',
  local: true,
  ownSignals: true,
  arguments: [{ name: 'LINE', description: 'what "moln invite" printed there', required: true }],
  options: UP_OPTIONS,
  examples: [
    ['moln join moln1.AQ…', 'the line from the first machine; afterwards "moln up" starts it'],
    ['moln join moln1.AQ… --name two --region east', ''],
  ],
  run: async (context, input) => {
    const options = readUpOptions(input, context.dataFolder, context.io.cwd);
    if (options.etcd !== undefined) {
      throw usageError('The cluster knows its etcd', 'Leave --etcd out: it comes with the invite');
    }
    const { joinNode } = context;
    if (joinNode === undefined) throw new Error('This CLI was built without a node');
    const invite = input.argument('LINE') ?? '';
    return await runForeground(context, options, (wished) => joinNode({ ...wished, invite }));
  },
};
