/** `moln db scrub`: compares all copies of a database now. */
import type { DatabaseDetail, StripeDetail } from '../../api/api.ts';
import type { CommandSpec, Context } from '../command.ts';
import { EXIT } from '../errors.ts';
import { showSteps } from '../progress.ts';
import { count } from '../words.ts';

const LOOK_EVERY_MS = 300;

/** One stripe, as it is told. */
interface Told {
  readonly stripe: number;
  /** Undefined: it was not compared. */
  readonly scrub: StripeDetail['scrub'];
}

export const DB_SCRUB: CommandSpec = {
  name: 'scrub',
  summary:
    'Compare all copies of a database now, row by row; those that are wrong are built anew. Each stripe is compared once a day anyhow.',
  arguments: [{ name: 'NAME', description: 'name of the database', required: true }],
  examples: [['moln db scrub shop', '']],
  run: async (context, input) => {
    const name = input.argument('NAME') ?? '';
    const { stripes } = await context.client().scrubDatabase(name);
    const database = await untilDone(context, name, stripes);
    const told = database.stripeDetails.map(({ number, scrub }) => ({
      stripe: number,
      scrub: stripes.includes(number) ? scrub : undefined,
    }));
    if (context.json) context.words.json(told);
    else for (const one of told) print(context, one);
    const isGood = told.every(
      ({ scrub }) => scrub?.copies.every(({ result }) => result !== 'failed') === true,
    );
    return isGood ? EXIT.ok : EXIT.failed;
  },
};

async function untilDone(
  context: Context,
  name: string,
  stripes: readonly number[],
): Promise<DatabaseDetail> {
  using display = showSteps(context, 'Comparing copies');
  for (let told = -1; ;) {
    const database = await context.client().database(name);
    const isLeft = ({ number, scrub }: StripeDetail): boolean =>
      stripes.includes(number) && scrub !== undefined && scrub.step !== 'done';
    const left = database.stripeDetails.filter(isLeft).length;
    if (left === 0) return database;
    if (left !== told)
      display?.step(`${stripes.length - left} of ${count(stripes.length, 'stripe')} compared`);
    told = left;
    await context.clock.sleep(LOOK_EVERY_MS, context.signal);
  }
}

function print({ words }: Context, { stripe, scrub }: Told): void {
  if (scrub === undefined)
    return words.line(`Stripe ${stripe} was not compared: the node that leads it does not answer`);
  const { copies } = scrub;
  if (copies.length === 0)
    return words.line(`Stripe ${stripe} has one copy, which nothing can be compared with`);
  const equal = copies.filter(({ result }) => result === 'equal').map(({ node }) => node);
  const rebuilt = copies.filter(({ result }) => result === 'rebuilt').map(({ node }) => node);
  const parts = [
    ...(equal.length > 0 ? [`equal on ${equal.join(', ')}`] : []),
    ...(rebuilt.length > 0 ? [`wrong on ${rebuilt.join(', ')} and built anew there`] : []),
  ];
  if (parts.length > 0) words.line(`Stripe ${stripe}: ${parts.join('; ')}`);
  for (const { node, result, why = '' } of copies)
    if (result === 'failed')
      words.line(`Stripe ${stripe}: the copy on ${node} could not be compared: ${why}`);
}
